import assert from 'node:assert/strict';
import {mock, test} from 'node:test';
import {createBus} from '../../source/core/bus.js';
import type {NewEvent} from '../../source/core/events.js';
import {startJsonReporter} from '../../source/reporters/json.js';
import {startPlainReporter} from '../../source/reporters/plain.js';
import {summaryLines} from '../../source/reporters/summary.js';

const log = (level: 'debug' | 'info' | 'warn' | 'error' | 'fatal', text: string): NewEvent => ({
	type: 'log',
	level,
	text,
});
const everyLevel = (['debug', 'info', 'warn', 'error', 'fatal'] as const).map(level => log(level, `of ${level}`));
const run: readonly NewEvent[] = [
	{type: 'run.started', schema: 1, runId: 'r', command: 'backup', version: '3', host: 'h', pid: 1},
	{
		type: 'run.planned',
		jobs: [
			{id: 'a', kind: 'database', name: 'a\u001B[31m', stages: ['dump']},
			{id: 'b', kind: 'database', name: '日本', stages: ['dump']},
		],
		concurrency: 1,
		destinations: ['/b'],
	},
	{type: 'job.started', job: 'b', attempt: 1},
	{type: 'job.finished', job: 'b', outcome: 'failed', error: {code: 'DUMP_FAILED', message: 'no luck'}},
	{type: 'job.started', job: 'a', attempt: 1},
	{type: 'file.published', job: 'a', file: {path: '/b/a.dump', role: 'dump', size: 2048, encrypted: false}},
	{type: 'job.finished', job: 'a', outcome: 'done'},
	{
		type: 'run.finished',
		exitCode: 1,
		outcome: 'failed',
		error: {code: 'DUMP_FAILED', message: 'no luck', hint: 'try again'},
	},
];

async function printed(events: readonly NewEvent[], options: {verbose?: boolean; quiet?: boolean}): Promise<string> {
	const bus = createBus(() => Date.UTC(2026, 10, 22, 10, 5, 12, 34));
	let text = '';
	const stop = startPlainReporter(bus, {
		verbose: false,
		quiet: false,
		heartbeat: 0,
		...options,
		write: some => (text += some),
	});
	for (const event of events) bus.emit(event);
	await stop();
	bus.emit(log('fatal', 'after its end'));
	return text;
}

test('the shape of a line; levels under -v and -q; -q beats -v', async () => {
	const levels = (text: string) => [...text.matchAll(/^\S+ \S+ (\w+): of /gm)].map(match => match[1]);
	const usual = await printed(everyLevel, {});
	assert.match(usual, /^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d INFO: of info\n/);
	assert.deepEqual(levels(usual), ['INFO', 'WARN', 'ERROR', 'FATAL']);
	const verbose = await printed(everyLevel, {verbose: true});
	assert.match(verbose, /^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d\.034000 DEBUG: of debug\n/);
	assert.deepEqual(levels(await printed(everyLevel, {quiet: true})), ['WARN', 'ERROR', 'FATAL']);
	assert.equal(await printed(everyLevel, {quiet: true, verbose: true}), await printed(everyLevel, {quiet: true}));
	assert.ok(!usual.includes('after its end'));
});

test('a run ends with a table, failures last, and one line of sums; control characters are shown, not sent', async () => {
	const text = await printed(run, {});
	assert.ok(!text.includes('\u001B'));
	const rows = text.split('\n').map(line => line.replace(/^\S+ \S+ \w+: /, ''));
	const header = rows.findIndex(row => row.startsWith('NAME'));
	assert.match(rows[header + 1] ?? '', /^a\S+ +ok +2\.0 KiB +\S+ +\/b\/a\.dump$/);
	assert.match(rows[header + 2] ?? '', /^日本 +failed +- +\S+ +no luck$/);
	assert.match(rows[header + 3] ?? '', /^1 done, 1 failed, 2\.0 KiB in /);
	assert.match(text, /FATAL: no luck\n.*HINT: try again\n/);
});

test('a run without jobs has no table', () => {
	assert.deepEqual(summaryLines(createBus().state()), []);
});

test('a heartbeat for each job that runs, so that a long dump is not silent', async () => {
	mock.timers.enable({apis: ['setInterval']});
	try {
		const bus = createBus();
		let text = '';
		const stop = startPlainReporter(bus, {verbose: false, quiet: false, write: some => (text += some)});
		for (const event of run.slice(0, 3)) bus.emit(event);
		text = '';
		mock.timers.tick(60_000);
		assert.match(text, /^\S+ \S+ INFO: 日本: 0 B written, .* so far\n$/);
		await stop();
		text = '';
		mock.timers.tick(60_000);
		assert.equal(text, '');
	} finally {
		mock.timers.reset();
	}
});

test('JSON lines are the events themselves, one a line', () => {
	const bus = createBus(() => 7);
	let text = '';
	const stop = startJsonReporter(bus, some => (text += some));
	for (const event of run) bus.emit(event);
	stop();
	assert.deepEqual(
		text
			.trimEnd()
			.split('\n')
			.map(line => JSON.parse(line) as unknown),
		run.map(event => ({...event, time: 7})),
	);
});
