/** One run of the engine with its front end. */
import {hostname} from 'node:os';
import type {Configuration} from '../config/configuration.js';
import {createBus} from '../core/bus.js';
import {toPgBackError} from '../core/errors.js';
import {eventSchema, type Command} from '../core/events.js';
import {newRunId, type RunContext, type RunResult} from '../engine/context.js';
import {eventError} from '../engine/scheduler.js';
import {startJsonReporter} from '../reporters/json.js';
import {startPlainReporter} from '../reporters/plain.js';
import {writerTo, type Io} from './io.js';
import {promptSecret} from './prompt.js';
import {handleSignals} from './signals.js';
import {version} from './version.js';

type Work = {readonly command: Command; readonly work: (context: RunContext) => Promise<RunResult>};

export async function runWithReporter(io: Io, configuration: Configuration): Promise<number> {
	const bus = createBus();
	const {settings} = configuration;
	const stopReporter =
		settings.logFormat === 'json'
			? startJsonReporter(bus, text => io.stdout.write(text))
			: startPlainReporter(bus, {write: text => io.stderr.write(text), verbose: settings.verbose, quiet: settings.quiet});
	const signals = handleSignals({
		exitNow: io.exitNow,
		onFirst: name => bus.emit({type: 'log', level: 'warn', text: `${name}: ending; once more to end at once`}),
	});
	const {runId, tag} = newRunId();
	const {command, work} = await workOf(io, configuration);
	const context: RunContext = {
		runId,
		tag,
		configuration,
		env: io.env,
		emit: bus.emit,
		signal: signals.signal,
		now: () => new Date(),
		version,
		...(io.stdin.isTTY && io.stderr.isTTY && {askSecret: label => promptSecret(label, {signal: signals.signal})}),
	};
	bus.emit({type: 'run.started', schema: eventSchema, runId, command, version, host: hostname(), pid: process.pid});
	for (const text of configuration.warnings) bus.emit({type: 'log', level: 'warn', text});
	const result = await work(context).catch((thrown: unknown): RunResult => {
		const error = toPgBackError(thrown);
		return {exitCode: error.exitCode, outcome: 'failed', error};
	});
	const {exitCode, outcome, error} = result;
	bus.emit({type: 'run.finished', exitCode, outcome, ...(error && {error: eventError(error)})});
	stopReporter();
	signals.stop();
	return exitCode;
}

async function workOf(io: Io, configuration: Configuration): Promise<Work> {
	const {settings} = configuration;
	if (settings.dryRun) {
		const {dryRun} = await import('./dry-run.js');
		return {command: 'backup', work: context => dryRun(io, context)};
	}
	const {listRemote, download} = settings;
	if (listRemote !== 'none') {
		const {printRemote} = await import('./list-remote.js');
		return {command: 'list', work: context => printRemote(io, context, listRemote)};
	}
	if (download !== 'none') {
		const {runDownload} = await import('../engine/download.js');
		return {command: 'download', work: context => runDownload(context, download)};
	}
	const {verifyStore} = settings;
	if (verifyStore !== 'none') {
		const {runVerify} = await import('../engine/verify.js');
		return {command: 'verify', work: context => runVerify(context, verifyStore)};
	}
	if (settings.decrypt) {
		const {runDecrypt} = await import('../engine/decrypt.js');
		const toStdout = settings.stdout ? writerTo(io) : undefined;
		return {command: 'decrypt', work: context => runDecrypt(context, toStdout && {toStdout})};
	}
	const {runBackup} = await import('../engine/backup.js');
	return {command: 'backup', work: context => runBackup(context)};
}
