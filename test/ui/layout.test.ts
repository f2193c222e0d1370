/** Every screen and every question, at every size: no row wider than the terminal, no frame higher. */
import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import fc from 'fast-check';
import {createBus} from '../../source/core/bus.js';
import type {RunEvent} from '../../source/core/events.js';
import type {RunState} from '../../source/core/state.js';
import {cellWidth} from '../../source/lib/width.js';
import type {Frame} from '../../source/ui/console.js';
import type {Dialog} from '../../source/ui/dialog.js';
import {createFilesStore} from '../../source/ui/files/store.js';
import {createFleetStore} from '../../source/ui/fleet/store.js';
import {asciiGlyphs, unicodeGlyphs} from '../../source/ui/glyphs.js';
import {actionFor, type Binding, keymap} from '../../source/ui/keymap.js';
import {bar, movingMark, percent} from '../../source/ui/layout/bar.js';
import {detailScreen} from '../../source/ui/layout/detail-screen.js';
import {dialogScreen} from '../../source/ui/layout/dialogs.js';
import {filesScreen} from '../../source/ui/layout/files-screen.js';
import {fleetScreen} from '../../source/ui/layout/fleet-screen.js';
import {footerLine} from '../../source/ui/layout/footer.js';
import {columnsWidth, planColumns} from '../../source/ui/layout/job-row.js';
import {countsLine, titleLine} from '../../source/ui/layout/jobs-header.js';
import {jobsScreen} from '../../source/ui/layout/jobs-screen.js';
import {logsScreen} from '../../source/ui/layout/logs-screen.js';
import {serverScreen} from '../../source/ui/layout/server-screen.js';
import {planStages} from '../../source/ui/layout/stages.js';
import {statusLine} from '../../source/ui/layout/status-line.js';
import {moveCursor, windowTop} from '../../source/ui/layout/window.js';
import {cutLine, keepEnd, type Line, lineText, lineWidth, span, spread} from '../../source/ui/text.js';
import {type FileList, initialView} from '../../source/ui/view.js';
import {makeRecording, manyDatabases, twelveDatabases} from '../helpers/recording.js';
import {createFakeEngine, fakeNow} from './helpers/fake-engine.js';
import {manyServers} from './helpers/servers.js';

function stateOf(events: readonly RunEvent[]): RunState {
	let time = 0;
	const bus = createBus(() => time);
	for (const event of events) {
		time = event.time;
		bus.emit(event);
	}
	return bus.state();
}

const twelve = makeRecording({databases: twelveDatabases});
const states: readonly RunState[] = [
	stateOf([]),
	stateOf(twelve.slice(0, 30)),
	stateOf(twelve.slice(0, Math.floor(twelve.length / 3))),
	stateOf(twelve),
	stateOf(makeRecording({databases: manyDatabases(300), concurrency: 10, until: 30})),
];

const engine = createFakeEngine({names: 400});
const files = createFilesStore(engine, () => undefined);
const remote = engine.locations()[1];
assert.ok(remote);
files.open(remote, {list: 'dumps', filter: '', sort: 'time', reverse: false});
await ordered('dumps');
const fleet = createFleetStore(createFakeEngine({fleet: manyServers(1000)}), () => undefined);
fleet.read();
const noFleet = createFleetStore(createFakeEngine(), () => undefined);
await new Promise(resolve => setImmediate(resolve));

async function ordered(list: FileList): Promise<void> {
	files.arrange({list, filter: '', sort: 'time', reverse: false});
	await new Promise<void>(resolve => {
		const look = () => (files.order()?.seen === 400 && files.order()?.list === list ? resolve() : setImmediate(look));
		look();
	});
}

