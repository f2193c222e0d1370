import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import {createBus} from '../../source/core/bus.js';
import type {PlannedJob, StageName} from '../../source/core/events.js';
import {workShare} from '../../source/core/work.js';
import {countTexts, countWork, workOf} from '../../source/core/work-counts.js';

const start = Date.UTC(2026, 10, 22, 10, 0, 0);

function run(jobs: readonly PlannedJob[], command: 'backup' | 'download' = 'download') {
	let now = start;
	const bus = createBus(() => now);
	bus.emit({type: 'run.started', schema: 1, runId: 'r', command, version: '3', host: 'h', pid: 1});
	bus.emit({type: 'run.planned', jobs, concurrency: 2, destinations: []});
	return {
		bus,
		at: (seconds: number) => (now = start + seconds * 1000),
		begin: (job: string, ...stages: readonly StageName[]) => {
			bus.emit({type: 'job.started', job, attempt: 1});
			for (const stage of stages) bus.emit({type: 'stage.started', job, stage});
		},
		share: (_seconds?: number) => workShare(bus.state()),
	};
}

const file = (name: string, bytes: number): PlannedJob => ({
	id: name,
	kind: 'download',
	name,
	stages: ['download', 'verify'],
	estimatedBytes: bytes,
});

describe('how far the work is', () => {
	it('measures downloads in bytes of all files, with rate, time left and files', () => {
		const {bus, begin, share} = run([file('a', 1000), file('b', 3000)]);
		assert.equal(share(0)?.fraction, 0);
		begin('a', 'download');
		bus.emit({type: 'stage.finished', job: 'a', stage: 'download', outcome: 'done', bytesIn: 1000});
		bus.emit({type: 'job.finished', job: 'a', outcome: 'done'});
		begin('b', 'download');
		bus.emit({
			type: 'progress',
			jobs: [{job: 'b', stages: {download: {bytesIn: 1000, bytesOut: 1000}}, fraction: 0.33, rate: 500, eta: 4}],
		});
		assert.deepEqual(share(1), {
			word: 'downloading',
			bytes: 2000,
			totalBytes: 4000,
			fraction: 0.5,
			estimated: false,
			rate: 500,
			eta: 4,
			files: {done: 1, of: 2},
		});
	});

	it('is one quantity while tables are read, and another while files are uploaded', () => {
		const dump: PlannedJob = {id: 'a', kind: 'database', name: 'a', stages: ['dump', 'upload'], estimatedBytes: 706};
		const {bus, begin, share} = run([dump], 'backup');
		begin('a', 'dump');
		bus.emit({type: 'run.totals', fraction: 0.28, estimated: true, bytes: 430, totalBytes: 706, rate: 10, eta: 99});
		const reading = share(1);
		assert.equal(reading?.word, 'dumping');
		assert.equal(reading.fraction, 430 / 706);
		assert.equal(reading.eta, 99);
		bus.emit({type: 'stage.finished', job: 'a', stage: 'dump', outcome: 'done'});
		bus.emit({
			type: 'file.published',
			job: 'a',
			file: {path: '/b/a.dump', role: 'dump', size: 400, encrypted: false},
		});
		const [job] = [...bus.state().jobs.values()];
		assert.equal(job && workOf(job), 'toUpload');
		bus.emit({type: 'stage.started', job: 'a', stage: 'upload'});
		bus.emit({type: 'progress', jobs: [{job: 'a', stages: {upload: {bytesIn: 100, bytesOut: 100}}, rate: 50}]});
		const sending = share(2);
		assert.deepEqual([sending?.word, sending?.bytes, sending?.totalBytes, sending?.eta], ['uploading', 100, 400, 6]);
		assert.deepEqual(countTexts(countWork(bus.state())), ['1 uploading']);
	});

	it('gives no rate and no time left while nothing moves, and says since when the network takes nothing', () => {
		const {bus, begin, share, at} = run([file('a', 1000)]);
		begin('a', 'download');
		at(5);
		const progress = {job: 'a', stages: {download: {bytesIn: 400, bytesOut: 400}}};
		bus.emit({type: 'progress', jobs: [{...progress, rate: 80, eta: 7.5}]});
		assert.equal(bus.state().network, undefined);
		at(30);
		bus.emit({type: 'progress', jobs: [{...progress, rate: 0}]});
		const since = start + 5000;
		bus.emit({type: 'network.stalled', location: 's3://b/', since, reason: 'connection refused'});
		assert.equal(share()?.eta, undefined);
		assert.deepEqual(bus.state().network, {location: 's3://b/', since, reason: 'connection refused'});
		assert.match(
			bus.state().log.at(-1)?.text ?? '',
			/^nothing sent to or received from s3:\/\/b\/ since \d\d:\d\d:05: connection refused$/,
		);
		bus.emit({type: 'network.stalled', location: 's3://b/'});
		assert.equal(bus.state().network, undefined);
		assert.equal(bus.state().log.at(-1)?.text, 's3://b/ responds again');
	});

	it('does not count what was over before this work began', () => {
		const {bus, begin, share} = run([file('a', 1000)]);
		begin('a', 'download');
		bus.emit({type: 'job.finished', job: 'a', outcome: 'done'});
		bus.emit({type: 'run.finished', exitCode: 0, outcome: 'done'});
		bus.emit({type: 'run.started', schema: 1, runId: 's', command: 'verify', version: '3', host: 'h', pid: 1});
		assert.equal(share(1), undefined);
		const verify: PlannedJob = {id: 'v', kind: 'verify', name: 'a', stages: ['verify'], estimatedBytes: 50};
		bus.emit({type: 'run.planned', jobs: [verify], concurrency: 1, destinations: []});
		assert.deepEqual([share(1)?.word, share(1)?.totalBytes], ['verifying', 50]);
	});
});
