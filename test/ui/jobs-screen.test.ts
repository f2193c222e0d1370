/** What the screen of the jobs says: its title, counts, columns and rows. */
import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import {createBus, type EventBus} from '../../source/core/bus.js';
import type {StageName} from '../../source/core/events.js';
import {unicodeGlyphs} from '../../source/ui/glyphs.js';
import {detailScreen} from '../../source/ui/layout/detail-screen.js';
import {columnsWidth, planColumns} from '../../source/ui/layout/job-row.js';
import {countsLine, titleLine} from '../../source/ui/layout/jobs-header.js';
import {jobsScreen} from '../../source/ui/layout/jobs-screen.js';
import {planStages} from '../../source/ui/layout/stages.js';
import {type Line, lineText} from '../../source/ui/text.js';
import {initialView} from '../../source/ui/view.js';
import {twelveDatabases} from '../helpers/recorded-databases.js';
import {makeRecording} from '../helpers/recording.js';
import {fakeNow} from './helpers/fake-engine.js';
import {frameOf, stateOf} from './helpers/frames.js';

/** Returns the bus of a run that has planned a job for each name, with the name as its ID. */
function planned(
	names: readonly string[],
	stages: readonly StageName[],
	destinations: readonly string[] = [],
): EventBus {
	const bus = createBus(() => fakeNow);
	bus.emit({
		type: 'run.planned',
		jobs: names.map(name => ({id: name, kind: 'database', name, stages})),
		concurrency: 1,
		destinations,
	});
	return bus;
}

/** Returns `planned` with all jobs started. */
function started(...plan: Parameters<typeof planned>): EventBus {
	const bus = planned(...plan);
	for (const job of plan[0]) bus.emit({type: 'job.started', job, attempt: 1});
	return bus;
}

function textOf(lines: readonly Line[]): string {
	return lines.map(lineText).join('\n');
}

const detailOfA = {...initialView, screen: 'detail', detail: {job: 'a', top: 0}} as const;

const twelve = makeRecording({databases: twelveDatabases});

describe('the rows of the jobs', () => {
	it('show what pg_dump is at before its first table, then the bar', () => {
		const bus = started(['a'], ['dump']);
		const shown = (progress: object) => {
			bus.emit({type: 'progress', jobs: [{job: 'a', stages: {}, fraction: 0, estimated: true, ...progress}]});
			const frame = frameOf(bus.state(), 80, 24);
			return [textOf(jobsScreen(frame).list), textOf(detailScreen({...frame, view: detailOfA}).list)];
		};
		for (const text of shown({activity: 'reading the schema'})) assert.match(text, /reading the schema/);
		const tables = [{name: 'public.t', bytes: 1, rows: 1}];
		for (const text of shown({activity: 'reading the schema', tables})) assert.doesNotMatch(text, /reading/);
	});

	it('show how much of a file that is whole is uploaded, what was requeued, and what was skipped', () => {
		const bus = started(['a', 'b', 'c', 'd'], ['dump', 'upload'], ['/b', '/remote/']);
		const file = {path: '/b/a.dump', role: 'dump', size: 4000, encrypted: false} as const;
		bus.emit({type: 'file.published', job: 'a', file});
		bus.emit({type: 'stage.started', job: 'a', stage: 'upload'});
		bus.emit({type: 'progress', jobs: [{job: 'a', stages: {upload: {bytesIn: 1000, bytesOut: 1000}}}]});
		const error = {code: 'FAILED', message: 'another session waits behind it'} as const;
		bus.emit({type: 'job.finished', job: 'b', outcome: 'cancelled', error, again: true});
		bus.emit({type: 'job.result', job: 'c', result: 'gone', detail: 'it was dropped'});
		bus.emit({type: 'job.finished', job: 'c', outcome: 'done'});
		const message = 'pg_dump of d: exit status 1: query failed: ERROR:  canceling statement due to lock timeout';
		bus.emit({type: 'job.finished', job: 'd', outcome: 'failed', error: {code: 'DUMP_FAILED', message}});
		const frame = frameOf(bus.state(), 100, 30);
		const {header, list} = jobsScreen(frame);
		const row = (name: string) => list.map(lineText).find(text => text.startsWith(` ${name} `, 1)) ?? '';
		assert.match(row('a'), /█.* 25%/);
		assert.match(row('b'), /requeued/);
		assert.match(row('d'), /  canceling statement due to/);
		assert.match(lineText(header[2] ?? []), /1 failed +● 1 uploading +1 waiting +\S+ 1 skipped/);
		const detail = detailScreen({...frame, view: detailOfA});
		assert.match(textOf(detail.header), / 25%/);
		assert.match(textOf(detail.list), /running +upload +/);
	});

	it('blame pg_dump where pg_dump failed, though the stages behind it ended before', () => {
		const stages = ['dump', 'checksum', 'encrypt'] as const;
		const bus = started(['a'], stages);
		for (const stage of stages) bus.emit({type: 'stage.started', job: 'a', stage});
		for (const stage of ['checksum', 'encrypt', 'dump'] as const)
			bus.emit({type: 'stage.finished', job: 'a', stage, outcome: 'failed'});
		bus.emit({type: 'job.finished', job: 'a', outcome: 'failed', error: {code: 'DUMP_FAILED', message: 'no'}});
		assert.match(textOf(jobsScreen(frameOf(bus.state(), 100, 30)).list), /dump✗ sha■ age■/);
	});

	it('mark a dump that others wait behind, and the header counts it', () => {
		const bus = started(['a'], ['dump']);
		bus.emit({type: 'stage.started', job: 'a', stage: 'dump'});
		const lock = {table: 't', mode: 'AccessExclusiveLock', pid: 1, waiting: 3};
		bus.emit({type: 'progress', jobs: [{job: 'a', stages: {}, fraction: 0.5, blocking: [lock, {...lock, pid: 2}]}]});
		const {header, list} = jobsScreen(frameOf(bus.state(), 100, 30));
		assert.match(textOf(list), /! 2 wait +50%/);
		assert.match(textOf(header), /! 1 holds others up/);
	});

	it('let columns give way in order: RATE, TIME, SIZE, then words', () => {
		const stages = planStages(stateOf(twelve.slice(0, Math.floor(twelve.length / 3))));
		const kept = (width: number) => {
			const {rate, time, size, words} = planColumns(width, stages, 20);
			return [rate > 0, time > 0, size > 0, words].map(Number).join('');
		};
		const seen = Array.from({length: 120}, (_, index) => kept(150 - index)).filter(
			(one, index, all) => one !== all[index - 1],
		);
		assert.deepEqual(seen, ['1111', '0111', '0011', '0001', '0000']);
		for (let width = 38; width < 200; width++) assert.ok(columnsWidth(planColumns(width, stages, 60)) <= width);
	});
});

