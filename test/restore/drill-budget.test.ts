/** Drills within a time. */
import assert from 'node:assert/strict';
import {describe, test} from 'node:test';
import type {Proven} from '../../source/repository/proofs.js';
import {newestOf, orderByDrill, startBudget} from '../../source/restore/drill-budget.js';
import type {DrillPlan} from '../../source/restore/drill-plan.js';
import type {JobControl, Task} from '../../source/runs/scheduler.js';
import {runContext} from '../helpers/run-context.js';

function plan(...databases: readonly string[]): DrillPlan {
	const dumps = databases.map(
		database => ({database, path: database, files: []}) as unknown as DrillPlan['dumps'][number],
	);
	return {found: undefined, globals: undefined, dumps, missing: []};
}

function proof(times: Readonly<Record<string, string>>): Proven {
	const facts = {host: 'h', server: '17', tables: 1, uncounted: 0, schema: 'none'} as const;
	return {
		schema: 1,
		runId: 'r',
		databases: Object.entries(times).map(([database, time]) => ({database, time, ...facts})),
	};
}

const names = (plans: readonly DrillPlan[]) => plans.map(({dumps}) => dumps.map(({database}) => database));

describe('a budget of drills', () => {
	test('begins with what was never restored, then with what was longest ago, by the newest proof of each', () => {
		const proofs = [
			proof({a: '2026-11-03T00:00:00Z', b: '2026-11-01T00:00:00Z', c: '2026-11-02T00:00:00Z'}),
			proof({b: '2026-11-04T00:00:00Z'}),
		];
		assert.deepEqual(names(orderByDrill([plan('a', 'b', 'c'), plan('d', 'a')], newestOf(proofs))), [
			['d', 'a'],
			['c', 'a', 'b'],
		]);
	});

	test('always does one, and then as many as the time allows', async () => {
		let now = 0;
		const run = await runContext([], {now: () => new Date(now)});
		const {within, isUsed} = startBudget(run, 10);
		const done: string[] = [];
		const task = (id: string, seconds: number): Task => ({
			plan: {id, kind: 'restore', name: id, stages: ['restore', 'verify']},
			run: async () => {
				done.push(id);
				now += seconds * 1000;
			},
		});
		now = 20_000;
		assert.equal(isUsed(), false);
		for (const id of ['a', 'b', 'c']) await within(task(id, 11)).run({id} as JobControl);
		assert.deepEqual(done, ['a']);
		assert.equal(isUsed(), true);
		assert.deepEqual(
			run.events.map(event => (event.type === 'job.result' ? [event.job, event.result] : [])),
			[
				['b', 'skipped'],
				['c', 'skipped'],
			],
		);
	});
});
