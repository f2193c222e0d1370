/** Random timelines: a plan that is made before the run, the purge after it, and a model of the retention say the same. */
import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import fc from 'fast-check';
import {formatTimestamp} from '../../source/lib/time.js';
import {type PeriodKind, periodOf} from '../../source/retention/periods.js';
import {createPlanner} from '../../source/retention/planner.js';
import type {RetentionPolicy} from '../../source/retention/policy.js';
import {planItems, type PurgePlan, removalsOf, restrictPlan} from '../../source/retention/purge-plan.js';

process.env['TZ'] = 'UTC'; // a time without a zone is ambiguous when clocks go back

const second = 1000;
const day = 86_400 * second;
const tolerance = 300 * second;

type Dump = {readonly time: number; readonly whole: boolean; readonly legacy: boolean; readonly checksum: boolean};
type Timeline = {readonly start: number; readonly dumps: readonly Dump[]; readonly policy: RetentionPolicy};

const policies: fc.Arbitrary<RetentionPolicy> = fc.record({
	olderThan: fc.constantFrom(0, 3600 * second, day, 7 * day, 30 * day, 400_000 * day, -3600 * second),
	minKeep: fc.constantFrom(0, 0, 1, 2, 3, 7, Infinity),
	keepDaily: fc.constantFrom(0, 0, 2, 5),
	keepWeekly: fc.constantFrom(0, 0, 2),
	keepMonthly: fc.constantFrom(0, 0, 3),
	keepYearly: fc.constantFrom(0, 0, 1),
});
const ages = fc.oneof(
	{weight: 10, arbitrary: fc.integer({min: 1, max: 90 * 86_400})},
	{weight: 4, arbitrary: fc.integer({min: 1, max: 900 * 86_400})},
	{weight: 1, arbitrary: fc.integer({min: -400 * 86_400, max: 0})}, // clocks are wrong at times
);
const timelines: fc.Arbitrary<Timeline> = fc
	.record({
		start: fc.integer({min: Date.UTC(2024, 0, 1), max: Date.UTC(2028, 0, 1)}),
		ages: fc.uniqueArray(ages, {maxLength: 25}),
		kinds: fc.array(fc.tuple(fc.nat(9), fc.boolean(), fc.boolean()), {minLength: 25, maxLength: 25}),
		policy: policies,
	})
	.map(({start, ages: list, kinds, policy}) => ({
		start,
		policy,
		dumps: list.map((age, index) => {
			const [quality = 0, legacy = false, checksum = false] = kinds[index] ?? [];
			return {time: (Math.floor(start / second) - age) * second, whole: quality > 1, legacy, checksum};
		}),
	}));

function pathsOf({time, legacy, checksum}: Dump): string[] {
	const path = `a_${formatTimestamp(new Date(time), legacy ? 'legacy' : 'rfc3339')}.dump`;
	return checksum ? [path, `${path}.sha256`] : [path];
}

type Outcome = {
	/** Seconds after the start at which this run's dump began; undefined: it is still to come. */
	readonly made?: number;
	readonly dumps?: readonly Dump[];
};

function planOf({start, dumps: before, policy}: Timeline, {made, dumps = before}: Outcome): PurgePlan {
	const own = made === undefined ? [] : [{time: Math.floor(start / second + made) * second, whole: true}];
	const current = own.flatMap(one => pathsOf({...one, legacy: false, checksum: false}));
	const planner = createPlanner(
		{
			subjects: [{subject: {kind: 'database', name: 'a'}, policy, coming: made === undefined}],
			runPolicy: policy,
			databases: ['a'],
			start,
			now: start + (made ?? 0) * second,
			current: new Set(current),
		},
		() => '',
	);
	for (const dump of dumps)
		for (const path of pathsOf(dump)) planner.add({path, size: dump.whole ? 1 : 0, directory: false});
	for (const path of current) planner.add({path, size: 1, directory: false});
	return planner.plan('place');
}

function removed(plan: PurgePlan): string[] {
	return [...planItems(plan)].flatMap(({path, action}) => (action === 'remove' ? [path] : [])).toSorted();
}

