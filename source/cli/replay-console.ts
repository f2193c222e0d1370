/** `--replay`: shows a recorded run in the console, or as plain lines without a console. */
import type {CommandLine} from '../config/command-line.js';
import {messageOf, PgBackError, toPgBackError} from '../core/errors.js';
import {logLine} from '../lib/log-line.js';
import {spendMemory} from '../lib/memory.js';
import {startPlainReporter} from '../reporters/plain.js';
import {isForeground} from './foreground.js';
import type {Io} from './io.js';
import {createReplay, readRecording, type Recording} from './replay.js';
import {chooseFrontEnd, inkEnvironment} from './terminal.js';
import {version} from './version.js';

export async function runReplay(io: Io, {values}: CommandLine, path: string): Promise<number> {
	const given = (name: Parameters<typeof values.get>[0]) => values.get(name);
	const flag = (value: unknown) => (typeof value === 'boolean' ? value : undefined);
	const frontEnd = chooseFrontEnd(
		{env: io.env, stdinIsTty: io.stdinIsTty, stdoutIsTty: io.stdout.isTTY},
		{
			tui: flag(given('tui')),
			quiet: given('quiet') === true,
			json: false,
			screenReader: given('screenReader') === true,
			...(given('ascii') === true && {ascii: true}),
			color: flag(given('color')),
		},
	);
	const recording = await readRecording(path);
	const stop = new AbortController();
	const replay = createReplay(recording, Number(given('speed') ?? 1));
	if (frontEnd.kind === 'plain') {
		const end = startPlainReporter(replay.handle, {
			write: text => io.stderr.write(text),
			verbose: given('verbose') === true,
			quiet: given('quiet') === true,
			heartbeat: 0,
		});
		try {
			await replay.play(stop.signal);
			return statusOf(io, recording, !replay.endOpenRun());
		} finally {
			await end();
		}
	}
	spendMemory();
	Object.assign(process.env, {NODE_ENV: 'production', ...inkEnvironment(frontEnd)});
	const {mountConsole} = await import('../ui/mount.js');
	const lost = new AbortController();
	let failure: PgBackError | undefined;
	const played = replay.play(stop.signal).then(
		() => !replay.endOpenRun(),
		(error: unknown) => {
			if (stop.signal.aborted) return true;
			failure = toPgBackError(error);
			lost.abort(); // the screen would hide it
			return false;
		},
	);
	const {reason, error} = await mountConsole({
		handle: replay.handle,
		stdin: io.stdin,
		stdout: io.stdout,
		start: 'jobs',
		signal: lost.signal,
		options: {
			ascii: frontEnd.ascii,
			color: frontEnd.color,
			exitWhenDone: given('exitWhenDone') === true,
			version,
			now: replay.now,
			readOnly: true,
			isForeground,
		},
	});
	stop.abort();
	const isWhole = await played;
	if (failure !== undefined) throw failure;
	if (reason === 'crashed')
		throw new PgBackError('USAGE', `${path} cannot be shown: ${messageOf(error)}`, {
			cause: error,
			hint: 'try --no-tui',
		});
	return statusOf(io, recording, isWhole);
}

/** Of the replay, not of the recorded run: 0 when all of it was played. */
function statusOf(io: Io, {notes}: Recording, isWhole: boolean): number {
	for (const note of notes) io.stderr.write(logLine(Date.now(), 'warn', note));
	return isWhole && notes.length === 0 ? 0 : 1;
}