const dialogs: readonly Dialog[] = [
	{kind: 'help', top: 3},
	{
		kind: 'choice',
		title: 'Cancel 数据仓库?',
		text: ['The others go on. '.repeat(9)],
		cursor: 1,
		options: [
			{key: 'y', label: 'cancel it', danger: true, run: () => undefined},
			{key: 'n', label: 'no', run: () => undefined},
		],
	},
	{
		kind: 'form',
		title: 'Download 3 files, 4 GiB',
		text: ['x'.repeat(300)],
		cursor: 0,
		problem: 'mkdir /nowhere: permission denied '.repeat(4),
		submit: () => undefined,
		fields: [
			{name: 'target', label: 'into the directory', kind: 'path', value: '/päth/数据/'.repeat(12)},
			{name: 'secret', label: 'secret', kind: 'masked', value: 'é'.repeat(200)},
			{name: 'key', label: 'private key', kind: 'key', value: `AGE-SECRET-KEY-${'x'.repeat(200)}`},
			{name: 'verify', label: 'verify', kind: 'toggle', value: 'yes'},
		],
	},
	{
		kind: 'plan',
		databases: Array.from({length: 60}, (_, index) => ({
			name: `数据_${index}_${'n'.repeat(index)}`,
			bytes: index * 1e9,
			format: 'custom',
		})),
		facts: [
			['to', '/var/backups'],
			['a label that is long', 'a value '.repeat(30)],
		],
		marked: new Set(['数据_0_']),
		cursor: 40,
		filter: '数',
		isFiltering: true,
		isChosen: false,
		command: `pg_back ${'数据 '.repeat(60)}`,
		note: 'a note '.repeat(20),
	},
	{
		kind: 'info',
		title: 'orders.dump',
		lines: Array.from({length: 90}, (_, index) => [span(`row ${index} ${'w'.repeat(index * 3)}`)]),
		top: 7,
	},
];

function frameOf(state: RunState, columns: number, rows: number, patch: Partial<Frame> = {}): Frame {
	return {
		columns,
		rows,
		run: state,
		view: initialView,
		now: fakeNow,
		tick: 3,
		glyphs: unicodeGlyphs,
		home: {},
		files,
		fleet: noFleet,
		filesVersion: files.version(),
		info: {version: '3.0.0', readOnly: false, hangupLog: '/var/log/pg_back.log'},
		...patch,
	};
}

function assertFits(lines: readonly Line[], columns: number, what: string): void {
	for (const line of lines)
		assert.ok(lineWidth(line) <= columns, `${what} at ${columns}: ${lineWidth(line)} cells: ${lineText(line)}`);
}

const sizes: readonly (readonly [number, number])[] = [
	[120, 40],
	[100, 30],
	[80, 24],
	[60, 20],
	[40, 10],
	[40, 8],
	[200, 60],
	[47, 13],
];

