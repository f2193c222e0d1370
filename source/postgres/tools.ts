/**
 * Finds pg_dump and the related programs: the right version for the server, and the real ones behind Debian's wrapper.
 */
import {realpath} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {PgBackError} from '../core/errors.js';
import {isExecutable} from '../lib/trusted-file.js';
import {choosePgDump, type ServerOptions} from './choose-pg-dump.js';
import {
	candidateDirectories,
	describeTool,
	type FindOptions,
	installHint,
	searchTool,
	type Tool,
	toolsIn,
} from './tool-programs.js';
import {canDump, oldestPsql, oldestTools} from './versions.js';

export type {FindOptions, Tool} from './tool-programs.js';

export type Tools = {
	/** The directory of pg_dump. */
	readonly directory: string;
	readonly pgDump: Tool;
	/** Why this one was chosen: `matches the server's major version`. */
	readonly reason: string;
	readonly pgDumpall?: Tool;
	readonly psql: Tool;
	readonly pgRestore?: Tool;
	/** Why this pg_dump may reject the server, or what its archives require. */
	readonly warning?: string;
};

const toolNames = ['pg_dump', 'pg_dumpall', 'psql', 'pg_restore'] as const;

/**
 * Finds psql for the control connection, version 11 or newer: the one next to pg_dump if possible. Throws PgBackError
 * TOOLS.
 */
export async function findPsql(options: FindOptions): Promise<Tool> {
	const found: Tool[] = [];
	// All directories are only listed when there is none next to pg_dump.
	for (const directoriesOf of [nearby, candidateDirectories]) {
		const {match, others} = await searchTool('psql', await directoriesOf(options), isUsable, options);
		if (match) return match;
		found.push(...others);
	}
	const [old] = found;
	throw new PgBackError('TOOLS', old ? `${describeTool(old)}: psql 11 or newer is needed` : 'psql not found', {
		hint: installHint,
	});
}

const isUsable = (tool: Tool) => tool.version >= oldestPsql;

/**
 * Finds the tools for a server of `serverVersion` (such as 150018). With `binDirectory`: those in it, regardless of
 * their version, with a warning when they do not fit. Without: those of the server's own major, first in PATH, then in
 * the directories of packages; else the first in PATH that can dump the server; else the oldest newer ones, with a
 * warning. Programs after the first match are not run. Without `serverVersion`: the first in PATH. Throws PgBackError
 * TOOLS that lists what is needed and what exists.
 */
export async function findTools(options: ServerOptions): Promise<Tools> {
	const {binDirectory, without = []} = options;
	const wants = (name: string) => !without.some(one => one === name);
	const directories = binDirectory === undefined ? await candidateDirectories(options) : [binDirectory];
	// Both are started at the same time.
	if (binDirectory !== undefined)
		await Promise.all(toolNames.filter(wants).map(name => toolsIn(directories, name, options)));
	const chosen = await choosePgDump(options);
	const directory = dirname(chosen.tool.path);
	const [pgDumpall, psql, pgRestore] = await Promise.all([
		wants('pg_dumpall') ? findDumpall(directory, directories, options) : undefined,
		findPsql({...options, binDirectory: directory}),
		wants('pg_restore') ? findRestore(chosen.tool, options) : undefined,
	]);
	return {
		directory,
		pgDump: chosen.tool,
		reason: chosen.reason,
		...(pgDumpall && {pgDumpall}),
		psql,
		...(pgRestore && {pgRestore}),
		...(chosen.warning !== undefined && {warning: chosen.warning}),
	};
}

async function findDumpall(directory: string, directories: readonly string[], options: ServerOptions): Promise<Tool> {
	const {serverVersion, binDirectory} = options;
	const fits = ({version}: Tool) =>
		serverVersion === undefined || canDump(version, serverVersion) || binDirectory !== undefined;
	const {match} = await searchTool('pg_dumpall', [directory, ...directories], fits, options);
	if (match) return match;
	throw new PgBackError('TOOLS', `no pg_dumpall for this server found next to ${join(directory, 'pg_dump')}`, {
		hint: 'install the whole client package, or set its directory with --bin-directory',
	});
}

/**
 * Finds the pg_restore that belongs to `pgDump`, since it reads archives of its own and of older versions. Without a
 * known server the archive version is unknown too, so it is the newest.
 */
async function findRestore(pgDump: Tool, options: ServerOptions): Promise<Tool | undefined> {
	const {serverVersion, binDirectory} = options;
	const directories = [
		dirname(pgDump.path),
		dirname(await realpath(pgDump.path)),
		...(await candidateDirectories(options)),
	];
	const belongs = ({path, version}: Tool) => {
		if (dirname(path) === dirname(pgDump.path)) return serverVersion !== undefined || binDirectory !== undefined;
		return serverVersion !== undefined && version >= pgDump.version;
	};
	const {match, others} = await searchTool('pg_restore', directories, belongs, options);
	return match ?? others.toSorted((a, b) => b.version - a.version)[0];
}

/** Returns the configured directory, and the one that its pg_dump links to. */
async function nearby({binDirectory}: FindOptions): Promise<string[]> {
	if (binDirectory === undefined) return [];
	const pgDump = join(binDirectory, 'pg_dump');
	const behind = (await isExecutable(pgDump)) ? [dirname(await realpath(pgDump))] : [];
	return [...new Set([binDirectory, ...behind])];
}

/**
 * Returns the directories of installed PostgreSQL servers (initdb and postgres), with their versions, in ascending
 * order; `binDirectory` is searched too.
 */
export async function findServers(options: FindOptions): Promise<readonly Tool[]> {
	const {binDirectory} = options;
	const directories = [...(binDirectory === undefined ? [] : [binDirectory]), ...(await candidateDirectories(options))];
	const servers = await toolsIn([...new Set(directories)], 'postgres', options);
	const whole = await Promise.all(servers.map(async server => isExecutable(join(dirname(server.path), 'initdb'))));
	return servers.filter((_, index) => whole[index]).toSorted((a, b) => a.version - b.version);
}

/** Returns every installed pg_restore, oldest first; on ties, the one of `binDirectory`, or the first in PATH. */
export async function findRestores(options: FindOptions): Promise<readonly Tool[]> {
	const {binDirectory} = options;
	const directories = [...(binDirectory === undefined ? [] : [binDirectory]), ...(await candidateDirectories(options))];
	const found = await toolsIn([...new Set(directories)], 'pg_restore', options);
	return found.filter(tool => tool.version >= oldestTools).toSorted((a, b) => a.version - b.version);
}