/** What the documents say, in another way than the program: all that goes, given that this run's dump is good. */
function model({start, dumps, policy}: Timeline): string[] {
	const now = Math.floor(start / second) * second;
	if (policy.minKeep === Infinity) return [];
	if (policy.olderThan < 0)
		return dumps
			.filter(dump => dump.time < now - policy.olderThan && !isCounted(dump))
			.flatMap(pathsOf)
			.toSorted();
	if (dumps.some(dump => dump.time > start + tolerance)) return [];
	return dumps
		.filter(dump => dump.time < now - policy.olderThan)
		.filter(dump => dump.whole || now - dump.time >= day)
		.filter(dump => !isCounted(dump))
		.flatMap(pathsOf)
		.toSorted();

	function isCounted(dump: Dump): boolean {
		if (!dump.whole) return false;
		const good = [now + 999, ...dumps.filter(one => one.whole).map(one => one.time)].sort((a, b) => b - a);
		if (good.indexOf(dump.time) < Math.max(policy.minKeep, policy.olderThan < 0 ? 0 : 1)) return true;
		return (
			[
				['daily', policy.keepDaily],
				['weekly', policy.keepWeekly],
				['monthly', policy.keepMonthly],
				['yearly', policy.keepYearly],
			] as const
		).some(([kind, count = 0]) => newestOf(good, kind).slice(0, count).includes(dump.time));
	}
}

/** Of each period that has a good dump the newest, newest period first. */
function newestOf(good: readonly number[], kind: PeriodKind): number[] {
	return good.filter(
		(time, index) => good.findIndex(other => periodOf(other, kind) === periodOf(time, kind)) === index,
	);
}

const numRuns = process.env['PG_BACK_TEST_FULL'] === undefined ? 1000 : 100_000;

describe('for any timeline and retention', () => {
	it('the plan removes what the model removes', () => {
		fc.assert(
			fc.property(timelines, timeline => {
				assert.deepEqual(removed(planOf(timeline, {})), model(timeline));
			}),
			{numRuns},
		);
	});

	it('the purge after a good dump removes what was planned, and its own dump only where the interval is negative', () => {
		fc.assert(
			fc.property(timelines, fc.integer({min: 1, max: 240}), (timeline, made) => {
				// Not over midnight, where the coming dump falls into another period than planned.
				const end = timeline.start + made * second;
				fc.pre(periodOf(timeline.start, 'daily') === periodOf(end, 'daily'));
				fc.pre(!timeline.dumps.some(dump => Math.abs(dump.time - end - tolerance) < 300 * second));
				fc.pre(!timeline.dumps.some(dump => dump.time >= timeline.start && dump.time <= end));
				const planned = planOf(timeline, {});
				const after = restrictPlan(planOf(timeline, {made}), removalsOf(planned));
				const own = new Set(
					pathsOf({time: Math.floor(end / second) * second, whole: true, legacy: false, checksum: false}),
				);
				assert.deepEqual(
					removed(after).filter(path => !own.has(path)),
					removed(planned),
				);
				if (timeline.policy.olderThan >= 0) assert.ok(!removed(after).some(path => own.has(path)));
			}),
			{numRuns},
		);
	});

	it('whatever comes and goes meanwhile, nothing is removed beyond the plan, and never the last good dump', () => {
		fc.assert(
			fc.property(
				timelines,
				timelines,
				fc.array(fc.boolean(), {minLength: 25, maxLength: 25}),
				(timeline, other, stays) => {
					const planned = planOf(timeline, {});
					const shifted = other.dumps.map(dump => ({...dump, time: dump.time - other.start + timeline.start}));
					const rounded = shifted.map(dump => ({...dump, time: Math.floor(dump.time / second) * second}));
					const dumps = [...timeline.dumps.filter((_, index) => stays[index]), ...rounded].filter(
						(dump, index, all) => all.findIndex(one => one.time === dump.time) === index,
					);
					const after = restrictPlan(planOf(timeline, {made: 5, dumps}), removalsOf(planned));
					const allowed = new Set(removed(planned));
					const own = pathsOf({
						time: Math.floor(timeline.start / second + 5) * second,
						whole: true,
						legacy: false,
						checksum: false,
					});
					const gone = new Set(removed(after));
					for (const path of gone) assert.ok(allowed.has(path) || own.includes(path), path);
					if (timeline.policy.olderThan >= 0) assert.ok(!own.some(path => gone.has(path)));
				},
			),
			{numRuns},
		);
	});
});