describe('layout', () => {
	for (const glyphs of [unicodeGlyphs, asciiGlyphs]) {
		it(`fits every size (${glyphs.ascii ? 'ASCII' : 'Unicode'})`, async () => {
			for (const [columns, rows] of sizes) {
				for (const state of states) {
					const frame = frameOf(state, columns, rows, {glyphs});
					const jobs = jobsScreen(frame);
					assertFits([...jobs.header, ...jobs.list, ...jobs.log, footerLine(frame)], columns, 'jobs');
					assert.ok(jobs.header.length + jobs.log.length + 1 < rows, 'no room for a list');
					for (const job of [...state.jobs.keys()].slice(0, 14)) {
						const detail = detailScreen(
							frameOf(state, columns, rows, {glyphs, view: {...initialView, screen: 'detail', detail: {job, top: 0}}}),
						);
						assertFits([...detail.header, ...detail.list], columns, 'detail');
						assert.ok(detail.header.length + detail.list.length + 1 <= rows);
					}
					for (const wrap of [true, false]) {
						const logs = logsScreen(
							frameOf(state, columns, rows, {
								glyphs,
								view: {...initialView, screen: 'logs', logs: {...initialView.logs, wrap}},
							}),
						);
						assertFits([...logs.header, ...logs.list], columns, 'logs');
						assert.ok(logs.header.length + logs.list.length + 1 <= rows);
					}
				}
				for (const list of ['dumps', 'runs', 'names'] as const) {
					await ordered(list);
					const shown = filesScreen(
						frameOf(states[0] as RunState, columns, rows, {
							glyphs,
							view: {
								...initialView,
								screen: 'files',
								files: {...initialView.files, list, open: new Set([0, 1]), marked: new Set([1, 2])},
							},
						}),
					);
					assertFits([...shown.header, ...shown.list, ...shown.status], columns, 'files');
					assert.ok(shown.header.length + shown.list.length + shown.status.length + 1 <= rows);
				}
				for (const [server, state] of [
					['db0003', states[0]],
					['db0008', states[2]],
					['db17-数据仓库-\u001B[31m', states[0]],
				] as const) {
					const view = {...initialView, fleet: {...initialView.fleet, selected: server}};
					const shown = fleetScreen(
						frameOf(state as RunState, columns, rows, {glyphs, fleet, view: {...view, screen: 'fleet'}}),
					);
					assertFits([...shown.header, ...shown.list, ...shown.status], columns, 'fleet');
					assert.ok(shown.header.length + shown.list.length + shown.status.length + 1 <= rows);
					assert.ok(shown.list.length > 0);
					const one = serverScreen(
						frameOf(state as RunState, columns, rows, {
							glyphs,
							fleet,
							view: {...view, screen: 'server', server: {...view.server, server}},
						}),
					);
					assertFits([...one.header, ...one.list], columns, 'server');
					assert.ok(one.list.length > 0 && one.header.length + one.list.length + 1 <= rows);
				}
				for (const dialog of dialogs) {
					const lines = dialogScreen(dialog, frameOf(states[2] as RunState, columns, rows, {glyphs}));
					assertFits(lines, columns, dialog.kind);
					assert.ok(lines.length <= rows, `${dialog.kind} takes ${lines.length} of ${rows} rows`);
				}
			}
		});
	}

	it('draws nothing but ASCII in ASCII mode', () => {
		for (const state of states) {
			const frame = frameOf(state, 100, 30, {glyphs: asciiGlyphs});
			const {header, list, log} = jobsScreen(frame);
			for (const line of [...header, ...list, ...log, footerLine(frame)]) assert.match(lineText(line), /^[ -~]*$/);
		}
	});

	it('says everything in one line where there is no room', () => {
		fc.assert(
			fc.property(fc.integer({min: 1, max: 39}), fc.integer({min: 0, max: states.length - 1}), (columns, index) => {
				const line = statusLine(frameOf(states[index] as RunState, columns, 3));
				assert.ok(lineWidth(line) <= columns);
			}),
		);
		assert.match(lineText(statusLine(frameOf(states[3] as RunState, 39, 3))), /^✗1 failed failed ✓12/);
	});

	it('lets columns give way in order: RATE, TIME, SIZE, then words', () => {
		const stages = planStages(states[2] as RunState);
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

	it('never invents a percentage', () => {
		assert.equal(percent(1), '99%');
		assert.equal(percent(0.719, true), '~71%');
		fc.assert(
			fc.property(fc.double({min: -1, max: 2, noNaN: true}), fc.integer({min: 1, max: 80}), (fraction, width) => {
				for (const glyphs of [unicodeGlyphs, asciiGlyphs]) assert.equal(lineWidth(bar(fraction, width, glyphs)), width);
			}),
		);
		fc.assert(
			fc.property(fc.nat(1000), fc.integer({min: 1, max: 30}), (tick, width) =>
				assert.equal(lineWidth(movingMark(tick, width, unicodeGlyphs)), width),
			),
		);
	});

	it('shows what pg_dump is at before its first table, then the bar', () => {
		const bus = createBus(() => fakeNow);
		const job = 'database:a';
		bus.emit({
			type: 'run.planned',
			jobs: [{id: job, kind: 'database', name: 'a', stages: ['dump']}],
			concurrency: 1,
			destinations: [],
		});
		bus.emit({type: 'job.started', job, attempt: 1});
		const shown = (progress: object) => {
			bus.emit({type: 'progress', jobs: [{job, stages: {}, fraction: 0, estimated: true, ...progress}]});
			const view = {...initialView, screen: 'detail', detail: {job, top: 0}} as const;
			const row = jobsScreen(frameOf(bus.state(), 80, 24))
				.list.map(lineText)
				.join('\n');
			return [
				row,
				detailScreen(frameOf(bus.state(), 80, 24, {view}))
					.list.map(lineText)
					.join('\n'),
			];
		};
		for (const text of shown({activity: 'reading the schema'})) assert.match(text, /reading the schema/);
		const tables = [{name: 'public.t', bytes: 1, rows: 1}];
		for (const text of shown({activity: 'reading the schema', tables})) assert.doesNotMatch(text, /reading/);
	});

	it('shows how much of a file that is whole is uploaded, what was requeued, and what was skipped', () => {
		const bus = createBus(() => fakeNow);
		const plan = ['a', 'b', 'c', 'd'].map(
			name => ({id: name, kind: 'database', name, stages: ['dump', 'upload']}) as const,
		);
		bus.emit({type: 'run.planned', jobs: plan, concurrency: 1, destinations: ['/b', '/remote/']});
		for (const {id} of plan) bus.emit({type: 'job.started', job: id, attempt: 1});
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
		const view = {...initialView, screen: 'detail', detail: {job: 'a', top: 0}} as const;
		const detail = detailScreen({...frame, view});
		assert.match(detail.header.map(lineText).join('\n'), / 25%/);
		assert.match(detail.list.map(lineText).join('\n'), /running +upload +/);
	});

	it('blames pg_dump where pg_dump failed, though the stages behind it ended before', () => {
		const bus = createBus(() => fakeNow);
		const stages = ['dump', 'checksum', 'encrypt'] as const;
		bus.emit({
			type: 'run.planned',
			jobs: [{id: 'a', kind: 'database', name: 'a', stages}],
			concurrency: 1,
			destinations: [],
		});
		bus.emit({type: 'job.started', job: 'a', attempt: 1});
		for (const stage of stages) bus.emit({type: 'stage.started', job: 'a', stage});
		for (const stage of ['checksum', 'encrypt', 'dump'] as const)
			bus.emit({type: 'stage.finished', job: 'a', stage, outcome: 'failed'});
		bus.emit({type: 'job.finished', job: 'a', outcome: 'failed', error: {code: 'DUMP_FAILED', message: 'no'}});
		const text = jobsScreen(frameOf(bus.state(), 100, 30))
			.list.map(lineText)
			.join('\n');
		assert.match(text, /dump✗ sha■ age■/);
	});

	it('marks a dump that others wait behind, and counts it in the header', () => {
		const bus = createBus(() => fakeNow);
		bus.emit({
			type: 'run.planned',
			jobs: [{id: 'a', kind: 'database', name: 'a', stages: ['dump']}],
			concurrency: 1,
			destinations: [],
		});
		bus.emit({type: 'job.started', job: 'a', attempt: 1});
		bus.emit({type: 'stage.started', job: 'a', stage: 'dump'});
		const lock = {table: 't', mode: 'AccessExclusiveLock', pid: 1, waiting: 3};
		bus.emit({type: 'progress', jobs: [{job: 'a', stages: {}, fraction: 0.5, blocking: [lock, {...lock, pid: 2}]}]});
		const {header, list} = jobsScreen(frameOf(bus.state(), 100, 30));
		assert.match(list.map(lineText).join('\n'), /! 2 wait +50%/);
		assert.match(header.map(lineText).join('\n'), /! 1 holds others up/);
	});

	it('keeps the cursor in the window and the window in the list', () => {
		fc.assert(
			fc.property(
				fc.nat(500),
				fc.nat(500),
				fc.integer({min: 1, max: 60}),
				fc.integer({min: 1, max: 400}),
				(top, at, height, count) => {
					const cursor = Math.min(at, count - 1);
					const first = windowTop(top, cursor, height, count);
					assert.ok(first >= 0 && first <= cursor && cursor < first + height);
					assert.ok(first + height <= Math.max(count, height));
					assert.ok(moveCursor(cursor, 'pageDown', height, count) < count);
				},
			),
		);
	});

	it('cuts any text to cells, wide and combining characters among it', () => {
		const text = fc
			.array(fc.constantFrom('a', '数', 'é', 'e\u0301', '👍', ' ', '☕', '👨‍👩‍👧'), {maxLength: 40})
			.map(parts => parts.join(''));
		fc.assert(
			fc.property(text, text, fc.integer({min: 1, max: 60}), (left, right, width) => {
				assert.ok(lineWidth(cutLine([span(left), span(right)], width)) <= width);
				assert.ok(lineWidth(spread([span(left)], [span(right)], width)) <= width);
				assert.ok(cellWidth(keepEnd(left, width)) <= width);
			}),
		);
	});
});

describe('keymap', () => {
	const bindings: readonly Binding[] = keymap;

	it('gives each key one meaning in each scope', () => {
		for (const scope of new Set(bindings.map(one => one.scope))) {
			const all = bindings.filter(one => one.scope === scope).flatMap(one => one.keys);
			assert.equal(new Set(all).size, all.length, `${scope}: ${all.join(' ')}`);
		}
	});

	it('has no flow control and no job control, and asks before harm', () => {
		for (const key of bindings.flatMap(one => one.keys))
			assert.ok(!['ctrl-s', 'ctrl-q', 'ctrl-z', 'ctrl-a', 'ctrl-b'].includes(key));
		for (const action of ['cancelJob', 'remove', 'restore'])
			assert.equal(bindings.find(one => one.action === action)?.asks, true);
		assert.equal(actionFor('escape', 'jobs'), 'escape');
	});

	it('has keys of its own on each screen', () => {
		assert.equal(actionFor('d', 'files'), 'download');
		assert.equal(actionFor('d', 'jobs'), undefined);
		assert.equal(actionFor('t', 'logs'), 'toggleTimes');
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
	const bus = createBus(() => 0);
	const ends = ['failed', 'cancelled', 'done', 'skipped', 'runs', 'waits'] as const;
	bus.emit({
		type: 'run.planned',
		jobs: ends.map(name => ({id: name, kind: 'database', name, stages: ['dump']})),
		concurrency: 1,
		destinations: [],
	});
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
});
