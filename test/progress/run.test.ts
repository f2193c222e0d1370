import assert from 'node:assert/strict';
import {test} from 'node:test';
import {type ExpectedJob, JobProgressTracker} from '../../source/progress/job.js';
import {RunProgress} from '../../source/progress/run.js';

const MiB = 1024 * 1024;

function job(name: string, bytes: number, seconds?: number): ExpectedJob {
	const past = seconds === undefined ? {} : {past: {seconds, before: 0, after: 0, bytes, table: () => undefined}};
	return {id: name, name, application: name, bytes, stages: ['dump'], workers: 1, ...past};
}

/** Runs jobs one after the other, each at its own time; gives what was said at each of their ends. */
function play(jobs: readonly (ExpectedJob & {readonly takes: number})[], run: RunProgress) {
	run.expect(jobs);
	let time = 0;
	return jobs.map(({takes, ...one}) => {
		run.started(new JobProgressTracker(one, time));
		time += takes * 1000;
		run.finished(one.id, 'done', time);
		return run.totals(time);
	});
}

test('what waits takes what it took, at the pace of this run', () => {
	const jobs = [1, 2, 3, 4].map(number => ({...job(`db${number}`, 100 * MiB, 10), takes: 20}));
	const said = play(jobs, new RunProgress(1));
	assert.deepEqual(
		said.map(totals => Math.round((totals?.fraction ?? 0) * 100)),
		[25, 50, 75, 100],
	);
	const left = said.map(totals => totals?.eta ?? 0);
	assert.ok(Math.abs((left[1] ?? 0) - 40) < 8, left.join(' '));
	assert.ok(Math.abs((left[2] ?? 0) - 20) < 4, left.join(' '));
	assert.equal(said.at(-1)?.eta, undefined);
});

test('without a last run, by what a byte took so far, each job counting once', () => {
	const jobs = [
		{...job('fast', 2000 * MiB), takes: 20},
		{...job('slow', 200 * MiB), takes: 20},
		{...job('next', 100 * MiB), takes: 5},
	];
	const said = play(jobs, new RunProgress(1));
	assert.ok(Math.abs((said[1]?.eta ?? 0) - 5.5) < 0.1, String(said[1]?.eta));
	assert.equal(said[1]?.bytes, 2200 * MiB);
	assert.equal(said[1].totalBytes, 2300 * MiB);
});

test('nothing is said of the time while something big waits and nothing was seen', () => {
	const run = new RunProgress(2);
	run.expect([job('a', 1000 * MiB), job('b', 1000 * MiB)]);
	run.started(new JobProgressTracker(job('a', 1000 * MiB), 0));
	assert.equal(run.totals(5000)?.eta, undefined);
	assert.equal(run.totals(60_000)?.fraction, 0);
});

test('a dump that made room is to be done as before, and the percentage does not go back', () => {
	const run = new RunProgress(1);
	const jobs = [job('a', 100 * MiB, 10), job('b', 100 * MiB, 10)];
	run.expect(jobs);
	const [a = job('a', 0)] = jobs;
	run.started(new JobProgressTracker(a, 0));
	run.requeued('a');
	assert.deepEqual([run.totals(1000)?.fraction, Math.round(run.totals(1000)?.eta ?? 0)], [0, 20]);
	run.started(new JobProgressTracker(a, 20_000));
	run.finished('a', 'done', 30_000);
	assert.equal(Math.round((run.totals(30_000)?.fraction ?? 0) * 100), 50);
});

test('a short dump with a long upload: its upload is what one sees go on', () => {
	const run = new RunProgress(1);
	const short = {...job('a', 100 * MiB), stages: ['dump', 'upload']} satisfies ExpectedJob;
	run.expect([short]);
	const tracker = new JobProgressTracker(short, 0);
	run.started(tracker);
	const bytes = (bytesOut: number) => ({bytesIn: bytesOut, bytesOut});
	tracker.progress(1000, {dump: bytes(100 * MiB), upload: bytes(0)});
	assert.equal(tracker.fraction(), undefined);
	tracker.dumpEnded(1000, 100 * MiB);
	const seen: (number | undefined)[] = [];
	for (let second = 1; second <= 100; second++) {
		tracker.progress(second * 1000, {dump: bytes(100 * MiB), upload: bytes((second - 1) * MiB)});
		seen.push(run.totals(second * 1000)?.fraction);
	}
	assert.equal(run.totals(100_000)?.bytes, 100 * MiB, 'all has been read');
	const [third, half, last] = [seen[2], seen[50], seen.at(-1)];
	assert.ok(Math.abs((third ?? 0) - 0.03) < 0.01, String(third));
	assert.ok(Math.abs((half ?? 0) - 0.5) < 0.02, String(half));
	assert.ok(Math.abs((last ?? 0) - 0.99) < 0.01, String(last));
	assert.deepEqual(
		seen,
		seen.toSorted((a = 0, b = 0) => a - b),
	);
});

test('what is uploaded while pg_dump runs adds little to the time after it', () => {
	const after = (sendsMeanwhile: boolean) => {
		const one = {...job('a', 100 * MiB), stages: ['dump', 'upload'], sendsMeanwhile} satisfies ExpectedJob;
		const tracker = new JobProgressTracker(one, 0);
		tracker.setTables([{oid: 1, name: 'public.t', bytes: 100 * MiB, toastBytes: 0, rows: 1000, pages: 12_800}]);
		for (let second = 1; second <= 90; second++) {
			tracker.addSample(second * 1000, [
				{
					...{pid: 1, application: 'a', database: 'a', state: 'active', query: 'COPY public.t (a) TO stdout;'},
					copy: {relation: 1, bytes: second * MiB, rows: second * 10},
				},
			]);
		}
		return {fraction: tracker.fraction() ?? 0, eta: tracker.remaining(90_000) ?? 0};
	};
	const [meanwhile, afterwards] = [after(true), after(false)];
	assert.ok(meanwhile.fraction > 0.85 && meanwhile.eta < 15, JSON.stringify(meanwhile));
	assert.ok(afterwards.fraction < 0.75 && afterwards.eta > 30, JSON.stringify(afterwards));
});