describe('the title', () => {
	const run = stateOf(twelve);
	const server = {...run.server!, inRecovery: true};
	const shown = (width: number) =>
		lineText(titleLine({...frameOf(run, width, 24), run: {...run, server}, now: 0})).trim();

	it('begins with the tabs, and says what is not a primary at every width', () => {
		assert.match(
			shown(120),
			/^1 Jobs +2 Files +3 Logs +pg_back 3\.0\.0 · db1\.example:5432 · PostgreSQL 15\.18 standby +\d\d:\d\d:\d\d$/,
		);
		assert.match(shown(76), /^1 Jobs +2 Files +3 Logs +db1\.example:5432 · 15\.18 standby +\d\d:\d\d:\d\d$/);
		assert.match(shown(60), /^1 Jobs +2 Files +3 Logs +15\.18 standby +\d\d:\d\d:\d\d$/);
		assert.match(shown(46), /15\.18 standby$/);
	});
});

describe('the counts of the jobs', () => {
	const ends = ['failed', 'cancelled', 'done', 'skipped', 'runs', 'waits'] as const;
	const bus = planned(ends, ['dump']);
	for (const job of ends.slice(0, 5)) bus.emit({type: 'job.started', job, attempt: 1});
	bus.emit({type: 'job.finished', job: 'failed', outcome: 'failed', error: {code: 'DUMP_FAILED', message: 'no'}});
	bus.emit({type: 'job.finished', job: 'cancelled', outcome: 'cancelled'});
	bus.emit({type: 'job.finished', job: 'done', outcome: 'done'});
	bus.emit({type: 'job.result', job: 'skipped', result: 'skipped', detail: 'not there'});
	bus.emit({type: 'job.finished', job: 'skipped', outcome: 'done'});
	const shown = (width: number) => lineText(countsLine(bus.state(), width, unicodeGlyphs)).trimEnd();

	it('are whole at every width: the gaps go first, then what the glyphs say as well', () => {
		assert.equal(shown(100), ' ✗ 1 failed   ■ 1 cancelled   ● 1 dumping   1 waiting   ✓ 1 done   ■ 1 skipped');
		assert.equal(shown(78), ' ✗ 1 failed  ■ 1 cancelled  ● 1 dumping  1 waiting  ✓ 1 done  ■ 1 skipped');
		assert.equal(shown(60), ' ✗ 1 failed ■ 1 cancelled ● 1 1 waiting ✓ 1 ■ 1 skipped');
	});

	it('are whole beside a destination with wide characters, which goes when there is no room', () => {
		const run = {...bus.state(), destinations: ['nas/バックアップ/'], encryption: undefined};
		const line = (width: number) => lineText(countsLine(run, width, unicodeGlyphs)).trimEnd();
		assert.match(line(110), /✓ 1 done   ■ 1 skipped +→ nas\/バックアップ\/$/);
		assert.equal(line(98), shown(98));
	});
});
