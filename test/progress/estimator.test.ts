import assert from 'node:assert/strict';
import {describe, test} from 'node:test';
import fc from 'fast-check';
import {type Copying, JobEstimator} from '../../source/progress/estimator.js';
import type {JobPast, TableFacts} from '../../source/progress/tables.js';

const MiB = 1024 * 1024;

function table(name: string, bytes: number, more: Partial<TableFacts> = {}): TableFacts {
	return {oid: 0, name, bytes, toastBytes: 0, pages: Math.ceil(bytes / 8192), ...more};
}

const none: JobPast = {seconds: 0, before: 0, after: 0, table: () => undefined};

describe('the fraction of one dump', () => {
	test('counts rows if the table was analyzed, regardless of its bytes', () => {
		const estimator = new JobEstimator({tables: [table('public.a', 100 * MiB, {oid: 7, rows: 1000})], workers: 1});
		estimator.add(1000, [{pid: 1, oid: 7, bytes: 190 * MiB, rows: 400}]);
		const {running, fraction} = estimator.estimate();
		assert.deepEqual(running, [{name: 'public.a', bytes: 190 * MiB, rows: 400, fraction: 0.4}]);
		assert.ok(Math.abs(fraction - 0.4) < 1e-9);
	});

	test('compares bytes with nine tenths of the size where nothing was analyzed, marked as an estimate', () => {
		const estimator = new JobEstimator({tables: [table('public.a', 100 * MiB)], workers: 1});
		estimator.add(1000, [{pid: 1, name: 'public.a', bytes: 45 * MiB, rows: 1}]);
		const [running] = estimator.estimate().running;
		assert.ok(running?.estimated);
		assert.ok(Math.abs((running.fraction ?? 0) - 0.5) < 1e-9);
		// Text of bytea is twice as long as what is stored: never whole while it runs.
		estimator.add(2000, [{pid: 1, name: 'public.a', bytes: 190 * MiB, rows: 2}]);
		assert.equal(estimator.estimate().running[0]?.fraction, 0.99);
	});

	test('knows from the last run how many bytes of text a stored byte is', () => {
		const past: JobPast = {
			...{seconds: 10, before: 0, after: 0},
			table: () => ({seconds: 10, size: 100 * MiB, bytes: 190 * MiB, rows: 5}),
		};
		const estimator = new JobEstimator({tables: [table('public.a', 100 * MiB)], workers: 1, past});
		estimator.add(1000, [{pid: 1, name: 'public.a', bytes: 95 * MiB, rows: 1}]);
		assert.ok(Math.abs((estimator.estimate().running[0]?.fraction ?? 0) - 0.5) < 1e-9);
	});

	test('a table that was too quick to be seen is done when a later one runs', () => {
		const names = ['a', 'b', 'c', 'd'];
		const estimator = new JobEstimator({tables: names.map(name => table(name, MiB)), workers: 1});
		estimator.add(1000, [{pid: 1, name: 'c', bytes: 1, rows: 1}]);
		assert.equal(estimator.estimate().done, 2);
		estimator.add(2000, []);
		assert.equal(estimator.estimate().done, 3);
		assert.ok(estimator.estimate().fraction < 1);
		estimator.end();
		assert.deepEqual([estimator.estimate().done, estimator.estimate().fraction], [4, 1]);
	});

	test('workers go by size: an equal one may still be to come', () => {
		const tables = [table('big', 4 * MiB), table('same1', MiB), table('same2', MiB), table('small', 1000)];
		const estimator = new JobEstimator({tables, workers: 2});
		estimator.add(1000, [{pid: 1, name: 'same2', bytes: 1, rows: 1}]);
		assert.equal(estimator.estimate().done, 1);
		estimator.add(2000, [{pid: 1, name: 'small', bytes: 1, rows: 1}]);
		assert.equal(estimator.estimate().done, 3);
	});

	test('weighs tables by what they took, not by what they weigh', () => {
		const seconds: Record<string, number> = {narrow: 8, wide: 24};
		const past: JobPast = {
			...{seconds: 32, before: 0, after: 0},
			table: name => ({seconds: seconds[name] ?? 0, size: 100 * MiB, bytes: 1, rows: 1}),
		};
		const estimator = new JobEstimator({
			tables: [table('narrow', 100 * MiB), table('wide', 100 * MiB)],
			workers: 1,
			past,
		});
		estimator.add(1000, [{pid: 1, name: 'wide', bytes: 0, rows: 0}]);
		assert.ok(Math.abs(estimator.estimate().fraction - 0.25) < 1e-9);
		assert.ok(Math.abs((estimator.estimate().remaining ?? 0) - 24) < 0.01);
	});

	test('is monotonic and below 1 until the end, for any samples', () => {
		const copying = fc.record({
			pid: fc.integer({min: 1, max: 3}),
			oid: fc.integer({min: 1, max: 8}),
			bytes: fc.integer({min: 0, max: 1e9}),
			rows: fc.integer({min: 0, max: 1e6}),
		});
		const facts = fc.array(
			fc.record({
				bytes: fc.integer({min: 0, max: 1e9}),
				rows: fc.option(fc.integer({min: 0, max: 1e6}), {nil: undefined}),
			}),
			{
				minLength: 1,
				maxLength: 8,
			},
		);
		fc.assert(
			fc.property(
				facts,
				fc.array(fc.array(copying, {maxLength: 3}), {maxLength: 30}),
				fc.integer({min: 1, max: 3}),
				fc.boolean(),
				(all, samples, workers, withPast) => {
					const tables = all.map(({bytes, rows}, index) =>
						table(`t${index}`, bytes, {oid: index + 1, ...(rows !== undefined && {rows})}),
					);
					const estimator = new JobEstimator({tables, workers, ...(withPast && {past: none})});
					let last = 0;
					for (const [index, sample] of samples.entries()) {
						estimator.add(index * 700, sample);
						const {fraction, remaining = 0, read, readTotal} = estimator.estimate();
						assert.ok(fraction >= last && fraction < 1, `${last} then ${fraction}`);
						assert.ok(Number.isFinite(remaining) && remaining >= 0);
						assert.ok(read <= readTotal + 1);
						last = fraction;
					}
					estimator.end();
					assert.equal(estimator.estimate().fraction, 1);
				},
			),
		);
	});
});

