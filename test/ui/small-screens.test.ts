/** What must be readable on a small terminal: the databases, the choices, what a key does, which file it is. */
import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import {createBus} from '../../source/core/bus.js';
import {dialogScreen} from '../../source/ui/layout/dialogs.js';
import {jobsScreen} from '../../source/ui/layout/jobs-screen.js';
import {type Line, lineText} from '../../source/ui/text.js';
import {initialView} from '../../source/ui/view.js';
import {fakeNow} from './helpers/fake-engine.js';
import {frameOf, stateOf} from './helpers/frames.js';

const sizes = [
	[100, 30],
	[80, 24],
	[60, 20],
] as const;

function textOf(lines: readonly Line[]): string {
	return lines.map(lineText).join('\n');
}

const idle = stateOf([]);

describe('a small terminal', () => {
	for (const [columns, rows] of sizes) {
		it(`shows seven databases before anything else of the first screen, at ${columns}x${rows}`, () => {
			const ages = Array.from({length: 7}, (_, index) => ({database: `base_${index}`, newest: fakeNow - index * 1000}));
			const time = fakeNow - 60_000;
			const run = {run: '1', time, state: 'complete', databases: [], failed: [], encrypted: false} as const;
			const facts = ['server', 'pg_dump', 'into', 'at once', 'purge'].map(label => [label, 'x'] as const);
			const home = {ages, runs: Array(7).fill(run), plan: {databases: [], facts}, places: ['/var/backups']};
			const {header, list} = jobsScreen(frameOf(idle, columns, rows, {home}));
			const text = textOf(list);
			assert.match(textOf(header), /nothing is running/);
			for (const {database} of ages) assert.ok(text.includes(database), text);
			assert.match(text, /The last runs[^]*complete[^]*A backup would dump/);
			assert.doesNotMatch(text, /more, not older/);
			assert.ok(header.length + list.length < rows, text);
		});

		it(`shows all choices below a long text, at ${columns}x${rows}`, () => {
			const options = ['a', 'w', 'e', 'l', 'b'].map(key => ({
				key,
				label: `choice ${key}: ${'with many words '.repeat(4)}`,
				run: () => undefined,
			}));
			const text = Array.from({length: 9}, (_, index) => `line ${index}: ${'the server said no '.repeat(6)}`);
			const view = {
				...initialView,
				dialog: {kind: 'choice', title: 'app: NOT restored', text, cursor: 0, options},
			} as const;
			const shown = textOf(dialogScreen(view.dialog, frameOf(idle, columns, rows, {view})));
			assert.match(shown, /line 0: /);
			for (const {key} of options) assert.match(shown, new RegExp(` ${key} {2}choice ${key}: with`));
			assert.match(shown, /enter choose/);
		});

		it(`cuts no explanation of a key, at ${columns}x${rows}`, () => {
			const view = {...initialView, screen: 'files', dialog: {kind: 'help', top: 0}} as const;
			const shown = textOf(dialogScreen(view.dialog, frameOf(idle, columns, rows, {view})));
			assert.match(shown, /restore: for practice/);
			assert.doesNotMatch(shown, /…/);
		});

		it(`tells two dumps of one database apart while they are fetched, at ${columns}x${rows}`, () => {
			const bus = createBus(() => fakeNow);
			const names = [16, 25].map(second => `/srv/analytics_2026-11-30T22:40:${second}Z.dump.age`);
			const stages = ['download', 'decrypt', 'checksum'] as const;
			bus.emit({
				type: 'run.planned',
				jobs: names.map(name => ({id: name, kind: 'download', name, stages})),
				concurrency: 2,
				destinations: [],
			});
			const [first, second, ...more] = textOf(jobsScreen(frameOf(bus.state(), columns, rows)).list).split('\n');
			assert.deepEqual(more, []);
			assert.match(first ?? '', /analytics_2026.*:16Z\.dump\.age/);
			assert.match(second ?? '', /analytics_2026.*:25Z\.dump\.age/);
		});
	}
});
