/** Comparing runs, finding a table and pinning, over an engine that does nothing. */
import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import {createFakeEngine, fakeNow} from './helpers/fake-engine.js';
import {chars, keys, mount} from './helpers/mounted.js';

const remote = {start: {files: 's3'}, now: () => fakeNow};

describe('runs in Files', () => {
	it('compares a run with the one before it, and two that are marked', async () => {
		const engine = createFakeEngine({names: 64});
		await using screen = mount(engine, remote);
		await screen.waitFor(text => text.includes('64 files in 4 runs'), 'the listing');
		await screen.type('c');
		await screen.waitFor(text => text.includes('the runs differ in 1 database'), 'the difference');
		assert.deepEqual(engine.calls.find(([name]) => name === 'compareRuns')?.[2], {after: 'run-2026-11-22'});
		await screen.type(keys.escape, 'g', ' ', ' ', 'c');
		await screen.waitFor(text => text.includes('the runs differ in 1 database'), 'the difference again');
		assert.deepEqual(engine.calls.findLast(([name]) => name === 'compareRuns')?.[2], {
			before: 'run-2026-11-21',
			after: 'run-2026-11-22',
		});
	});

	it('finds a table, and says when there is none', async () => {
		const engine = createFakeEngine({names: 64});
		await using screen = mount(engine, remote);
		await screen.waitFor(text => text.includes('64 files in 4 runs'), 'the listing');
		await screen.type('f', ...chars('order_lines'), keys.enter);
		await screen.waitFor(text => text.includes('public.order_lines'), 'the dump');
		assert.match(screen.text(), /120 345 678 rows/);
		await screen.type(keys.escape, 'f', ...chars('none'), keys.enter);
		await screen.waitFor(text => text.includes('no dump holds a table none'), 'the answer');
	});

	it('says once that a run is pinned', async () => {
		const engine = createFakeEngine({names: 64});
		const pinning = {
			...engine,
			async *runs(...args: Parameters<typeof engine.runs>) {
				for await (const run of engine.runs(...args)) yield {...run, pinned: 'pinned by dba: audit'};
			},
		};
		await using screen = mount(pinning, remote);
		await screen.waitFor(text => text.includes('64 files in 4 runs') && text.includes('pinned'), 'the listing');
		await screen.type('g');
		await screen.waitFor(text => text.includes('DUMPS'), 'the runs');
		const rows = screen.lines().filter(line => line.includes('pinned'));
		assert.equal(rows.length, 4);
		for (const row of rows) assert.equal(row.split('pinned').length, 2, row);
	});

	it('pins a run with a reason', async () => {
		const engine = createFakeEngine({names: 64});
		await using screen = mount(engine, remote);
		await screen.waitFor(text => text.includes('64 files in 4 runs'), 'the listing');
		await screen.type('p', ...chars('audit'), keys.enter);
		await screen.waitFor(text => text.includes('the run is pinned'), 'the answer');
		assert.deepEqual(
			engine.calls.find(([name]) => name === 'pin'),
			['pin', 's3', 'run-2026-11-22', 'audit'],
		);
	});
});
