/** `--servers`: runs the command line once for each server of servers.d, each in its own process. */
import {type CommandLine} from '../config/command-line.js';
import {configPath} from '../config/config-files.js';
import {type OptionName, type Settings} from '../config/options.js';
import {sharedPlaces} from '../config/server-paths.js';
import {loadGeneralSettings, settingsOfServer} from '../config/server-settings.js';
import {listServers, serverNameProblem} from '../config/servers.js';
import {errorCodes, PgBackError, ProblemsError} from '../core/errors.js';
import {oneTurnEach, runServers} from '../fleet/run-servers.js';
import {isFailure, serverRecords, serverTable} from '../fleet/server-table.js';
import {display} from '../lib/display.js';
import {compileGlob} from '../lib/glob.js';
import {logLine} from '../lib/log-line.js';
import type {Io} from './io.js';
import {usageError} from './parse.js';
import {type Token, tokenize} from './pflag.js';
import {handleSignals} from './signals.js';

/** Returns 0 when the command succeeded for every server, else 1; 128+N after a signal. Throws USAGE and CONFIG before anything runs. */
export async function runForServers(io: Io, commandLine: CommandLine): Promise<number> {
	refuseForServers(commandLine);
	const settings = await loadGeneralSettings(commandLine, io.env);
	const servers = await chooseServers(commandLine, settings.servers);
	await refuseSharedPlaces(commandLine, io.env, servers);
	const {flags, arguments: names} = tokenize(io.argv);
	const passed = flags.filter(({flag}) => flag.name !== 'servers' && flag.name !== 'serverJobs').map(spelled);
	const isJson = settings.json || settings.logFormat === 'json';
	const signals = handleSignals({
		exitNow: io.exitNow,
		onFirst: name => io.stderr.write(logLine(Date.now(), 'warn', `received ${name}, stopping all servers`)),
	});
	try {
		const {signal} = signals;
		const chosen =
			settings.shard === ''
				? servers
				: await (await import('./shard-servers.js')).serversOfShard({io, commandLine, settings, servers, signal});
		if (settings.writePlan) return 0;
		const turns =
			settings.budget > 0
				? await (await import('./drill-servers.js')).drillTurns({io, commandLine, settings, servers: chosen, signal})
				: oneTurnEach(chosen);
		const outcomes = await runServers({
			servers: chosen,
			turns,
			jobs: settings.serverJobs,
			program: io.program,
			argumentsFor: ({server, options}) => [...passed, `--server=${server}`, ...options, '--', ...names],
			env: io.env,
			signal,
			onLine: (server, line, stream) => io[stream].write(`${relayed(server, line)}\n`),
		});
		const failed = outcomes.some(isFailure);
		if (isJson) io.stdout.write(`${serverRecords(outcomes).join('\n')}\n`);
		else if (failed || !settings.quiet) tableStream(io, settings).write(`${serverTable(outcomes).join('\n')}\n`);
		const reason: unknown = signals.signal.reason;
		if (signals.signal.aborted) return reason instanceof PgBackError ? reason.exitCode : errorCodes.CANCELLED;
		return failed ? errorCodes.FAILED : 0;
	} finally {
		signals.stop();
	}
}

/** Options that select a server, need a terminal, or print one answer about everything. */
const excluded = [
	'server',
	'noConfigFile',
	'host',
	'port',
	'dbname',
	'interactive',
	'stdout',
	'checkAge',
	'restore',
	'swapBack',
	'cleanupRestores',
	'fleet',
	'fleetMetrics',
] as const satisfies readonly OptionName[];

function refuseForServers({values}: CommandLine): void {
	const given = excluded.filter(name => values.has(name) && values.get(name) !== false);
	const problems = given.map(name => `options --servers and --${flagNames[name]} cannot be used together`);
	if (problems.length > 0) throw usageError(problems);
}

const flagNames: Readonly<Record<(typeof excluded)[number], string>> = {
	server: 'server',
	noConfigFile: 'no-config-file',
	host: 'host',
	port: 'port',
	dbname: 'dbname',
	interactive: 'interactive',
	stdout: 'stdout',
	checkAge: 'check-age',
	restore: 'restore',
	swapBack: 'swap-back',
	cleanupRestores: 'cleanup-restores',
	fleet: 'fleet',
	fleetMetrics: 'fleet-metrics',
};

async function chooseServers(commandLine: CommandLine, patterns: readonly string[]): Promise<readonly string[]> {
	const all = (await listServers(configPath(commandLine))).map(({name}) => name);
	const problems: string[] = [];
	const chosen = new Set<string>();
	if (patterns.length === 0) problems.push('--servers: name servers, or all');
	for (const pattern of patterns) {
		const matches = pattern === 'all' ? () => true : compileGlob(pattern);
		if (matches === undefined) problems.push(`--servers: malformed pattern ${display(pattern)}`);
		const found = all.filter(name => matches?.(name));
		if (matches && found.length === 0) problems.push(`--servers: no server in servers.d matches ${display(pattern)}`);
		for (const name of found) chosen.add(name);
	}
	if (problems.length > 0) throw usageError(problems);
	return all.filter(name => chosen.has(name));
}

/** Checks for shared places. A server with an unreadable file is skipped; its own process reports that. */
async function refuseSharedPlaces(commandLine: CommandLine, env: Io['env'], servers: readonly string[]): Promise<void> {
	const placed: {name: string; settings: Settings}[] = [];
	for (const name of servers) {
		if (serverNameProblem(name) !== undefined) continue;
		const settings = await settingsOfServer(commandLine, env, name);
		if (settings) placed.push({name, settings});
	}
	const problems = sharedPlaces(placed);
	if (problems.length > 0)
		throw new ProblemsError('CONFIG', problems, 'put {server} into the path, as one directory of it');
}

/**
 * Returns a flag in the form for the process of one server. Throws USAGE for a secret, which the arguments of a process
 * would show.
 */
function spelled({flag: {option, negative}, text, spelling}: Token): string {
	if (option.secret !== undefined)
		throw usageError([
			`${spelling} cannot be used with --servers: put ${option.key ?? 'it'} into the configuration file`,
		]);
	return `--${(negative ? option.negative : option.long) ?? ''}=${text}`;
}

/**
 * Returns a line of a process with the name of its server added: after the level of a log line, as the first field of
 * an object.
 */
function relayed(server: string, line: string): string {
	if (/^\{"/.test(line)) return `{"serverName":${JSON.stringify(server)},${line.slice(1)}`;
	const [, start, text] = /^(\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d(?:\.\d+)? [A-Z]+: )(.*)$/.exec(line) ?? [];
	return start === undefined ? `${display(server)}: ${line}` : `${start}[${display(server)}] ${text ?? ''}`;
}

/** When standard output has a result, the table is a message. */
function tableStream(io: Io, settings: Settings): NodeJS.WriteStream {
	const printsResult = settings.checkConfig !== 'no' || settings.dryRun || settings.listRemote !== 'none';
	return printsResult ? io.stderr : io.stdout;
}
