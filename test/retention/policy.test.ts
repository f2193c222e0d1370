import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import {formatTimestamp} from '../../source/lib/time.js';
import {encodeDatabaseName} from '../../source/retention/names.js';
import {periodOf} from '../../source/retention/periods.js';
import {createPlanner} from '../../source/retention/planner.js';
import {
	decide,
	type DumpGroup,
	formatAge,
	type PolicyContext,
	type RetentionPolicy,
} from '../../source/retention/policy.js';
import {planItems} from '../../source/retention/purge-plan.js';

const day = 86_400_000;
const start = new Date(2026, 9, 20, 12).getTime();
const context: PolicyContext = {start, now: start};

function at(time: number, changes: Partial<DumpGroup> = {}): DumpGroup {
	return {timeText: new Date(time).toISOString(), time, whole: true, ...changes};
}

function reasons(
	groups: readonly DumpGroup[],
	policy: RetentionPolicy,
	changes: Partial<PolicyContext> = {},
): string[] {
	return decide(groups, policy, {...context, ...changes}).map(({action, reason}) => `${action}: ${reason}`);
}

describe('the policy', () => {
	const ages = (...days: number[]) => days.map(age => at(start - age * day));

	it('says why for every dump, newest first', () => {
		const policy = {olderThan: 30 * day, minKeep: 2};
		assert.deepEqual(reasons(ages(40, 1, 12, 31, 0), policy), [
			'keep: newest 2 are kept',
			'keep: newest 2 are kept',
			'keep: 12 days old, kept until 30 days',
			'remove: older than 30 days',
			'remove: older than 30 days',
		]);
		assert.deepEqual(reasons(ages(1, 40), {...policy, minKeep: 1}), [
			'keep: newest is kept',
			'remove: older than 30 days',
		]);
		assert.deepEqual(reasons(ages(1, 40), {...policy, minKeep: Infinity}), [
			'keep: all are kept',
			'keep: all are kept',
		]);
		assert.deepEqual(reasons(ages(-0.5 / 86_400, 0, 40), {olderThan: 0, minKeep: 0}), [
			'keep: last good dump',
			'keep: 0 seconds old, kept until 0 seconds',
			'remove: older than this run',
		]);
	});

	it('removes what is strictly older than the limit, by the whole second of the start', () => {
		const groups = [at(start), at(start - day), at(start - day - 1000)];
		const actions = (begun: number) =>
			decide(groups, {olderThan: day, minKeep: 0}, {start: begun, now: begun}).map(one => one.action);
		assert.deepEqual(actions(start + 999), ['keep', 'keep', 'remove']);
		assert.deepEqual(actions(start + 1000), ['keep', 'remove', 'remove']);
	});

	it('does not count what is not whole, and lets it go when it is old', () => {
		const cut = at(start - 3 * day, {whole: false});
		assert.deepEqual(reasons([cut, ...ages(40, 50)], {olderThan: 2 * day, minKeep: 1}), [
			'remove: no complete dump in it, older than 2 days',
			'keep: newest is kept',
			'remove: older than 2 days',
		]);
		assert.deepEqual(reasons([at(start - 1000, {whole: false})], {olderThan: 0, minKeep: 0}), [
			'keep: no complete dump in it, but it may still be being written',
		]);
	});

	it('removes everything when the interval is negative, but what belongs to others', () => {
		const groups = [
			at(start, {current: true}),
			at(start - day),
			at(start - 2 * day, {protectedBecause: 'of another cluster (7)'}),
			at(start + 2 * day),
		];
		assert.deepEqual(reasons(groups, {olderThan: -day, minKeep: 0}), [
			'keep: its time is in the future',
			'remove: the purge interval is negative',
			'remove: the purge interval is negative',
			'keep: of another cluster (7)',
		]);
		assert.deepEqual(reasons(groups.slice(0, 2), {olderThan: -day, minKeep: 1}), [
			'keep: newest is kept',
			'remove: the purge interval is negative',
		]);
	});

	it('keeps the dump of this run even when the clock makes it old', () => {
		assert.deepEqual(reasons([at(start - 50 * day, {current: true}), ...ages(1)], {olderThan: day, minKeep: 0}), [
			'keep: last good dump',
			'keep: of this run',
		]);
	});

	it('trusts no doubtful clock', () => {
		const doubt = 'nothing is removed by age: ';
		const policy = {olderThan: 30 * day, minKeep: 0};
		const [, , future] = reasons([at(start + day), ...ages(1, 40)], policy);
		assert.equal(future, `keep: ${doubt}a dump of ${new Date(start + day).toISOString()} is dated in the future`);
		assert.equal(
			reasons(ages(1, 40), policy, {now: start - 2 * day})[1],
			`keep: ${doubt}the clock was set back by 2 days during the run`,
		);
		assert.equal(reasons(ages(1, 40), policy, {clockDoubt: 'so it is'})[1], `keep: ${doubt}so it is`);
		assert.equal(reasons([at(start + 60_000), ...ages(1, 40)], policy)[2], 'remove: older than 30 days');
		assert.equal(reasons([at(start + day, {current: true}), ...ages(1, 40)], policy)[2], 'remove: older than 30 days');
	});

	it('keeps one whole dump of each day, week, month and year', () => {
		const policy = {olderThan: 0, minKeep: 0, keepDaily: 2, keepWeekly: 2, keepMonthly: 2, keepYearly: 3};
		const groups = [
			'2026-10-20T10:00',
			'2026-10-20T01:00',
			'2026-10-19T01:00',
			'2026-10-18T23:00',
			'2026-10-11T01:00',
			'2026-09-30T01:00',
			'2025-12-31T01:00',
			'2025-01-01T01:00',
			'2024-06-01T01:00',
		];
		assert.deepEqual(
			reasons(
				groups.map(text => at(new Date(text).getTime())),
				policy,
			),
			[
				'keep: kept as the yearly of 2026',
				'remove: older than this run',
				'keep: kept as the daily of 2026-10-19',
				'keep: kept as the weekly of 2026-W42',
				'remove: older than this run',
				'keep: kept as the monthly of 2026-09',
				'keep: kept as the yearly of 2025',
				'remove: older than this run',
				'keep: kept as the yearly of 2024',
			],
		);
	});

	it('takes any number of days', () => {
		for (const days of [106_751, 106_752, 365_000, 999_999, 1e15, Infinity]) {
			assert.ok(
				decide(ages(0, 1, 9000), {olderThan: days * day, minKeep: 0}, context).every(one => one.action === 'keep'),
				String(days),
			);
		}
	});

	it('names ages and weeks as people do', () => {
		const ages: [number, string][] = [[0, '0 seconds'], [1000, '1 second'], [90_000, '90 seconds'], [3_600_000, '1 hour'], [36 * 3_600_000, '36 hours'], [day, '1 day'], [-2 * day, '2 days'], [30.9 * day, '30 days']]; // prettier-ignore
		for (const [age, text] of ages) assert.equal(formatAge(age), text);
		const weeks = [
			['2026-01-01', '2026-W01'],
			['2027-01-01', '2026-W53'],
			['2024-12-30', '2025-W01'],
			['2021-01-03', '2020-W53'],
			['2026-10-03', '2026-W40'],
		] as const;
		for (const [date, week] of weeks) assert.equal(periodOf(new Date(`${date}T12:00`).getTime(), 'weekly'), week);
	});
});

