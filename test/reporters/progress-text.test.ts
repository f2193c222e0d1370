import assert from 'node:assert/strict';
import {test} from 'node:test';
import {createBus} from '../../source/core/bus.js';
import type {JobProgress} from '../../source/core/events.js';
import {jobProgressText} from '../../source/reporters/progress-text.js';

const MiB = 1024 * 1024;

/** After 12 seconds. */
function textOf(progress: Omit<JobProgress, 'job' | 'stages'>): string {
	const bus = createBus(() => 0);
	const job = 'database:orders';
	const planned = {id: job, kind: 'database', name: 'orders', stages: ['dump', 'checksum']} as const;
	bus.emit({type: 'run.planned', jobs: [planned], concurrency: 1, destinations: []});
	bus.emit({type: 'job.started', job, attempt: 1});
	bus.emit({type: 'stage.started', job, stage: 'dump'});
	bus.emit({type: 'progress', jobs: [{job, stages: {dump: {bytesIn: 3, bytesOut: 3}}, ...progress}]});
	const state = bus.state().jobs.get(job);
	return state ? jobProgressText(state, 12_000) : '';
}

test('only what is known', () => {
	assert.equal(textOf({}), '3 B written, dump, 12s so far');
	assert.equal(
		textOf({
			...{fraction: 0.41, estimated: true, read: 8 * MiB, readTotal: 19 * MiB, readRate: 2 * MiB, eta: 80},
			tables: [{name: 'public.events', bytes: 5, rows: 1}],
			limitedBy: 'compression',
		}),
		'~41 %, 8.0 of ~19 MiB, 2.0 MiB/s, table public.events, limited by compression, ~1m20s left',
	);
});

test('before the first table it says what pg_dump is at', () => {
	assert.equal(
		textOf({activity: 'reading the schema', fraction: 0, estimated: true, read: 0, readTotal: 19 * MiB}),
		'~0 %, 0 B of ~19 MiB, reading the schema, 12s so far',
	);
	assert.equal(textOf({activity: 'locking tables'}), '3 B written, locking tables, 12s so far');
});
