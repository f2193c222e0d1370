/** Runs the console on the engine. The work continues even if the screen is lost. */
import {constants} from 'node:os';
import type {Configuration} from '../config/configuration.js';
import {CancelledError, toPgBackError} from '../core/errors.js';
import type {EngineHandle} from '../core/handle.js';
import type {Engine} from '../engine.js';
import {startPlainReporter} from '../reporters/plain.js';
import type {Asked} from './asked.js';
import {errorText} from './fail.js';
import {isForeground} from './foreground.js';
import {hangupLogPath, openHangupLog} from './hangup-log.js';
import type {Io} from './io.js';
import type {SignalHandling} from './signals.js';
import {type FrontEnd, inkEnvironment} from './terminal.js';
import {version} from './version.js';

export type ConsoleRequest = {
	readonly io: Io;
	readonly configuration: Configuration;
	readonly engine: Engine;
	readonly signals: SignalHandling;
	readonly frontEnd: FrontEnd;
	/** Lets the console take over a hangup from the signal handler. */
	readonly hangup: {takeOver?: () => boolean};
	/** The work to start with; undefined opens the console only. */
	readonly first: Asked | undefined;
	readonly start: 'jobs' | 'fleet' | {readonly files: string};
	readonly warn: () => void;
	/** Called when what a lost terminal leaves behind cannot be written: its log, or a draft. */
	readonly onTrouble: (text: string) => void;
};

/** Shows the console until the user leaves and the work is done; returns the exit status of the work. */
export async function runConsole(request: ConsoleRequest): Promise<number> {
	const {io, configuration, engine, signals, hangup, first} = request;
	const {settings} = configuration;
	const lost = new AbortController();
	const logPath = hangupLogPath();
	hangup.takeOver = () => {
		if (settings.onHangup === 'cancel') return false;
		lost.abort();
		return true;
	};
	io.stdin.on('error', () => undefined); // a lost terminal: handled below
	request.warn();
	if (first) void engine.start(first.command, first.work);
	const troubles: string[] = [];
	const onTrouble = (text: string) => {
		troubles.push(text);
		request.onTrouble(text);
	};
	const {reason, error} = await mount({...request, onTrouble}, engine, lost.signal, logPath);
	if (reason === 'crashed') io.stderr.write(errorText(toPgBackError(error)));
	if (reason === 'hangup' && settings.onHangup === 'cancel')
		signals.cancel(new CancelledError('the terminal is gone', 128 + constants.signals.SIGHUP));
	declineQuestions(engine);
	if (!engine.working() && troubles.length === 0) {
		await engine.idle(); // also the work that ends with a run
		return engine.exitCode();
	}
	const write =
		reason === 'hangup' ? openHangupLog(logPath, request.onTrouble) : (text: string) => io.stderr.write(text);
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

/** Ends jobs that wait for a confirmation, because without a screen it cannot be given; what they restored is kept. */
function declineQuestions(engine: Engine): void {
	const decline = () => {
		for (const {id, question} of engine.state().jobs.values()) if (question !== undefined) engine.answer(id, '');
	};
	// The job listens only after the event has been delivered.
	engine.subscribe(event => event.type === 'job.asked' && event.question !== undefined && setImmediate(decline));
	decline();
}

/** Loads Ink, React and the screens; the only code that does. */
async function mount(
	{io, configuration, frontEnd, start, onTrouble}: ConsoleRequest,
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
			onTrouble,
			isForeground,
		},
	});
}
