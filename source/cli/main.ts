import type {Configuration} from '../config/configuration.js';
import type {CommandLine} from '../config/command-line.js';
import {errorCodes, PgBackError, toPgBackError} from '../core/errors.js';
import {errorText} from './fail.js';
import type {Io} from './io.js';
import {version} from './version.js';

/** Runs the program and gives its exit status. Never throws; what there is to say has been printed. */
export async function main(io: Io): Promise<number> {
	try {
		return await dispatch(io);
	} catch (error) {
		const ours = toPgBackError(error);
		io.stderr.write(errorText(ours));
		return ours.exitCode;
	}
}

/** Heavy parts are imported where they are used: `--version` loads almost nothing. */
async function dispatch(io: Io): Promise<number> {
	const {argv} = io;
	if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-V')) return printVersion(io);
	const {parseCommandLine} = await import('./parse.js');
	const commandLine = await parseCommandLine(argv);
	const given = (name: Parameters<CommandLine['values']['get']>[0]) => commandLine.values.get(name);
	const legacyFile = given('convertLegacyConfig');
	const converts = typeof legacyFile === 'string' && legacyFile !== '';
	if (given('help') === true) {
		const {helpText} = await import('./help.js');
		(converts ? io.stderr : io.stdout).write(helpText());
		if (!converts) return 0;
	} else if (given('version') === true) {
		printVersion(io);
		if (!converts) return 0;
	}
	if (converts) return convertLegacy(io, legacyFile);
	if (given('printDefaultConfig') === true) {
		const {readDefaultConfig} = await import('../config/print.js');
		io.stdout.write(await readDefaultConfig());
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
	const {loadConfiguration} = await import('../config/configuration.js');
	const terminal = io.stdin.isTTY && io.stderr.isTTY;
	const {settingProblems} = await import('../engine/setting-problems.js');
	const configuration = await loadConfiguration({argv: commandLine, env: io.env, terminal, check: settingProblems});
	return run(io, configuration);
}

async function run(io: Io, configuration: Configuration): Promise<number> {
	const {settings} = configuration;
	if (settings.checkConfig !== 'no') {
		const {describeConfiguration} = await import('../config/print.js');
		io.stdout.write(`${describeConfiguration(configuration).join('\n')}\n`);
		if (settings.checkConfig === 'file') return 0;
	}
	const {runWithFrontEnd} = await import('./run.js');
	return runWithFrontEnd(io, configuration);
}

function printVersion(io: Io): number {
	io.stdout.write(`pg_back version ${version}\n`);
	return 0;
}

async function convertLegacy(io: Io, path: string): Promise<number> {
	const {readFile} = await import('node:fs/promises');
	const {convertLegacyConfig} = await import('../config/legacy.js');
	const text = await readFile(path, 'utf8').catch((error: unknown) => {
		throw new PgBackError('CONFIG', `could not convert configuration: ${toPgBackError(error).message}`, {
			exitCode: errorCodes.FAILED,
		});
	});
	const {output, warnings} = convertLegacyConfig(text);
	for (const warning of warnings) io.stderr.write(`pg_back: warning: ${warning}\n`);
	io.stdout.write(output);
	return 0;
}
