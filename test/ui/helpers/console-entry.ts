/**
 * The console on this terminal, over a recording: `console-entry.ts EVENTS.jsonl [--speed N] [--ascii] [--no-color] [--exit-when-done]`,
 * or with `--fake NAMES` (and `--fleet SERVERS`) over an engine that does nothing. Prints why it was left, as JSON on its last line.
 */
import {writeFileSync} from 'node:fs';
import process from 'node:process';
import {parseArgs} from 'node:util';
import {isForeground} from '../../../source/cli/foreground.js';
import {createReplay, readRecording} from '../../../source/cli/replay.js';
import type {EngineHandle} from '../../../source/core/handle.js';
import {createFakeEngine, type FakeEngine, fakeNow} from './fake-engine.js';
import {manyServers} from './servers.js';

process.env['NODE_ENV'] = 'production';
// The program outlives its terminal.
process.on('SIGHUP', () => undefined);
const {values, positionals} = parseArgs({
	allowPositionals: true,
	options: {
		speed: {type: 'string', default: '1'},
		ascii: {type: 'boolean', default: false},
		'no-color': {type: 'boolean', default: false},
		'exit-when-done': {type: 'boolean', default: false},
		fake: {type: 'string'},
		files: {type: 'string'},
		fleet: {type: 'string'},
		passphrase: {type: 'string'},
		manual: {type: 'boolean', default: false},
		working: {type: 'boolean', default: false},
		result: {type: 'string'},
		silent: {type: 'boolean', default: false},
		restless: {type: 'boolean', default: false},
		crash: {type: 'boolean', default: false},
		frames: {type: 'string'},
	},
});
if (values['no-color']) process.env['FORCE_COLOR'] = '0';
const stop = new AbortController();
const replay =
	values.fake === undefined ? createReplay(await readRecording(positionals[0] ?? ''), Number(values.speed)) : undefined;
const steady =
	replay?.handle ??
	createFakeEngine({
		names: Number(values.fake),
		passphrase: values.passphrase,
		manual: values.manual,
		...(values.fleet !== undefined && {fleet: manyServers(Number(values.fleet))}),
	});
// A bug that a key brings to light.
let asked = 0;
const handle: EngineHandle = !values.crash
	? steady
	: {
			...steady,
			// The first screen asks three times, before any key.
			locations() {
				if (asked++ > 2) throw new Error('a bug');
				return steady.locations();
			},
		};
if (values.silent) {
	await replay?.play(stop.signal);
	process.exit(0);
}
if (values.frames !== undefined) {
	const {heapGrowth} = await import('./heap-growth.js');
	process.stdout.write(`${await heapGrowth(Number(values.frames))}\n`);
	process.exit(0);
}
// One job that runs until it is cancelled.
if (values.working) await steady.verify('s3', ['app_2026-11-22T02:00:03+00:00.dump']);
// Something changes all the time: a frame on each tick.
if (values.restless)
	setInterval(() => (steady as FakeEngine).bus.emit({type: 'log', level: 'debug', text: 'tick'}), 100).unref();
const {mountConsole} = await import('../../../source/ui/mount.js');
const played = replay?.play(stop.signal).catch((error: unknown) => {
	if (!stop.signal.aborted) throw error;
});
const {reason, error} = await mountConsole({
	handle,
	stdin: process.stdin,
	stdout: process.stdout,
	start: values.fleet !== undefined ? 'fleet' : values.files === undefined ? 'jobs' : {files: values.files},
	options: {
		ascii: values.ascii,
		color: !values['no-color'],
		exitWhenDone: values['exit-when-done'],
		version: '3.0.0',
		now: replay?.now ?? (() => fakeNow),
		readOnly: replay !== undefined,
		isForeground,
		hangupLog: '/var/log/pg_back/2026-11-22.log',
	},
});
if (reason === 'hangup' || reason === 'detached') await played;
stop.abort();
await played;
const result = JSON.stringify({
	reason,
	finished: handle.state().finished?.outcome,
	error: error instanceof Error ? error.stack : undefined,
});
if (values.result !== undefined) writeFileSync(values.result, result);
if (reason !== 'hangup') process.stdout.write(`${result}\n`);
