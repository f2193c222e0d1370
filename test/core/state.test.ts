import assert from 'node:assert/strict';
import {test} from 'node:test';
import {createBus} from '../../source/core/bus.js';
import type {NewEvent} from '../../source/core/events.js';
import {countJobs, jobBytes} from '../../source/core/jobs.js';
import type {RunState} from '../../source/core/run-state.js';
import {maxLogLines} from '../../source/core/state.js';
import {cpuMilliseconds} from '../helpers/cpu.js';

const planned: NewEvent = {
	type: 'run.planned',
	jobs: [
		{id: 'database:a', kind: 'database', name: 'a', stages: ['dump', 'checksum'], format: 'custom'},
		{id: 'globals', kind: 'globals', name: 'pg_globals', stages: ['dump']},
	],
	concurrency: 2,
	destinations: ['/var/b'],
};
const started: NewEvent = {
	type: 'run.started',
	schema: 1,
	runId: 'r',
	command: 'backup',
	version: '3',
	host: 'h',
	pid: 1,
};

function after(...events: readonly NewEvent[]): RunState {
	let time = 1000;
	const bus = createBus(() => time++);
	for (const event of events) bus.emit(event);
	return bus.state();
}

test('a job from planned to done', () => {
	const state = after(
		started,
		planned,
		{type: 'job.started', job: 'database:a', attempt: 1},
		{type: 'stage.started', job: 'database:a', stage: 'dump'},
		{type: 'job.output', job: 'database:a', line: 'hello'},
		{type: 'stage.finished', job: 'database:a', stage: 'dump', outcome: 'done', bytesIn: 10, bytesOut: 10},
		{type: 'file.published', job: 'database:a', file: {path: '/var/b/a.dump', role: 'dump', size: 7, encrypted: false}},
		{
			type: 'file.published',
			job: 'database:a',
			file: {path: '/var/b/a.dump.sha1', role: 'checksum', size: 70, encrypted: false},
		},
		{type: 'job.finished', job: 'database:a', outcome: 'done'},
	);
	const job = state.jobs.get('database:a');
	assert.deepEqual(
		[job?.status, job?.stage.dump?.state, job?.stage.checksum?.state, job?.output],
		['done', 'done', 'waiting', ['hello']],
	);
	assert.equal(job && jobBytes(job), 7, 'checksum files do not count');
	assert.deepEqual(countJobs(state), {waiting: 1, running: 0, done: 1, failed: 0, cancelled: 0});
	assert.deepEqual(
		state.log.map(line => [line.index, line.level, line.text.replace(/ in [\d.]+ ?\w+\)/, ')')]).slice(-3),
		[
			[state.logCount - 3, 'debug', 'wrote /var/b/a.dump (7 B)'],
			[state.logCount - 2, 'debug', 'wrote /var/b/a.dump.sha1 (70 B)'],
			[state.logCount - 1, 'info', 'dump of a to /var/b/a.dump done (7 B)'],
		],
	);
});

test('a stage that ran when its job ended has failed; a further attempt begins anew', () => {
	const state = after(
		planned,
		{type: 'job.started', job: 'globals', attempt: 1},
		{type: 'stage.started', job: 'globals', stage: 'dump'},
		{
			type: 'job.finished',
			job: 'globals',
			outcome: 'failed',
			error: {code: 'DUMP_FAILED', message: 'no', hint: 'why not'},
		},
	);
	assert.equal(state.jobs.get('globals')?.stage.dump?.state, 'failed');
	assert.deepEqual(
		state.log.map(line => line.text),
		['dumping globals', 'pg_globals: dump started', 'pg_globals failed: no', 'why not'],
	);
	const again = after(planned, {type: 'job.started', job: 'globals', attempt: 2});
	assert.deepEqual([again.jobs.get('globals')?.attempt, again.jobs.get('globals')?.stage.dump?.state], [2, 'waiting']);
	assert.equal(again.log.at(-1)?.text, 'dumping globals (attempt 2)');
});

test('a job that made room waits again, and has not failed', () => {
	const state = after(
		planned,
		{type: 'job.started', job: 'database:a', attempt: 1},
		{type: 'stage.started', job: 'database:a', stage: 'dump'},
		{
			type: 'job.finished',
			job: 'database:a',
			outcome: 'cancelled',
			error: {code: 'CANCELLED', message: 'others have waited'},
			again: true,
		},
	);
	assert.deepEqual(countJobs(state), {waiting: 2, running: 0, done: 0, failed: 0, cancelled: 0});
	assert.equal(state.jobs.get('database:a')?.stage.dump?.state, 'waiting');
	const last = state.log.at(-1);
	assert.deepEqual([last?.level, last?.text], ['warn', 'dump of a requeued: others have waited']);
});