describe('the time that the copying still takes', () => {
	/** One table after the other, each at its own speed, sampled once a second; gives the estimate at a second. */
	function remainingAt(
		second: number,
		tables: readonly {readonly name: string; readonly bytes: number; readonly seconds: number}[],
	): number | undefined {
		const estimator = new JobEstimator({
			tables: tables.map(({name, bytes}) => table(name, bytes, {rows: 1000})),
			workers: 1,
		});
		for (let now = 0; now <= second; now++) estimator.add(now * 1000, runningAt(now, tables));
		return estimator.estimate().remaining;
	}

	function runningAt(now: number, tables: readonly {readonly name: string; readonly seconds: number}[]): Copying[] {
		let start = 0;
		for (const {name, seconds} of tables) {
			if (now < start + seconds) return [{pid: 1, name, rows: Math.max(1, (1000 * (now - start)) / seconds)}];
			start += seconds;
		}
		return [];
	}

	test('at a constant speed: the rest at that speed', () => {
		const left = remainingAt(25, [{name: 'a', bytes: 100 * MiB, seconds: 100}]) ?? 0;
		assert.ok(Math.abs(left - 75) < 4, String(left));
	});

	test('a slow table after a fast one is judged by its own speed', () => {
		const tables = [
			{name: 'fast', bytes: 300 * MiB, seconds: 10},
			{name: 'slow', bytes: 50 * MiB, seconds: 100},
		];
		const left = remainingAt(35, tables) ?? 0;
		assert.ok(Math.abs(left - 75) < 10, String(left));
	});

	test('nothing is said before anything is known', () => {
		const estimator = new JobEstimator({tables: [table('a', MiB)], workers: 1});
		assert.equal(estimator.estimate().remaining, undefined);
		estimator.add(0, [{pid: 1, name: 'a', bytes: 0, rows: 0}]);
		assert.equal(estimator.estimate().remaining, undefined);
	});
});

test('a thousand tables that are quick: what stands between two tables counts, and their seconds are those in which they were read', () => {
	const tables = Array.from({length: 1000}, (_, index) => ({
		...{oid: index + 1, name: `s.t${String(index).padStart(4, '0')}`, bytes: 1_000_000, toastBytes: 0, pages: 122},
		rows: 100,
	}));
	const estimator = new JobEstimator({tables, workers: 1});
	estimator.add(0, [{pid: 1, name: 's.t0000', ended: true}]);
	for (let second = 1; second <= 10; second++)
		estimator.add(second * 1000, [{pid: 1, name: `s.t${String(second * 50).padStart(4, '0')}`, ended: true}]);
	const {fraction, remaining, running, done} = estimator.estimate();
	assert.deepEqual([running.length, done], [0, 501]);
	assert.ok(Math.abs(fraction - 0.5) < 0.01, String(fraction));
	assert.ok(Math.abs((remaining ?? 0) - 10) < 0.2, String(remaining));
	const seconds = estimator.seen().map(({past}) => past.seconds);
	assert.ok(Math.abs(seconds.reduce((sum, one) => sum + one, 0) - 10) < 0.01);
	assert.ok(Math.max(...seconds) < 0.03, String(Math.max(...seconds)));
});
