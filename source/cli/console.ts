/** The console over the engine: it shows and steers; the work goes on whatever becomes of the screen. */
import {createWriteStream, openSync} from 'node:fs';
import {constants, tmpdir} from 'node:os';
import {join} from 'node:path';
import type {Configuration} from '../config/configuration.js';
import {CancelledError, toPgBackError} from '../core/errors.js';
import type {EngineHandle} from '../core/handle.js';
import type {Engine} from '../engine/engine.js';
import {startPlainReporter} from '../reporters/plain.js';
import {errorText} from './fail.js';
import type {Io} from './io.js';
import type {SignalHandling} from './signals.js';
import {inkEnvironment, type FrontEnd} from './terminal.js';
import {version} from './version.js';
import type {Asked} from './work.js';

export type ConsoleRequest = {
	readonly io: Io;
	readonly configuration: Configuration;
	readonly engine: Engine;
	readonly signals: SignalHandling;
	readonly frontEnd: FrontEnd;
	/** Where a hangup is taken over from the signal handler. */
	readonly hangup: {takeOver?: () => boolean};
	/** Work to begin with; undefined opens the console only. */
	readonly first: Asked | undefined;
	readonly start: 'jobs' | {readonly files: string};
	readonly warn: () => void;
};

/** Shows the console until it is left and the work is done; gives the exit status of the work. */
export async function runConsole(request: ConsoleRequest): Promise<number> {
	const {io, configuration, engine, signals, hangup, first} = request;
	const {settings} = configuration;
	const lost = new AbortController();
	const logPath = join(tmpdir(), `pg_back-${process.pid}-${Date.now().toString(36)}.log`);
	hangup.takeOver = () => {
		if (settings.onHangup === 'cancel') return false;
		lost.abort();
		return true;
	};
	io.stdin.on('error', () => undefined); // a terminal that is gone: what becomes of the work is decided below
	request.warn();
	if (first) void engine.start(first.command, first.work);
	const {reason, error} = await mount(request, engine, lost.signal, logPath);
	if (reason === 'crashed') io.stderr.write(errorText(toPgBackError(error)));
	if (reason === 'hangup' && settings.onHangup === 'cancel')
		signals.cancel(new CancelledError('the terminal is gone', 128 + constants.signals.SIGHUP));
	if (!engine.working()) return engine.exitCode();
	const write = reason === 'hangup' ? logFile(logPath) : (text: string) => io.stderr.write(text);
	const stop = startPlainReporter(engine, {
		write,
		verbose: settings.verbose,
		quiet: false,
		...(reason === 'hangup' && {from: 0}),
	});
	await engine.idle();
	await stop();
	return engine.exitCode();
}

/** Loads Ink, React and the screens: nothing else of the program does. */
async function mount(
	{io, configuration, frontEnd, start}: ConsoleRequest,
	handle: EngineHandle,
	signal: AbortSignal,
	hangupLog: string,
) {
	Object.assign(process.env, {NODE_ENV: 'production', ...inkEnvironment(frontEnd)});
	const {mountConsole} = await import('../ui/mount.js');
	return mountConsole({
		handle,
		stdin: io.stdin,
		stdout: io.stdout,
		start,
		signal,
		options: {
			ascii: frontEnd.ascii,
			color: frontEnd.color,
			exitWhenDone: configuration.settings.exitWhenDone,
			version,
			hangupLog,
		},
	});
}

/** Nobody else may read it, and no link is followed. */
function logFile(path: string): (text: string) => void {
	const stream = createWriteStream(path, {fd: openSync(path, 'wx', 0o600)});
	stream.on('error', () => undefined); // a full disk there: the work goes on, with nobody to tell
	return text => stream.write(text);
}