/** Small, fast and repeatable. */
function createRandom(seed: number) {
	let state = seed >>> 0;
	const next = () => {
		state = (state + 0x6d2b79f5) >>> 0;
		let mixed = Math.imul(state ^ (state >>> 15), state | 1);
		mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
	};
	return {
		chance: (likelihood: number) => next() < likelihood,
		below: (limit: number) => Math.floor(next() * limit),
		pick: <T>(items: readonly T[]): T => items[Math.floor(next() * items.length)]!,
	};
}

type Stored = {path: string; size: number; database: string; time: number; whole: boolean; foreign: boolean};

/** Runs over months, in which dumps fail, clocks jump, people put files of their own beside, and each run ends with a purge. */
async function live(seed: number): Promise<void> {
	const random = createRandom(seed);
	const databases = ['a', 'a_b', 'a/b', 'b c'].slice(0, 1 + random.below(4));
	const policy: RetentionPolicy = {
		olderThan: random.pick([0, 3_600_000, day, 7 * day, 30 * day, 400_000 * day]),
		minKeep: random.pick([0, 1, 2, 3, 7, Infinity]),
		keepDaily: random.pick([0, 0, 3]),
		keepWeekly: random.pick([0, 0, 2]),
		keepMonthly: random.pick([0, 0, 2]),
		keepYearly: random.pick([0, 0, 1]),
	};
	let files: Stored[] = [];
	let clock = Date.UTC(2026, random.below(12), 1 + random.below(28), random.below(24));
	for (let run = 3 + random.below(12); run > 0; run--) {
		clock += random.pick([60_000, 3_600_000, day, day, 3 * day]);
		if (random.chance(0.05)) clock += random.pick([-365, -1, -1 / 24, 1 / 24, 365]) * day;
		// No two runs within one second, which might write it in two ways.
		while (files.some(file => file.time === clock)) clock += 1000;
		const begun = clock + random.below(1000);
		const format = random.pick(['rfc3339', 'legacy'] as const);
		const current = new Set<string>();
		const done: string[] = [];
		for (const database of databases) {
			const text = formatTimestamp(new Date(clock), format);
			const stem = `${encodeDatabaseName(database)}_${text}`;
			const put = (tail: string, size: number, whole: boolean, foreign = false) => {
				files = files.filter(file => file.path !== stem + tail);
				files.push({path: stem + tail, size, database, time: clock, whole, foreign});
				if (!foreign && whole) current.add(stem + tail);
			};
			const tail = random.pick(['.dump', '.sql.gz', '.tar.age']);
			if (random.chance(0.8)) {
				put(tail, 10, true);
				put(`${tail}.sha256`, 10, false);
				done.push(database);
			} else if (random.chance(0.5)) put('.dump', 0, false);
			else put('.createdb.sql', 10, false);
			if (random.chance(0.2)) put(random.pick(['.draft', '.dump.old', '', '.tar.gz', '.dump.keep']), 10, true, true);
		}
		files = await purgeOnce(files, {databases, done, policy, start: begun, now: begun + random.below(1000), current});
	}
}