test('events and progress of unplanned jobs change no job', () => {
	const state = after(
		planned,
		{type: 'job.output', job: 'x', line: 'y'},
		{type: 'progress', jobs: [{job: 'x', stages: {}}]},
	);
	assert.equal(state.jobs.size, 2);
});

test('progress reaches its stages; the bytes of a running job are those of its last stage', () => {
	const state = after(
		planned,
		{type: 'job.started', job: 'database:a', attempt: 1},
		{type: 'stage.started', job: 'database:a', stage: 'dump'},
		{type: 'progress', jobs: [{job: 'database:a', stages: {dump: {bytesIn: 5, bytesOut: 5}}, fraction: 0.5}]},
		{type: 'run.totals', bytes: 5, fraction: 0.25},
	);
	const job = state.jobs.get('database:a');
	assert.deepEqual([job?.progress?.fraction, job && jobBytes(job), state.totals?.fraction], [0.5, 5, 0.25]);
});

test('the log is bounded, its numbers go on, warnings are counted, old states stay as they were', () => {
	const bus = createBus(() => 1);
	const before = bus.state();
	for (let i = 0; i < maxLogLines + 10; i++) bus.emit({type: 'log', level: i % 2 ? 'warn' : 'info', text: String(i)});
	const state = bus.state();
	assert.deepEqual(
		[state.log.length, state.logCount, state.log.at(0)?.index, state.warnings],
		[maxLogLines, maxLogLines + 10, 10, 505],
	);
	assert.deepEqual([before.log.length, before.logCount], [0, 0]);
});

test('a subscriber gets each event with the state after it, until it leaves', () => {
	const bus = createBus(() => 42);
	const seen: unknown[] = [];
	const leave = bus.subscribe((event, state) => seen.push([event.type, event.time, state.runId]));
	bus.emit(started);
	leave();
	bus.emit(planned);
	assert.deepEqual(seen, [['run.started', 42, 'r']]);
});

test('what pg_dump says of itself decides the level of its line', () => {
	const levels = (line: string) =>
		after(planned, {type: 'job.output', job: 'globals', line}).log.map(one => `${one.level} ${one.text}`);
	assert.deepEqual(levels('pg_dump: error: no'), ['error [pg_globals] pg_dump: error: no']);
	assert.deepEqual(levels('pg_dump: warning: well'), ['warn [pg_globals] pg_dump: warning: well']);
	assert.deepEqual(levels('pg_dump: dumping contents of table "x: error:"'), [
		'info [pg_globals] pg_dump: dumping contents of table "x: error:"',
	]);
	const log = (lines: readonly string[], outcome: 'done' | 'failed') =>
		after(
			planned,
			{type: 'job.started', job: 'globals', attempt: 1},
			...lines.map(line => ({type: 'job.output' as const, job: 'globals', line})),
			{
				type: 'job.finished',
				job: 'globals',
				outcome,
				...(outcome === 'failed' && {error: {code: 'DUMP_FAILED' as const, message: 'no'}}),
			},
		).log.map(({level, text}) => `${level} ${text}`);
	assert.deepEqual(
		log(['pg_dump: warning: a', 'pg_dump: detail: b', 'pg_dump: error: c', 'DETAIL:  d', 'e'], 'done').slice(1, -1),
		['warn', 'warn', 'error', 'error', 'info'].map((level, index) => {
			const line = ['pg_dump: warning: a', 'pg_dump: detail: b', 'pg_dump: error: c', 'DETAIL:  d', 'e'][index];
			return `${level} [pg_globals] ${line ?? ''}`;
		}),
	);
	// Tools before 12 never say that a line is an error.
	assert.deepEqual(log(['pg_dump: [archiver] oops', 'pg_dump: error: c'], 'failed').slice(1), [
		'info [pg_globals] pg_dump: [archiver] oops',
		'error [pg_globals] pg_dump: error: c',
		'error [pg_globals] pg_dump: [archiver] oops',
		'error pg_globals failed: no',
	]);
});

test('a change of one job does not cost more the more there are', () => {
	const bus = createBus();
	const ids = Array.from({length: 10_000}, (_, index) => `database:${index}`);
	const jobs = ids.map(id => ({id, kind: 'database', name: id, stages: ['dump'], format: 'custom'}) as const);
	bus.emit({type: 'run.planned', jobs, concurrency: 1, destinations: []});
	const begun = cpuMilliseconds();
	for (const job of ids) {
		bus.emit({type: 'job.started', job, attempt: 1});
		bus.emit({type: 'stage.started', job, stage: 'dump'});
		bus.emit({type: 'stage.finished', job, stage: 'dump', outcome: 'done', bytesIn: 1, bytesOut: 1});
		bus.emit({type: 'job.finished', job, outcome: 'done'});
	}
	assert.equal(countJobs(bus.state()).done, ids.length);
	// Half a second; with a copy of all for each change it was more than half a minute.
	assert.ok(cpuMilliseconds() - begun < 10_000);
});
