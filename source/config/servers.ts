/**
 * The configuration of several servers: pg_back.conf contains the defaults, servers.d/NAME.conf next to it the settings
 * of one server.
 */
import {readdir} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {isSystemError, PgBackError, systemReason} from '../core/errors.js';
import type {ConfigFile} from './config-file.js';
import {withoutAlternatives} from './merge.js';

export type ServerFile = {
	/** The name of the file without `.conf`. */
	readonly name: string;
	readonly path: string;
};

export function serversDirectory(configFile: string): string {
	return join(dirname(configFile), 'servers.d');
}

export function serverFile(configFile: string, name: string): ServerFile {
	return {name, path: join(serversDirectory(configFile), `${name}.conf`)};
}

/** Returns the files of servers.d by name; hidden files and those without `.conf` are ignored. Throws CONFIG. */
export async function listServers(configFile: string): Promise<readonly ServerFile[]> {
	const directory = serversDirectory(configFile);
	try {
		const names = await readdir(directory);
		return names
			.filter(name => name.endsWith('.conf') && !name.startsWith('.'))
			.map(name => serverFile(configFile, name.slice(0, -'.conf'.length)))
			.toSorted((a, b) => (a.name < b.name ? -1 : 1));
	} catch (error) {
		if (!isSystemError(error)) throw error;
		throw new PgBackError('CONFIG', `could not read the directory of servers "${directory}": ${systemReason(error)}`, {
			cause: error,
			hint: 'create it next to the configuration file, with one NAME.conf for each server',
		});
	}
}

/** Returns why a server's name is invalid, since it becomes a part of paths and keys. */
export function serverNameProblem(name: string): string | undefined {
	if (/\.(?:running|drill|shard-\d+-of-\d+)$/.test(name))
		return `${JSON.stringify(name)} cannot be the name of a server: its ending is reserved`;
	if (/^[A-Za-z0-9_][\w.-]{0,99}$/.test(name)) return undefined;
	return `${JSON.stringify(name)} cannot be the name of a server: use up to 100 letters, digits, _, . and -, and begin with a letter, a digit or _`;
}

/**
 * Layers the server's file on top of the general one: parameters replace, an empty one requests the default, and
 * sections of the same database are merged. `server_name` of the general file applies to no server.
 */
export function layered(general: ConfigFile | undefined, server: ConfigFile): ConfigFile {
	if (general === undefined) return server;
	const values = new Map(withoutAlternatives(general.values, server.values));
	values.delete('serverName');
	for (const name of server.cleared) values.delete(name);
	for (const [name, value] of server.values) values.set(name, value);
	const sections = new Map(general.sections);
	for (const [database, section] of server.sections)
		sections.set(database, new Map([...(sections.get(database) ?? []), ...section]));
	return {
		path: server.path,
		values,
		cleared: server.cleared,
		sections,
		problems: [...general.problems, ...server.problems],
	};
}