type Purge = {
	databases: string[];
	done: string[];
	policy: RetentionPolicy;
	start: number;
	now: number;
	current: Set<string>;
};

async function purgeOnce(files: readonly Stored[], purge: Purge): Promise<Stored[]> {
	const {policy, start: begun, now, databases, done, current} = purge;
	const planner = createPlanner(
		{
			subjects: done.map(name => ({subject: {kind: 'database', name}, policy})),
			runPolicy: policy,
			databases,
			start: begun,
			now,
			current,
		},
		() => '',
	);
	for (const {path, size} of files) planner.add({path, size, directory: false});
	const removed = new Set<string>();
	for (const {path, action} of planItems(planner.plan('x'))) if (action === 'remove') removed.add(path);
	const left = files.filter(file => !removed.has(file.path));
	for (const file of files) {
		if (!removed.has(file.path)) continue;
		assert.ok(!file.foreign, `foreign ${file.path}`);
		assert.ok(!current.has(file.path), `of this run ${file.path}`);
		assert.ok(done.includes(file.database), `of another database ${file.path}`);
		assert.ok(file.time < Math.floor(begun / 1000) * 1000 - policy.olderThan + 1, `too young ${file.path}`);
		assert.ok(
			!files.some(other => other.database === file.database && !other.foreign && other.time > now + 400_000),
			'the clock was in doubt',
		);
	}
	for (const database of databases) {
		const whole = files
			.filter(file => file.database === database && file.whole && !file.foreign)
			.toSorted((a, b) => b.time - a.time);
		const times = [...new Set(whole.map(file => file.time))];
		for (const time of times.slice(0, Math.max(1, policy.minKeep))) {
			for (const file of whole) if (file.time === time) assert.ok(!removed.has(file.path), `newest ${file.path}`);
		}
		for (const [kind, count = 0] of [
			['daily', policy.keepDaily],
			['weekly', policy.keepWeekly],
			['monthly', policy.keepMonthly],
			['yearly', policy.keepYearly],
		] as const) {
			const periods = [...new Set(times.map(time => periodOf(time, kind)))].slice(0, count);
			for (const period of periods) {
				const newest = times.find(time => periodOf(time, kind) === period);
				for (const file of whole) if (file.time === newest) assert.ok(!removed.has(file.path), `${kind} ${file.path}`);
			}
		}
	}
	return left;
}

const full = process.env['PG_BACK_TEST_FULL'] !== undefined;
const timelines = full ? 100_000 : 2000;

describe('simulated timelines', () => {
	it(`lose no good dump and no foreign file in ${timelines}`, async test => {
		const first = full ? Date.now() % 2 ** 31 : 1;
		for (let seed = first; seed < first + timelines; seed++) {
			try {
				await live(seed);
			} catch (error) {
				throw new Error(`seed ${seed}`, {cause: error});
			}
		}
		test.diagnostic(`${timelines} timelines from seed ${first}, 0 violations`);
	});
});
