/** The engine with its front end: the console, plain lines or JSON lines. */
import {hostname} from 'node:os';
import type {Configuration} from '../config/configuration.js';
import {defaultConfigFile} from '../config/options.js';
import {createBus, type EventBus} from '../core/bus.js';
import {PgBackError} from '../core/errors.js';
import {createEngine, type Engine} from '../engine/engine.js';
import {startJsonReporter} from '../reporters/json.js';
import {startPlainReporter} from '../reporters/plain.js';
import type {Io} from './io.js';
import {goWithoutCompilers} from './memory.js';
import {startMonitoring} from './monitoring.js';
import {promptSecret} from './prompt.js';
import {handleSignals, type SignalHandling} from './signals.js';
import {chooseFrontEnd, type FrontEnd} from './terminal.js';
import {version} from './version.js';
import {askedFor, chooseFrom} from './work.js';

export async function runWithFrontEnd(io: Io, configuration: Configuration): Promise<number> {
	const frontEnd = frontEndFor(io, configuration);
	const {settings} = configuration;
	if (settings.interactive && frontEnd.kind === 'plain') {
		throw new PgBackError('USAGE', `the console cannot be opened: ${frontEnd.reason ?? ''}`, {
			hint: 'run it in a terminal',
		});
	}
	const bus = createBus();
	const hangup: {takeOver?: () => boolean} = {};
	const signals = handleSignals({
		exitNow: io.exitNow,
		onFirst: name => bus.emit({type: 'log', level: 'warn', text: `${name}: ending; once more to end at once`}),
		takeOver: name => name === 'SIGHUP' && (hangup.takeOver?.() ?? false),
	});
	try {
		const engine = engineFor(io, configuration, bus, signals, frontEnd);
		const monitoring = await startMonitoring(bus, configuration);
		const asked = await askedFor(io, configuration);
		const start = settings.interactive ? 'jobs' : chooseFrom(configuration);
		if (frontEnd.kind === 'plain' || (asked.printsResult && start === undefined)) {
			goWithoutCompilers();
			const stop = startReporter(io, configuration, bus);
			warn(bus, configuration);
			const {exitCode} = await engine.start(asked.command, asked.work);
			await monitoring.settled();
			await stop();
			return exitCode;
		}
		const {runConsole} = await import('./console.js');
		const first = start === undefined ? asked : undefined;
		const exitCode = await runConsole({
			io,
			configuration,
			engine,
			signals,
			frontEnd,
			hangup,
			first,
			start: consoleStart(start),
			warn: () => warn(bus, configuration),
		});
		await monitoring.settled();
		return exitCode;
	} finally {
		signals.stop();
	}
}

function frontEndFor(io: Io, {settings}: Configuration): FrontEnd {
	return chooseFrontEnd(
		{env: io.env, stdinIsTty: io.stdin.isTTY, stdoutIsTty: io.stdout.isTTY},
		{
			tui: settings.tui,
			quiet: settings.quiet,
			json: settings.logFormat === 'json',
			screenReader: settings.screenReader,
			...(settings.ascii && {ascii: true}),
			color: settings.color,
		},
	);
}

function consoleStart(start: string | undefined): 'jobs' | {readonly files: string} {
	return start === undefined || start === 'jobs' ? 'jobs' : {files: start};
}

function engineFor(
	io: Io,
	configuration: Configuration,
	bus: EventBus,
	signals: SignalHandling,
	frontEnd: FrontEnd,
): Engine {
	// The console asks in a field of its own; a second reader would fight it for the keys.
	const mayAsk = io.stdin.isTTY && io.stderr.isTTY && frontEnd.kind === 'plain';
	return createEngine({
		bus,
		host: hostname(),
		pid: process.pid,
		base: {
			configuration,
			env: io.env,
			signal: signals.signal,
			now: () => new Date(),
			version,
			...(mayAsk && {askSecret: label => promptSecret(label, {signal: signals.signal})}),
		},
	});
}

function startReporter(io: Io, {settings}: Configuration, bus: EventBus): () => Promise<void> | void {
	if (settings.logFormat === 'json') return startJsonReporter(bus, text => io.stdout.write(text));
	return startPlainReporter(bus, {
		write: text => io.stderr.write(text),
		verbose: settings.verbose,
		quiet: settings.quiet,
	});
}

function warn(bus: EventBus, configuration: Configuration): void {
	// JSON lines begin with the event of the run; a monitoring system reads one line.
	const {logFormat, checkAge} = configuration.settings;
	if (logFormat !== 'json' && checkAge === undefined && configuration.configFile === undefined) {
		if (configuration.given('noConfigFile'))
			bus.emit({type: 'log', level: 'info', text: 'Skipping reading config file'});
		else bus.emit({type: 'log', level: 'debug', text: `there is no ${defaultConfigFile}: the defaults count`});
	}
	for (const text of configuration.warnings) bus.emit({type: 'log', level: 'warn', text});
}
