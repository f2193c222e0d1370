/** The table at the end: what became of each job, where what it made is, how it was looked at. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {createBus} from '../../source/core/bus.js';
import type {JobResult, NewEvent, PlannedJob, PublishedFile, StageName} from '../../source/core/events.js';
import {summaryRows} from '../../source/core/summary.js';

type Told = {
	readonly files?: readonly Partial<PublishedFile>[];
	readonly uploads?: readonly {readonly path: string; readonly key: string}[];
	readonly removed?: readonly string[];
	readonly passed?: {readonly stage: StageName; readonly bytes: number};
	readonly result?: JobResult;
};

/** A job that is done, as `name, result, size, detail`, and the last line of the log. */
function after(plan: Omit<PlannedJob, 'id' | 'stages'>, told: Told) {
	const bus = createBus(() => 0);
	const job = 'j';
	const emit = (event: NewEvent) => {
		bus.emit(event);
	};
	const stages = [told.passed?.stage ?? 'dump'];
	emit({type: 'run.planned', jobs: [{id: job, stages, ...plan}], concurrency: 1, destinations: []});
	emit({type: 'job.started', job, attempt: 1});
	if (told.passed) {
		const {stage, bytes} = told.passed;
		emit({type: 'stage.started', job, stage});
		emit({type: 'stage.finished', job, stage, outcome: 'done', bytesIn: bytes, bytesOut: bytes});
	}
	for (const file of told.files ?? [])
		emit({
			type: 'file.published',
			job,
			file: {path: '/b/a.dump', role: 'dump', size: 1024, encrypted: false, ...file},
		});
	for (const {path, key} of told.uploads ?? [])
		emit({type: 'file.uploaded', job, path, location: 's3://b/', key, size: 1024, seconds: 1, checked: 'size'});
	for (const path of told.removed ?? []) emit({type: 'file.removed', path, location: 'local', reason: 'uploaded'});
	if (told.result) emit({type: 'job.result', job, ...told.result});
	emit({type: 'job.finished', job, outcome: 'done'});
	const [row] = summaryRows(bus.state());
	return {
		row: row && [row.name, row.result, row.size, row.detail],
		// How long it took is left out.
		said: bus
			.state()
			.log.at(-1)
			?.text.replace(/ in [\d.]+ ?\w+(?=[),])/, ''),
	};
}

const dump = {kind: 'database', name: 'a'} as const;
const file = {path: '/b/a.dump'};
const upload = {path: '/b/a.dump', key: 'p/a.dump'};

test('an uploaded dump is here and there; with delete_uploaded only there, in the log too', () => {
	assert.deepEqual(after(dump, {files: [file], uploads: [upload]}), {
		row: ['a', 'ok', '1.0 KiB', '/b/a.dump → s3://b/p/a.dump'],
		said: 'dump of a to /b/a.dump done (1.0 KiB), uploaded to s3://b/p/a.dump (size)',
	});
	assert.deepEqual(after(dump, {files: [file], uploads: [upload], removed: ['/b/a.dump']}), {
		row: ['a', 'ok', '1.0 KiB', 's3://b/p/a.dump'],
		said: 'dump of a to s3://b/p/a.dump done (1.0 KiB, size)',
	});
});

test('of a directory dump the directory, not its first member', () => {
	const files = [{path: '/b/a.d', directory: true}];
	const uploads = [{path: '/b/a.d/toc.dat', key: 'p/a.d/toc.dat'}];
	assert.equal(after(dump, {files, uploads}).row?.[3], '/b/a.d → s3://b/p/a.d');
	assert.equal(after(dump, {files, uploads, removed: ['/b/a.d']}).row?.[3], 's3://b/p/a.d');
});

test('a download: what came, where to, how it was compared, in one line of the log', () => {
	const result = {result: 'fetched', detail: 'decrypted, size verified'} as const;
	const files = [{path: '/b/a.dump.age', encrypted: true, size: 2048}, file];
	assert.deepEqual(after({kind: 'download', name: 'p/a.dump.age'}, {files, result}), {
		row: ['p/a.dump.age', 'fetched', '1.0 KiB', '/b/a.dump (decrypted, size verified)'],
		said: 'downloaded p/a.dump.age to /b/a.dump.age and /b/a.dump (decrypted, size verified)',
	});
});

test('a verification: how many bytes, and how far they were read', () => {
	const passed = {stage: 'verify', bytes: 3072} as const;
	const result = {result: 'hashed', detail: 'sha256 of the manifest verified, not decrypted'} as const;
	assert.deepEqual(after({kind: 'verify', name: 'a.dump.age'}, {passed, result}), {
		row: ['a.dump.age', 'hashed', '3.0 KiB', result.detail],
		said: 'a.dump.age: sha256 of the manifest verified, not decrypted',
	});
});

test('a drill: how much was restored, where, and what was compared', () => {
	const passed = {stage: 'download', bytes: 3072} as const;
	const result = {result: 'proven', detail: 'into a scratch server: all is as in the dump'} as const;
	assert.deepEqual(after({kind: 'restore', name: 'a'}, {passed, result}), {
		row: ['a', 'proven', '3.0 KiB', result.detail],
		said: 'a: restored into a scratch server: all is as in the dump',
	});
});

test('a decryption: the file without its directory, which the other column has', () => {
	assert.deepEqual(after({kind: 'decrypt', name: '/b/a.dump.age'}, {files: [file]}).row, [
		'a.dump.age',
		'ok',
		'1.0 KiB',
		'/b/a.dump',
	]);
});

test('an upload that was resumed', () => {
	assert.deepEqual(after({kind: 'upload', name: 'a.dump', estimatedBytes: 4096}, {uploads: [upload]}).row, [
		'a.dump',
		'ok',
		'4.0 KiB',
		's3://b/p/a.dump',
	]);
});
