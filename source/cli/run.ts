/** Runs the engine with its front end: the console, plain lines or JSON lines. */
import {hostname} from 'node:os';
import type {Configuration} from '../config/configuration.js';
import {defaultConfigFile} from '../config/options.js';
import type {Shard} from '../config/shard.js';
import {createBus, type EventBus} from '../core/bus.js';
import {PgBackError} from '../core/errors.js';
import {createEngine, type Engine} from '../engine.js';
import type {Fleet} from '../fleet/fleet-handle.js';
import type {FleetReports} from '../fleet/report-status.js';
import {spendMemory} from '../lib/memory.js';
import {toolEnvironment} from '../postgres/environment.js';
import {startJsonReporter} from '../reporters/json.js';
import {startPlainReporter} from '../reporters/plain.js';
import {secretVariables} from '../storage/definitions.js';
import type {ConsoleRequest} from './console.js';
import type {Io} from './io.js';
import {startMonitoring} from './monitoring.js';
import {promptSecret} from './prompt.js';
import {handleSignals, type SignalHandling} from './signals.js';
import {chooseFrontEnd, type FrontEnd} from './terminal.js';
import {version} from './version.js';
import {askedFor, chooseFrom} from './work.js';

export async function runWithFrontEnd(io: Io, asConfigured: Configuration): Promise<number> {
	const configuration = withoutPatterns(asConfigured);
	const frontEnd = frontEndFor(io, configuration);
	const {settings} = configuration;
	if (settings.interactive && frontEnd.kind === 'plain') {
		throw new PgBackError('USAGE', `cannot open the console: ${frontEnd.reason ?? ''}`, {
			hint: 'run it in a terminal',
		});
	}
	const bus = createBus();
	const hangup: {takeOver?: () => boolean} = {};
	const signals = handleSignals({
		exitNow: io.exitNow,
		onFirst: name =>
			bus.emit({type: 'log', level: 'warn', text: `received ${name}, stopping; send it again to exit immediately`}),
		takeOver: name => name === 'SIGHUP' && (hangup.takeOver?.() ?? false),
	});
	try {
		const fleetShown =
			frontEnd.kind === 'plain' ? undefined : (await import('./fleet-console.js')).fleetOf(io, asConfigured);
		const engine = engineFor({io, configuration, bus, signals, frontEnd, fleet: fleetShown});
		const monitoring = await startMonitoring(bus, configuration, io.env);
		const fleet = await startFleet(io, configuration, bus, frontEnd);
		const asked = await askedFor(io, configuration);
		const start = settings.interactive ? firstScreen(configuration) : chooseFrom(configuration);
		if (frontEnd.kind === 'plain' || (asked.printsResult && start === undefined)) {
			const stop = startReporter(io, configuration, bus);
			warn(bus, configuration);
			const {exitCode} = await engine.start(asked.command, asked.work);
			await Promise.all([monitoring.settled(), fleet?.settled()]);
			await stop();
			return exitCode;
		}
		spendMemory();
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
			onTrouble: text => bus.emit({type: 'log', level: 'warn', text}),
		});
		await Promise.all([monitoring.settled(), fleet?.settled()]);
		return exitCode;
	} finally {
		signals.stop();
	}
}

function frontEndFor(io: Io, {settings}: Configuration): FrontEnd {
	return chooseFrontEnd(
		{env: io.env, stdinIsTty: io.stdinIsTty, stdoutIsTty: io.stdout.isTTY},
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

function firstScreen({settings}: Configuration): 'jobs' | 'fleet' {
	return settings.fleet === 'none' ? 'jobs' : 'fleet';
}

function consoleStart(start: string | undefined): ConsoleRequest['start'] {
	return start === undefined || start === 'jobs' ? 'jobs' : start === 'fleet' ? 'fleet' : {files: start};
}

/** With `-i --fleet` the arguments are patterns for servers, and not the databases of a backup. */
function withoutPatterns(configuration: Configuration): Configuration {
	const {interactive, fleet} = configuration.settings;
	return interactive && fleet !== 'none' ? {...configuration, arguments: []} : configuration;
}

type EngineParts = {
	readonly io: Io;
	readonly configuration: Configuration;
	readonly bus: EventBus;
	readonly signals: SignalHandling;
	readonly frontEnd: FrontEnd;
	readonly fleet: Fleet | undefined;
};

function engineFor({io, configuration, bus, signals, frontEnd, fleet}: EngineParts): Engine {
	// The console asks in a field of its own; a second reader would compete for the keys.
	const mayAsk = io.stdinIsTty && io.stderr.isTTY && frontEnd.kind === 'plain';
	return createEngine({
		bus,
		fleet,
		host: hostname(),
		pid: process.pid,
		base: {
			configuration,
			env: io.env,
			toolEnv: toolEnvironment(io.env, secretVariables),
			signal: signals.signal,
			now: () => new Date(),
			version,
			...(mayAsk && {askSecret: label => promptSecret(label, {signal: signals.signal})}),
			...(mayAsk && {askLine: label => promptSecret(label, {signal: signals.signal, echo: true})}),
		},
	});
}

/** Returns undefined for a run that is not reported to a fleet. */
async function startFleet(
	io: Io,
	configuration: Configuration,
	bus: EventBus,
	frontEnd: FrontEnd,
): Promise<FleetReports | undefined> {
	const {fleetPrefix, upload} = configuration.settings;
	if (fleetPrefix === '' || upload.length === 0) return undefined;
	const {startFleetReports} = await import('../fleet/report-status.js');
	const toolEnv = toolEnvironment(io.env, secretVariables);
	const base = {configuration, env: io.env, toolEnv, now: () => new Date(), version};
	return startFleetReports(bus, base, {
		interactive: frontEnd.kind !== 'plain',
		shard: await shardOf(io, configuration),
	});
}

/** Returns the shard of this process, for its reports. */
async function shardOf(io: Io, {settings}: Configuration): Promise<Shard | undefined> {
	const {shard, runName, writePlan: writesPlan} = settings;
	if (shard === '') return undefined;
	const {chooseShard} = await import('../config/shard.js');
	const {index, of} = chooseShard(shard, {runName, writesPlan, env: io.env});
	return index === undefined ? undefined : {index, of};
}

function startReporter(io: Io, {settings}: Configuration, bus: EventBus): () => Promise<void> | void {
	// A monitoring system reads one line on stdout.
	if (settings.logFormat === 'json' && settings.checkAge === undefined)
		return startJsonReporter(bus, text => io.stdout.write(text));
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
		else bus.emit({type: 'log', level: 'debug', text: `no config file at ${defaultConfigFile}, using defaults`});
	}
	for (const text of configuration.warnings) bus.emit({type: 'log', level: 'warn', text});
}
