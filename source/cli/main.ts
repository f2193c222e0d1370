import type {CommandLine} from '../config/command-line.js';
import type {Configuration} from '../config/configuration.js';
import {errorCodes, PgBackError, toPgBackError} from '../core/errors.js';
import {logLine} from '../lib/log-line.js';
import {errorText} from './fail.js';
import type {Io} from './io.js';
import {version} from './version.js';

/** Runs the program and returns its exit status. Never throws; all errors have been printed. */
export async function main(io: Io): Promise<number> {
	try {
		return await dispatch(io);
	} catch (error) {
		const ours = toPgBackError(error);
		io.stderr.write(errorText(ours, {precise: await isVerbose(io.argv)}));
		if (!asksForAge(io.argv)) return ours.exitCode;
		const {unknown} = await import('../repository/check-age.js');
		const {text, status} = unknown(ours);
		io.stdout.write(`${text}\n`);
		return status;
	}
}

/**
 * Returns true for `--check-age`, whether or not the rest of the command line is valid: monitoring must always get an
 * answer in its format.
 */
function asksForAge(argv: readonly string[]): boolean {
	const end = argv.indexOf('--');
	return argv.slice(0, end === -1 ? undefined : end).some(word => /^--check-age(=|$)/.test(word));
}

/** Returns true when all lines of the log have microseconds; false for a command line that cannot be parsed. */
async function isVerbose(argv: readonly string[]): Promise<boolean> {
	const {parseCommandLine} = await import('./parse.js');
	const values = await parseCommandLine(argv).then(
		parsed => parsed.values,
		() => undefined,
	);
	return values?.get('verbose') === true && values.get('quiet') !== true;
}

/** Heavy modules are imported where they are used: `--version` loads almost nothing. */
async function dispatch(io: Io): Promise<number> {
	const {argv} = io;
	if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-V')) return printVersion(io);
	const {parseCommandLine} = await import('./parse.js');
	const commandLine = await parseCommandLine(argv);
	const given = (name: Parameters<CommandLine['values']['get']>[0]) => commandLine.values.get(name);
	const legacyFile = given('convertLegacyConfig');
	const converts = typeof legacyFile === 'string' && legacyFile !== '';
	if (given('help') === true) {
		const {helpFor} = await import('./help-topic.js');
		helpFor(io, commandLine.arguments, converts ? io.stderr : io.stdout);
		if (!converts) return 0;
	} else if (given('version') === true) {
		printVersion(io);
		if (!converts) return 0;
	}
	if (converts) return convertLegacy(io, legacyFile);
	if (given('printDefaultConfig') === true) {
		const {readDefaultConfig} = await import('../config/print.js');
		io.stdout.write(readDefaultConfig());
		return 0;
	}
	const shell = given('completion');
	if (typeof shell === 'string' && shell !== 'none') {
		const {completionScript} = await import('./completion.js');
		io.stdout.write(completionScript(shell as Parameters<typeof completionScript>[0]));
		return 0;
	}
	const replay = given('replay');
	if (typeof replay === 'string' && replay !== '') {
		const {runReplay} = await import('./replay-console.js');
		return runReplay(io, commandLine, replay);
	}
	if (commandLine.values.has('servers')) {
		const {runForServers} = await import('./servers.js');
		return runForServers(io, commandLine);
	}
	const {loadConfiguration} = await import('../config/configuration.js');
	const terminal = io.stdinIsTty && io.stderr.isTTY;
	const {settingProblems} = await import('./setting-problems.js');
	const check: NonNullable<Parameters<typeof loadConfiguration>[0]['check']> = settings =>
		settingProblems(settings, io.env);
	const configuration = await loadConfiguration({commandLine, env: io.env, terminal, check});
	return run(io, configuration);
}

async function run(io: Io, configuration: Configuration): Promise<number> {
	const {settings} = configuration;
	if (settings.checkConfig !== 'no') {
		const {describeConfiguration} = await import('../config/print.js');
		io.stdout.write(`${describeConfiguration(configuration).join('\n')}\n`);
		if (settings.checkConfig === 'file') {
			const {logLine} = await import('../lib/log-line.js');
			for (const text of configuration.warnings) io.stderr.write(logLine(Date.now(), 'warn', text));
			return 0;
		}
	}
	if (settings.status) {
		const {printStatus} = await import('./status.js');
		return printStatus(io, configuration);
	}
	const {runWithFrontEnd} = await import('./run.js');
	return runWithFrontEnd(io, configuration);
}

function printVersion(io: Io): number {
	io.stdout.write(`pg_back version ${version}\n`);
	return 0;
}

async function convertLegacy(io: Io, path: string): Promise<number> {
	const {readGivenFile} = await import('../lib/given-file.js');
	const {convertLegacyConfig} = await import('../config/legacy.js');
	const bytes = await readGivenFile(path, {signal: undefined}).catch((error: unknown) => {
		throw new PgBackError('CONFIG', `could not convert configuration: ${toPgBackError(error).message}`, {
			exitCode: errorCodes.FAILED,
		});
	});
	const {output, warnings} = convertLegacyConfig(bytes.toString());
	for (const warning of warnings) io.stderr.write(logLine(Date.now(), 'warn', warning));
	io.stdout.write(output);
	return 0;
}
