/** The whole configuration: command line over config file over defaults, every value with its origin, all of it checked. */
import {readFile, stat} from 'node:fs/promises';
import {isSystemError, PgBackError, ProblemsError, systemReason} from '../core/errors.js';
import {checkConfiguration, type SettingProblem} from './checks.js';
import {type CommandLine} from './command-line.js';
import {readConfigFile, type ConfigFile} from './config-file.js';
import {merge, type Merged} from './merge.js';
import {defaultConfigFile, options, type DatabaseSettings, type OptionName, type Settings} from './options.js';
import {type Origin} from './origin.js';

export type Environment = Readonly<Record<string, string | undefined>>;

export type Configuration = {
	readonly settings: Settings;
	/** The databases that have a section of their own. */
	readonly databases: ReadonlyMap<string, DatabaseSettings>;
	/** What counts for a database, with or without a section. */
	readonly forDatabase: (name: string) => DatabaseSettings;
	readonly origin: (option: OptionName) => Origin;
	/** Positional arguments: databases to dump, or patterns. */
	readonly arguments: readonly string[];
	/** The file that was read, if any. */
	readonly configFile: string | undefined;
	/** One line each. */
	readonly warnings: readonly string[];
	/** True for what stood on the command line. */
	readonly given: (option: OptionName) => boolean;
};

export type LoadOptions = {
	readonly argv: CommandLine;
	readonly env: Environment;
	/** Somebody sits at a terminal and can be asked for what is missing (a passphrase, the files to fetch). */
	readonly terminal?: boolean;
	/** More checks of the merged settings: their problems are told with the others. */
	readonly check?: (settings: Settings) => Promise<readonly SettingProblem[]>;
};

/**
 * Reads the config file that the command line names and merges. All problems are thrown at once: ProblemsError USAGE when
 * one of them is on the command line, else CONFIG; CONFIG also for a file that cannot be read.
 */
export async function loadConfiguration({
	argv,
	env,
	terminal = false,
	check = async () => [],
}: LoadOptions): Promise<Configuration> {
	const {path, file, exposed} = await readFileOf(argv);
	const merged = merge(argv, file, env);
	const checked = await checkConfiguration(merged, argv, env, terminal, check);
	const problems = [...(file?.problems ?? []), ...checked.problems];
	if (problems.length > 0) {
		const onCommandLine = problems.some(problem => problem.on === 'command line');
		const hint = onCommandLine
			? 'try "pg_back --help" for the options'
			: `mend ${path} and try "pg_back --check-config"`;
		throw new ProblemsError(
			onCommandLine ? 'USAGE' : 'CONFIG',
			problems.map(problem => problem.text),
			hint,
		);
	}
	return freeze(merged, argv, file, [...checked.warnings, ...(exposed ? exposedWarning(path, file) : [])]);
}

function freeze(
	merged: Merged,
	argv: CommandLine,
	file: ConfigFile | undefined,
	warnings: readonly string[],
): Configuration {
	return {
		settings: merged.settings,
		databases: merged.databases,
		forDatabase: name => merged.databases.get(name) ?? merged.anyDatabase,
		origin: merged.origin,
		arguments: argv.arguments,
		configFile: file?.path,
		warnings,
		given: option => argv.values.has(option),
	};
}

type FileOf = {readonly path: string; readonly file?: ConfigFile; readonly exposed?: boolean};

async function readFileOf(argv: CommandLine): Promise<FileOf> {
	const path = String(argv.values.get('config') ?? defaultConfigFile);
	if (argv.values.get('noConfigFile') === true) return {path};
	try {
		const file = readConfigFile(decode(await readFile(path)), path);
		const {mode} = await stat(path);
		return {path, file, exposed: (mode & 0o044) !== 0};
	} catch (error) {
		if (!isSystemError(error)) throw error;
		if (error.code === 'ENOENT' && path === defaultConfigFile) return {path};
		throw new PgBackError('CONFIG', `could not load configuration file "${path}": ${systemReason(error)}`, {
			cause: error,
			hint: 'name another one with -c, or use --no-config-file',
		});
	}
}

/** UTF-8, or UTF-16 where a byte order mark says so. */
function decode(bytes: Uint8Array): string {
	const utf16 =
		bytes[0] === 0xff && bytes[1] === 0xfe ? 'utf-16le' : bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : 'utf-8';
	return new TextDecoder(utf16).decode(bytes);
}

function exposedWarning(path: string, file: ConfigFile | undefined): readonly string[] {
	const secrets = [...(file?.values ?? [])].flatMap(([name, {value}]) => {
		const {secret, key} = options[name];
		return secret === true && key !== undefined && value !== '' ? [key] : [];
	});
	if (secrets.length === 0) return [];
	return [`${path} holds secrets (${secrets.join(', ')}) and others may read it: chmod 600 it`];
}
