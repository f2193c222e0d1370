/** How far a restore is, from what pg_restore says without -j and from what the server shows of its sessions. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import type {LoadSession} from '../../source/postgres/load-sample.js';
import {History} from '../../source/progress/history.js';
import {type ExpectedRestore, isInformation, LoadTracker} from '../../source/progress/load-tracker.js';

const megabyte = 1 << 20;
const job: ExpectedRestore = {
	id: 'restore:app',
	name: 'app',
	database: 'app.pgbk-abcdef',
	bytes: 100 * megabyte,
	items: [
		{name: 'public.big', isData: true, bytes: 60 * megabyte, rows: 1000},
		{name: 'public.small', isData: true, bytes: 20 * megabyte},
		{name: 'INDEX public.big_i', isData: false, bytes: 20 * megabyte},
		{name: 'FK CONSTRAINT public.small fk', isData: false, bytes: megabyte},
	],
	fetches: true,
	buildsEarly: false,
};
const session = (more: Partial<LoadSession>): LoadSession => ({database: job.database, ...more});

test('the lines of pg_restore -v: items in order, errors are not information', () => {
	let indexing = 0;
	const tracker = new LoadTracker(job, undefined, 0, () => indexing++);
	const say = (text: string, time: number) => tracker.note(`pg_restore: ${text}`, time);
	assert.equal(say('connecting to database for restore', 1000), true);
	assert.equal(say('processing data for table "public.big"', 1000), true);
	assert.equal(tracker.progress(2000, {}).tablesDone, 0);
	say('processing data for table "public.small"', 61_000);
	const progress = tracker.progress(62_000, {});
	assert.deepEqual([progress.tablesDone, progress.tablesTotal, indexing], [1, 2, 0]);
	assert.ok((progress.fraction ?? 0) > 0.5 && (progress.fraction ?? 0) < 0.8, String(progress.fraction));
	say('creating INDEX "public.big_i"', 81_000);
	assert.deepEqual([tracker.progress(82_000, {}).tablesDone, indexing], [2, 1]);
	assert.equal(say('error: could not execute query: ERROR:  no', 83_000), false);
	assert.equal(tracker.note('Command was: CREATE INDEX', 83_000), false);
	for (const line of [
		'warning: errors ignored on restore: 1',
		'from TOC entry 3; 0 0 TABLE t',
		'while PROCESSING TOC:',
	])
		assert.equal(isInformation(`pg_restore: ${line}`), false, line);
	assert.equal(isInformation('/usr/bin/pg_restore: creating TABLE "public.big"'), true);
});

test('what the server shows: rows of rows, an index with its phase, and the end of the data', () => {
	let indexing = 0;
	const unseen = {name: 'public.tiny', isData: true, bytes: 0};
	const tracker = new LoadTracker({...job, items: [...job.items, unseen]}, undefined, 0, () => indexing++);
	assert.equal(tracker.progress(0, {download: {bytesIn: 50 * megabyte, bytesOut: 0}}).tables, undefined);
	tracker.add([session({copy: {table: 'public.big', bytes: 30 * megabyte, rows: 500}}), {database: 'other'}], 1000);
	const half = tracker.progress(1000, {});
	assert.deepEqual(half.tables, [{name: 'public.big', bytes: 30 * megabyte, rows: 500, fraction: 0.5}]);
	assert.deepEqual([half.read, half.readTotal], [30 * megabyte, 80 * megabyte]);
	tracker.add([session({copy: {table: 'public.small', bytes: 1, rows: 1}})], 2000);
	assert.equal(tracker.progress(2000, {}).tablesDone, 1);
	const index = session({index: {name: 'public.big_i', phase: 'building index', fraction: 0.456}});
	tracker.add([index], 3000);
	assert.equal(indexing, 0, 'between two tables nothing is copied either');
	tracker.add([index], 4000);
	const building = tracker.progress(4000, {});
	assert.deepEqual(
		[building.activity, building.tablesDone, indexing],
		['index public.big_i (building index, 45 %)', 3, 1],
	);
	assert.ok((building.fraction ?? 0) > (half.fraction ?? 1));
	assert.equal(building.estimated, true);
	tracker.itemsEnded(5000);
	assert.ok((tracker.progress(5000, {}).fraction ?? 2) < 1);
	assert.equal(tracker.progress(5000, {}).activity, undefined);
});

test("an index is found by its whole name, not by the end of another one's", () => {
	const items = ['INDEX nonpublic.i', 'INDEX public.bi', 'INDEX public.i'].map(name => ({
		name,
		isData: false,
		bytes: megabyte,
	}));
	for (const name of ['public.i', 'i']) {
		const tracker = new LoadTracker(
			{...job, items: [...job.items, ...items.slice(name === 'i' ? 1 : 0)]},
			undefined,
			0,
			() => {},
		);
		tracker.add([session({index: {name, fraction: 0.5}})], 1000);
		tracker.itemsEnded(2000);
		assert.deepEqual(
			tracker.past(2000).tables.map(table => table.name),
			['INDEX public.i'],
		);
	}
});

test('the fraction never falls, and is never whole before the end', () => {
	const tracker = new LoadTracker(job, undefined, 0, () => undefined);
	let before = 0;
	for (let step = 0; step <= 20; step++) {
		if (step > 5) tracker.add([session({copy: {table: 'public.big', bytes: 1, rows: (step - 5) * 100}})], step * 1000);
		const {fraction = 0} = tracker.progress(step * 1000, {
			download: {bytesIn: Math.min(5, step) * 20 * megabyte, bytesOut: 0},
		});
		assert.ok(fraction >= before && fraction < 1, `${before} → ${fraction}`);
		before = fraction;
	}
});

test('the time left: that of the last restore at first, then by the pace of this one', () => {
	const last = new LoadTracker(job, undefined, 0, () => undefined);
	last.add([session({copy: {table: 'public.big', bytes: 1, rows: 1}})], 10_000);
	last.add([session({copy: {table: 'public.small', bytes: 1, rows: 1}})], 70_000);
	last.add([session({index: {name: 'public.big_i'}})], 90_000);
	last.add([session({index: {name: 'public.big_i'}})], 91_000);
	last.itemsEnded(110_000);
	const history = new History();
	history.record('c', 'app', last.past(120_000));
	const past = history.past('c', 'app');
	assert.deepEqual([past?.seconds, past?.before, past?.after, past?.table('public.big')?.seconds], [120, 10, 10, 60]);
	const tracker = new LoadTracker(job, past, 0, () => undefined);
	assert.equal(tracker.progress(1000, {}).eta, 119);
	// Twice as fast as the last.
	tracker.add([session({copy: {table: 'public.big', bytes: 1, rows: 1}})], 5000);
	tracker.add([session({copy: {table: 'public.small', bytes: 1, rows: 1}})], 35_000);
	const {eta = 0, fraction = 0} = tracker.progress(35_000, {});
	assert.ok(eta > 20 && eta < 35, String(eta));
	assert.ok(fraction > 0.5 && fraction < 0.7, String(fraction));
});

test('a plain dump is as far as it was read', () => {
	const tracker = new LoadTracker({...job, items: [], fetches: false}, undefined, 0, () => undefined);
	const {fraction, eta} = tracker.progress(10_000, {download: {bytesIn: 25 * megabyte, bytesOut: 0}});
	assert.deepEqual([fraction, eta], [0.25, 30]);
});
