/**
 * The console on this terminal, over a recording: `console-entry.ts EVENTS.jsonl [--speed N] [--ascii] [--no-color] [--until MS]
 * [--exit-when-done]`. Prints why it was left, as JSON on its last line.
 */
import process from 'node:process';
import {parseArgs} from 'node:util';
import {createReplay, readRecording} from '../../../source/cli/replay.js';

process.env['NODE_ENV'] = 'production';
const {values, positionals} = parseArgs({
	allowPositionals: true,
	options: {
		speed: {type: 'string', default: '1'},
		ascii: {type: 'boolean', default: false},
		'no-color': {type: 'boolean', default: false},
		'exit-when-done': {type: 'boolean', default: false},
	},
});
if (values['no-color']) process.env['FORCE_COLOR'] = '0';
const recording = await readRecording(positionals[0] ?? '');
const replay = createReplay(recording, Number(values.speed));
const stop = new AbortController();
const {mountConsole} = await import('../../../source/ui/mount.js');
const played = replay.play(stop.signal).catch((error: unknown) => {
	if (!stop.signal.aborted) throw error;
});
const {reason, error} = await mountConsole({
	handle: replay.handle,
	stdin: process.stdin,
	stdout: process.stdout,
	start: 'jobs',
	options: {
		ascii: values.ascii,
		exitWhenDone: values['exit-when-done'],
		version: '3.0.0',
		now: replay.now,
		readOnly: true,
	},
});
stop.abort();
await played;
process.stdout.write(`${JSON.stringify({reason, error: error instanceof Error ? error.stack : undefined})}\n`);
