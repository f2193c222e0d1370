/**
 * The complete configuration: command line over config file over defaults, every value with its origin, everything
 * checked.
 */
import {ProblemsError} from '../core/errors.js';
import type {Environment} from '../lib/environment.js';
import {checkConfiguration, type SettingProblem} from './checks.js';
import {type CommandLine} from './command-line.js';
import {type ConfigFile} from './config-file.js';
import {loadFiles, serverOf} from './config-files.js';
import {merge, type Merged} from './merge.js';
import {type DatabaseSettings, type OptionName, type Settings} from './options.js';
import {type Origin} from './origin.js';
import {refuseSharedPlaces, withServerName} from './server-settings.js';

export type Configuration = {
	readonly settings: Settings;
	/** The databases with a section of their own. */
	readonly databases: ReadonlyMap<string, DatabaseSettings>;
	/** Returns the effective settings of a database, with or without a section. */
	readonly forDatabase: (name: string) => DatabaseSettings;
	readonly origin: (option: OptionName) => Origin;
	/** Positional arguments: databases to dump, or patterns. */
	readonly arguments: readonly string[];
	/** The file that was read, if any. */
	readonly configFile: string | undefined;
	/** One line each. */
	readonly warnings: readonly string[];
	/** Returns true for an option that was on the command line. */
	readonly given: (option: OptionName) => boolean;
};

export type LoadOptions = {
	readonly commandLine: CommandLine;
	readonly env: Environment;
	/** There is a user at a terminal, who can be asked for missing input (a passphrase, the files to download). */
	readonly terminal?: boolean;
	/** Further checks of the merged settings: their problems are reported with the others. */
	readonly check?: (settings: Settings) => Promise<readonly SettingProblem[]>;
};

/**
 * Reads the config file named on the command line and merges. All problems are thrown at once: ProblemsError USAGE when
 * one of them is on the command line, else CONFIG; CONFIG also for a file that cannot be read.
 */
export async function loadConfiguration({
	commandLine,
	env,
	terminal = false,
	check = async () => [],
}: LoadOptions): Promise<Configuration> {
	const {path, file, warnings} = await loadFiles(commandLine);
	const {merged, problems: nameProblems} = withServerName(merge(commandLine, file, env), commandLine);
	const checked = await checkConfiguration({merged, commandLine, env, terminal}, check);
	const problems = [...(file?.problems ?? []), ...nameProblems, ...checked.problems];
	if (problems.length > 0) {
		const onCommandLine = problems.some(problem => problem.on === 'command line');
		const hint = onCommandLine
			? 'run "pg_back --help" to list the options'
			: `fix ${path} and run "pg_back --check-config"`;
		throw new ProblemsError(
			onCommandLine ? 'USAGE' : 'CONFIG',
			problems.map(problem => problem.text),
			hint,
		);
	}
	if (serverOf(commandLine) !== undefined) await refuseSharedPlaces(commandLine, env, merged);
	return toConfiguration(merged, commandLine, file, [...checked.warnings, ...warnings]);
}

function toConfiguration(
	merged: Merged,
	commandLine: CommandLine,
	file: ConfigFile | undefined,
	warnings: readonly string[],
): Configuration {
	return {
		settings: merged.settings,
		databases: merged.databases,
		forDatabase: name => merged.databases.get(name) ?? merged.anyDatabase,
		origin: merged.origin,
		arguments: commandLine.arguments,
		configFile: file?.path,
		warnings,
		given: option => commandLine.values.has(option),
	};
}
