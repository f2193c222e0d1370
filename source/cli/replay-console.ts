/** `--replay`: a recorded run on the same screens, or as the same plain lines where no console can be. */
import type {CommandLine} from '../config/command-line.js';
import {startPlainReporter} from '../reporters/plain.js';
import type {Io} from './io.js';
import {createReplay, readRecording} from './replay.js';
import {chooseFrontEnd, inkEnvironment} from './terminal.js';
import {version} from './version.js';

export async function runReplay(io: Io, {values}: CommandLine, path: string): Promise<number> {
	const given = (name: Parameters<typeof values.get>[0]) => values.get(name);
	const flag = (value: unknown) => (typeof value === 'boolean' ? value : undefined);
	const frontEnd = chooseFrontEnd(
		{env: io.env, stdinIsTty: io.stdin.isTTY, stdoutIsTty: io.stdout.isTTY},
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
	for (const note of recording.notes) io.stderr.write(`pg_back: warning: ${note}\n`);
	const stop = new AbortController();
	const replay = createReplay(recording, Number(given('speed') ?? 1));
	if (frontEnd.kind === 'plain') {
		const end = startPlainReporter(replay.handle, {
			write: text => io.stderr.write(text),
			verbose: given('verbose') === true,
			quiet: given('quiet') === true,
			heartbeat: 0,
		});
		await replay.play(stop.signal);
		await end();
		return 0;
	}
	Object.assign(process.env, {NODE_ENV: 'production', ...inkEnvironment(frontEnd)});
	const {mountConsole} = await import('../ui/mount.js');
	const played = replay.play(stop.signal).catch((error: unknown) => {
		if (!stop.signal.aborted) throw error;
	});
	await mountConsole({
		handle: replay.handle,
		stdin: io.stdin,
		stdout: io.stdout,
		start: 'jobs',
		options: {
			ascii: frontEnd.ascii,
			color: frontEnd.color,
			exitWhenDone: given('exitWhenDone') === true,
			version,
			now: replay.now,
			readOnly: true,
		},
	});
	stop.abort();
	await played;
	return 0;
}
