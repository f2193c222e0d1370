/** From a listing to a plan: dumps that are still to come, dumps that the place keeps, and plans that hold a later purge within them. */
import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import {createPlanner} from '../../source/retention/planner.js';
import type {RetentionPolicy} from '../../source/retention/policy.js';
import {
	type ListedEntry,
	planItems,
	printedItems,
	type PurgeOptions,
	type PurgePlan,
	removalsOf,
	restrictPlan,
} from '../../source/retention/purge-plan.js';

const day = 86_400_000;
const start = Date.parse('2026-10-20T12:00:00Z');
const zero: RetentionPolicy = {olderThan: 0, minKeep: 0};

type Listed = string | ListedEntry;

function planOf(listed: readonly Listed[], policy: RetentionPolicy, changes: Partial<PurgeOptions> = {}): PurgePlan {
	const planner = createPlanner(
		{
			subjects: [{subject: {kind: 'database', name: 'a'}, policy}],
			runPolicy: policy,
			databases: ['a'],
			start,
			now: start,
			current: new Set(),
			...changes,
		},
		() => '',
		{nameMembers: true},
	);
	for (const entry of listed)
		planner.add(typeof entry === 'string' ? {path: entry, size: 1, directory: entry.endsWith('.d')} : entry);
	return planner.plan('place');
}

const coming = (policy: RetentionPolicy) => ({
	subjects: [{subject: {kind: 'database', name: 'a'} as const, policy, coming: true}],
});
const removed = (plan: PurgePlan) =>
	[...planItems(plan)].filter(item => item.action === 'remove').map(item => item.path);
const kept = (plan: PurgePlan) =>
	[...planItems(plan)].filter(item => item.action === 'keep').map(item => `${item.path}  ${item.reason}`);

const old = 'a_2026-10-01T00:00:00Z.dump';
const older = 'a_2026-09-01T00:00:00Z.dump';

describe('a dump that is still to come', () => {
	it('counts as present and good, and is not listed', () => {
		assert.deepEqual(removed(planOf([old, older], zero)), [older]);
		assert.deepEqual(removed(planOf([old, older], zero, coming(zero))), [old, older]);
		const two = {...zero, minKeep: 2};
		const plan = planOf([old, older], two, coming(two));
		assert.deepEqual([removed(plan), kept(plan)], [[older], [`${old}  newest 2 are kept`]]);
	});

	it('is the dump of its day, whose older one goes', () => {
		const daily = {...zero, keepDaily: 2};
		const morning = 'a_2026-10-20T11:00:00Z.dump';
		assert.deepEqual(removed(planOf([morning, old, older], daily, coming(daily))), [morning, older]);
	});
});

describe('what the place refuses to remove', () => {
	const locked = {path: old, size: 1, directory: false, lockedUntil: Date.parse('2027-01-01T00:00:00Z')};

	it('stays with that reason, and counts as a good dump', () => {
		const plan = planOf([locked, older], zero, coming(zero));
		assert.deepEqual([removed(plan), kept(plan)], [[older], [`${old}  locked until 2027-01-01T00:00:00Z`]]);
		assert.deepEqual(removed(planOf([locked, older], {...zero, minKeep: 1})), [older]);
	});

	it('is removed when the lock is over', () => {
		const plan = planOf([{...locked, lockedUntil: start - day}], zero, coming(zero));
		assert.deepEqual(removed(plan), [old]);
	});
});

describe('a dump that is dated in the future', () => {
	const future = 'a_2031-01-01T00:00:00Z.dump';

	it('keeps everything and is named in a warning', () => {
		const plan = planOf([future, old, older], zero, coming(zero));
		assert.deepEqual(removed(plan), []);
		assert.deepEqual(plan.warnings, [
			`nothing is purged by age for database a: ${future} is dated in the future; check the clock, then rename or remove that file`,
		]);
	});

	it('does not hold up other databases', () => {
		const both = ['a', 'b'].map(name => ({subject: {kind: 'database', name} as const, policy: zero, coming: true}));
		const plan = planOf([future, old, old.replace('a', 'b')], zero, {subjects: both, databases: ['a', 'b']});
		assert.deepEqual(removed(plan), [old.replace('a', 'b')]);
	});
});

describe('times that a manifest gives', () => {
	const record = (file: string, time: string) => ({
		records: [{path: 'm', runId: 'r', time: start - day, files: [{path: file, good: true, time: Date.parse(time)}]}],
	});
	const month = {olderThan: 30 * day, minKeep: 0};

	it('count where the name has no zone, and only then', () => {
		const legacy = 'a_2026-09-20_13-00-00.dump';
		assert.deepEqual(removed(planOf([legacy], month, {...coming(month), ...record(legacy, '2026-09-20T11:00:00Z')})), [
			legacy,
		]);
		assert.deepEqual(
			removed(planOf([legacy], month, {...coming(month), ...record(legacy, '2026-09-20T12:30:00Z')})),
			[],
		);
		assert.deepEqual(
			removed(planOf([legacy], month, {...coming(month), ...record(legacy, '2001-01-01T00:00:00Z')})),
			[],
		);
		assert.deepEqual(removed(planOf([old], month, {...coming(month), ...record(old, '2001-01-01T00:00:00Z')})), []);
	});
});

describe('a directory dump', () => {
	it('is printed object by object where that was asked for', () => {
		const names = ['toc.dat', '1.dat.gz'].map(name => `a_2026-09-01T00:00:00Z.d/${name}`);
		const plan = planOf(names, zero, coming(zero));
		assert.deepEqual(removed(plan), ['a_2026-09-01T00:00:00Z.d']);
		assert.deepEqual(
			[...printedItems(plan, 'remove'), ...printedItems(plan, 'keep')].map(item => item.path),
			names,
		);
	});
});

describe('a purge that was planned before', () => {
	it('removes nothing that came meanwhile, and nothing that is to stay now', () => {
		const planned = removalsOf(planOf([old, older], zero, coming(zero)));
		const late = `${old}.sha256`;
		const stray = 'a_2026-08-01T00:00:00Z.dump';
		const now = planOf([old, late, stray], zero, coming(zero));
		assert.deepEqual(removed(now).toSorted(), [stray, old, late].toSorted());
		const restricted = restrictPlan(now, planned);
		assert.deepEqual(removed(restricted), [old]);
		assert.deepEqual(
			kept(restricted).toSorted(),
			[late, stray].map(path => `${path}  it appeared after the plan of this run was made`).toSorted(),
		);
		// The dump of this run failed: the last good one stays.
		assert.deepEqual(removed(restrictPlan(planOf([old, older], zero), planned)), [older]);
	});

	it('keeps a manifest that describes what stays', () => {
		const manifest = 'pg_back_2026-10-01T00:00:00Z.manifest.json';
		const records = [{path: manifest, runId: 'r', time: start - 19 * day, files: [{path: old, good: true}]}];
		const planned = removalsOf(planOf([manifest], zero, {...coming(zero), records}));
		assert.deepEqual(removed(planned), [manifest]);
		const now = planOf([manifest, old], zero, {...coming(zero), records});
		assert.deepEqual(removed(now), [manifest, old]);
		assert.deepEqual(removed(restrictPlan(now, planned)), []);
	});

	it('may remove what this run wrote itself when the interval is negative', () => {
		const negative = {olderThan: -day, minKeep: 0};
		const planned = removalsOf(planOf([], negative, coming(negative)));
		const own = 'a_2026-10-20T12:00:03Z.dump';
		const now = planOf([own, old], negative, {current: new Set([own])});
		assert.deepEqual(removed(restrictPlan(now, planned)), [own]);
	});
});
