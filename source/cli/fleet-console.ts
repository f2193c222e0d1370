/** What the console needs for its Fleet screen: which store, which servers, and their configurations. */
import {access} from 'node:fs/promises';
import type {CommandLine} from '../config/command-line.js';
import {configPath} from '../config/config-files.js';
import {type Configuration, loadConfiguration} from '../config/configuration.js';
import {serverFile, serverNameProblem} from '../config/servers.js';
import type {Fleet} from '../fleet/fleet-handle.js';
import type {Io} from './io.js';
import {parseCommandLine} from './parse.js';
import {settingProblems} from './setting-problems.js';

/** Returns undefined where no fleet is configured: neither by `--fleet`, nor by `upload` with `fleet_prefix`. */
export function fleetOf(io: Io, {settings, arguments: names}: Configuration): Fleet | undefined {
	const {fleet, fleetPrefix, upload} = settings;
	const store = fleet === 'none' ? upload[0] : fleet; // each place has the same reports
	if (fleetPrefix === '' || store === undefined) return undefined;
	return {
		store,
		patterns: fleet === 'none' ? [] : names,
		configurationOf: async server => configurationOf(io, await parseCommandLine(io.argv), server),
	};
}

async function configurationOf(io: Io, commandLine: CommandLine, server: string): Promise<Configuration | undefined> {
	if (serverNameProblem(server) !== undefined || commandLine.values.get('noConfigFile') === true) return undefined;
	const {path} = serverFile(configPath(commandLine), server);
	const exists = await access(path).then(
		() => true,
		() => false, // it is read with its own error if it exists
	);
	if (!exists) return undefined;
	const values = new Map([...commandLine.values, ['server', server] as const]);
	const configuration = await loadConfiguration({
		commandLine: {...commandLine, values, arguments: []},
		env: io.env,
		terminal: true,
		check: settingProblems,
	});
	// The file of this name may be that of a server with another name.
	return configuration.settings.serverName === server ? configuration : undefined;
}
