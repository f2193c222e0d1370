/** Every screen and every question, at every size: no row wider than the terminal, no frame higher. */
import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import fc from 'fast-check';
import type {RunState} from '../../source/core/run-state.js';
import type {Dialog} from '../../source/ui/dialog.js';
import {createFilesStore} from '../../source/ui/files/store.js';
import {createFleetStore} from '../../source/ui/fleet/store.js';
import {asciiGlyphs, unicodeGlyphs} from '../../source/ui/glyphs.js';
import {detailScreen} from '../../source/ui/layout/detail-screen.js';
import {dialogScreen} from '../../source/ui/layout/dialogs.js';
import {filesScreen} from '../../source/ui/layout/files-screen.js';
import {fleetScreen} from '../../source/ui/layout/fleet-screen.js';
import {footerLine} from '../../source/ui/layout/footer.js';
import {jobsScreen} from '../../source/ui/layout/jobs-screen.js';
import {logsScreen} from '../../source/ui/layout/logs-screen.js';
import {serverScreen} from '../../source/ui/layout/server-screen.js';
import {statusLine} from '../../source/ui/layout/status-line.js';
import {type Line, lineText, lineWidth, span} from '../../source/ui/text.js';
import {type FileList, initialView} from '../../source/ui/view.js';
import {manyDatabases, twelveDatabases} from '../helpers/recorded-databases.js';
import {makeRecording} from '../helpers/recording.js';
import {createFakeEngine} from './helpers/fake-engine.js';
import {frameOf, stateOf} from './helpers/frames.js';
import {manyServers} from './helpers/servers.js';

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
const servers = createFleetStore(createFakeEngine({fleet: manyServers(1000)}), () => undefined);
servers.read();
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
							files,
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
						frameOf(state as RunState, columns, rows, {glyphs, fleet: servers, view: {...view, screen: 'fleet'}}),
					);
					assertFits([...shown.header, ...shown.list, ...shown.status], columns, 'fleet');
					assert.ok(shown.header.length + shown.list.length + shown.status.length + 1 <= rows);
					assert.ok(shown.list.length > 0);
					const one = serverScreen(
						frameOf(state as RunState, columns, rows, {
							glyphs,
							fleet: servers,
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
});
