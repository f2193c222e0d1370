/** The settings of one of several servers. */
import {hostname} from 'node:os';
import {PgBackError, ProblemsError} from '../core/errors.js';
import type {Environment} from '../lib/environment.js';
import {type CommandLine} from './command-line.js';
import {configPath, loadFile, loadFiles, serverOf} from './config-files.js';
import {merge, type Merged} from './merge.js';
import {type Settings} from './options.js';
import {type Problem} from './origin.js';
import {placeholderProblems, sharedPlaces, withServer} from './server-paths.js';
import {listServers, serverNameProblem} from './servers.js';

/**
 * Returns the settings of one server as far as they can be read without checks; undefined when its file is unusable.
 */
export async function settingsOfServer(
	commandLine: CommandLine,
	env: Environment,
	server: string,
): Promise<Settings | undefined> {
	const values = new Map([...commandLine.values, ['server', server] as const]);
	try {
		const {file} = await loadFiles({...commandLine, values});
		const {merged, problems} = withServerName(merge(commandLine, file, env), {...commandLine, values});
		return problems.length > 0 ? undefined : merged.settings;
	} catch (error) {
		if (error instanceof PgBackError) return undefined; // reported by the process that runs it
		throw error;
	}
}

/**
 * Returns the settings of the general file, for the program that starts one process for each server. Throws like
 * `loadConfiguration`.
 */
export async function loadGeneralSettings(commandLine: CommandLine, env: Environment): Promise<Settings> {
	const {path, file} = await loadFile(configPath(commandLine), commandLine);
	if (file !== undefined && file.problems.length > 0) {
		const texts = file.problems.map(({text}) => text);
		throw new ProblemsError('CONFIG', texts, `fix ${path} and run "pg_back --check-config"`);
	}
	return merge(commandLine, file, env).settings;
}

/** Determines the name of the server. Returns the settings with it in their paths, and problems of the name. */
export function withServerName(
	merged: Merged,
	commandLine: CommandLine,
): {readonly merged: Merged; readonly problems: readonly Problem[]} {
	const server = serverOf(commandLine);
	const {serverName} = merged.settings;
	const name = serverName === '' ? (server ?? hostname()) : serverName;
	const paths = [merged.settings.backupDirectory, merged.settings.uploadPrefix, merged.settings.metricsFile];
	const isUsed =
		server !== undefined ||
		serverName !== '' ||
		merged.settings.fleetPrefix !== '' ||
		paths.some(path => path.includes('{server}'));
	const nameProblem = isUsed ? serverNameProblem(name) : undefined;
	const texts = [
		...(nameProblem === undefined ? [] : [`server_name: ${nameProblem}`]),
		...placeholderProblems(merged.settings),
	];
	return {
		merged: withServer(merged, {name, append: server !== undefined}),
		problems: texts.map(text => ({on: 'file', text})),
	};
}

/** Throws CONFIG when another server of servers.d would write to the places of this one. */
export async function refuseSharedPlaces(
	commandLine: CommandLine,
	env: Environment,
	{settings}: Merged,
): Promise<void> {
	const name = serverOf(commandLine) ?? '';
	for (const other of await listServers(configPath(commandLine))) {
		if (other.name === name || serverNameProblem(other.name) !== undefined) continue;
		const theirs = await settingsOfServer(commandLine, env, other.name);
		const problems = theirs
			? sharedPlaces([
					{...other, settings: theirs},
					{name, settings},
				])
			: [];
		if (problems.length > 0)
			throw new ProblemsError('CONFIG', problems, 'put {server} into the path, as one directory of it');
	}
}
