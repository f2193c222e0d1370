/** Finding pg_dump and its sisters: the right ones for the server, and the real ones behind Debian's wrapper. */
import {constants} from 'node:fs';
import {access, readdir, realpath, stat} from 'node:fs/promises';
import {basename, dirname, join} from 'node:path';
import {PgBackError} from '../core/errors.js';
import {captureChild} from '../process/child.js';
import {toolEnvironment, type Environment} from './environment.js';
import {canDump, formatMajor, formatVersion, oldestPsql, oldestTools, parseVersion} from './versions.js';

export type Tool = {
	readonly path: string;
	/** Such as 150018. */
	readonly version: number;
};

export type Tools = {
	/** Where pg_dump stands. */
	readonly directory: string;
	readonly pgDump: Tool;
	readonly pgDumpall?: Tool;
	readonly psql: Tool;
	readonly pgRestore?: Tool;
	/** Why this pg_dump, which was asked for by its directory, will probably refuse the server. */
	readonly warning?: string;
};

const toolNames = ['pg_dump', 'pg_dumpall', 'psql', 'pg_restore'] as const;

export type FindOptions = {
	/** Exactly these pg_dump and pg_dumpall; psql and pg_restore may come from elsewhere. */
	readonly binDirectory?: string;
	/** Its PATH is searched. */
	readonly env: Environment;
	readonly signal: AbortSignal;
	/** Not looked for: each answer takes a program's start. */
	readonly without?: readonly ('pg_dumpall' | 'pg_restore')[];
};

/** The psql for the control connection, 11 or newer: the one beside pg_dump if it can be. Throws PgBackError TOOLS. */
export async function findPsql(options: FindOptions): Promise<Tool> {
	const near = await nearby(options);
	const beside = (await toolsIn(near, 'psql', options)).find(isUsable);
	if (beside) return beside;
	const found = await toolsIn([...new Set([...near, ...(await candidateDirectories(options))])], 'psql', options);
	const usable = newest(found.filter(isUsable));
	if (usable) return usable;
	const [old] = found;
	throw new PgBackError(
		'TOOLS',
		old ? `${old.path} is ${formatVersion(old.version)}: psql 11 or newer is needed` : 'psql is not found',
		{
			hint: 'install a PostgreSQL client (postgresql-client), or name its directory with --bin-directory',
		},
	);
}

const isUsable = (tool: Tool) => tool.version >= oldestPsql;

/**
 * The tools for a server of `serverVersion` (such as 150018): with `binDirectory` those in it, whatever version they print, with a
 * warning when it does not fit; without, the newest pair that is at least the server's major. Without `serverVersion`, any. Throws
 * PgBackError TOOLS that says what is needed and what is there.
 */
export async function findTools(options: FindOptions & {readonly serverVersion?: number}): Promise<Tools> {
	const {binDirectory, serverVersion, without = []} = options;
	const wants = (name: string) => !without.some(one => one === name);
	const directories = binDirectory === undefined ? await candidateDirectories(options) : [binDirectory];
	// Asked beside each other.
	if (binDirectory !== undefined)
		await Promise.all(toolNames.filter(wants).map(name => toolsIn(directories, name, options)));
	const found = await toolsIn(directories, 'pg_dump', options);
	if (found.length === 0) throw await nothingFound(options);
	const usable = found.filter(tool => tool.version >= oldestTools);
	const fits = ({version}: Tool) => serverVersion === undefined || canDump(version, serverVersion);
	const pgDump = newest(usable.filter(fits)) ?? (binDirectory === undefined ? undefined : newest(usable));
	if (!pgDump) throw await tooOld(found, serverVersion, options);
	const doubt = fits(pgDump) ? undefined : await tooOld(found, serverVersion, options);
	const directory = dirname(pgDump.path);
	const [pgDumpall, psql, pgRestore] = await Promise.all([
		wants('pg_dumpall') ? findDumpall(directory, directories, options) : undefined,
		findPsql({...options, binDirectory: directory}),
		wants('pg_restore') ? findRestore(pgDump, options) : undefined,
	]);
	return {
		directory,
		pgDump,
		...(pgDumpall && {pgDumpall}),
		psql,
		...(pgRestore && {pgRestore}),
		...(doubt && {warning: `${doubt.message}; ${doubt.hint ?? ''}`}),
	};
}

async function findDumpall(
	directory: string,
	directories: readonly string[],
	options: FindOptions & {readonly serverVersion?: number},
): Promise<Tool> {
	const found = await toolsIn([directory, ...directories.filter(one => one !== directory)], 'pg_dumpall', options);
	const {serverVersion, binDirectory} = options;
	const fitting = serverVersion === undefined ? found : found.filter(tool => canDump(tool.version, serverVersion));
	const first = fitting[0] ?? (binDirectory === undefined ? undefined : found[0]);
	if (first) return first;
	throw new PgBackError('TOOLS', `no pg_dumpall for this server stands beside ${join(directory, 'pg_dump')}`, {
		hint: 'install the whole client package, or name its directory with --bin-directory',
	});
}

/** pg_restore reads archives of its own and of older versions. */
async function findRestore(pgDump: Tool, options: FindOptions): Promise<Tool | undefined> {
	const elsewhere = await candidateDirectories(options);
	const directory = dirname(pgDump.path);
	const behind = dirname(await realpath(pgDump.path));
	const found = await toolsIn([...new Set([directory, behind, ...elsewhere])], 'pg_restore', options);
	return (
		found.find(tool => dirname(tool.path) === directory) ??
		found.find(tool => tool.version >= pgDump.version) ??
		newest(found)
	);
}

/** Of equals the first, which stands earlier in PATH. */
function newest(tools: readonly Tool[]): Tool | undefined {
	return tools.reduce<Tool | undefined>(
		(best, tool) => (best && best.version >= tool.version ? best : tool),
		undefined,
	);
}

async function nothingFound(options: FindOptions): Promise<PgBackError> {
	const {binDirectory} = options;
	const others =
		binDirectory === undefined ? [] : await toolsIn(await candidateDirectories(options), 'pg_dump', options);
	const best = newest(others);
	return new PgBackError('TOOLS', `pg_dump is not found${binDirectory === undefined ? '' : ` in ${binDirectory}`}`, {
		hint: best
			? `${best.path} is there (${formatVersion(best.version)}): use --bin-directory ${dirname(best.path)}, or none`
			: 'install a PostgreSQL client (postgresql-client), or name its directory with --bin-directory',
	});
}

async function tooOld(found: readonly Tool[], server: number | undefined, options: FindOptions): Promise<PgBackError> {
	const best = newest(found);
	const what = best ? `${best.path} is ${formatVersion(best.version)}` : 'pg_dump has no version';
	if (server === undefined)
		return new PgBackError('TOOLS', `${what}: pg_dump ${formatMajor(oldestTools)} or newer is needed`);
	const others = await toolsIn(await candidateDirectories(options), 'pg_dump', options);
	const right = newest(others.filter(tool => canDump(tool.version, server)));
	const major = formatMajor(server);
	const reason =
		best && best.version > server
			? `too new for a server ${major}`
			: `older than the server (${formatVersion(server)})`;
	return new PgBackError('TOOLS', `${what}, ${reason}: pg_dump ${major} is needed`, {
		hint: right
			? `${right.path} is ${formatVersion(right.version)}: use --bin-directory ${dirname(right.path)}`
			: `install postgresql-client-${major} (Debian) or postgresql${major} (Red Hat), or name its directory with --bin-directory`,
	});
}

/** The directory that was named, and the one that its pg_dump is a link into. */
async function nearby({binDirectory}: FindOptions): Promise<string[]> {
	if (binDirectory === undefined) return [];
	const pgDump = join(binDirectory, 'pg_dump');
	const behind = (await isExecutable(pgDump)) ? [dirname(await realpath(pgDump))] : [];
	return [...new Set([binDirectory, ...behind])];
}

/** Every directory that may hold the tools: PATH first, then where packages put them. */
async function candidateDirectories({env}: FindOptions): Promise<string[]> {
	const fromPath = (env['PATH'] ?? '').split(':').filter(entry => entry.startsWith('/'));
	const packaged = await Promise.all([
		majorDirectories('/usr/lib/postgresql', /^\d+(?:\.\d+)?$/),
		majorDirectories('/usr', /^pgsql-\d+(?:\.\d+)?$/),
		majorDirectories('/usr/local', /^pgsql(?:-\d+)?$/),
	]);
	return [...new Set([...fromPath, ...packaged.flat()])];
}

async function majorDirectories(parent: string, pattern: RegExp): Promise<string[]> {
	try {
		const names = await readdir(parent);
		return names.filter(name => pattern.test(name)).map(name => join(parent, name, 'bin'));
	} catch (error) {
		if (['ENOENT', 'EACCES', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
		throw error;
	}
}

/**
 * The directories of PostgreSQL servers at hand (initdb and postgres), with their versions, in ascending order; `binDirectory` is
 * looked at besides.
 */
export async function findServers(options: FindOptions): Promise<readonly Tool[]> {
	const {binDirectory} = options;
	const directories = [...(binDirectory === undefined ? [] : [binDirectory]), ...(await candidateDirectories(options))];
	const servers = await toolsIn([...new Set(directories)], 'postgres', options);
	const whole = await Promise.all(servers.map(async server => isExecutable(join(dirname(server.path), 'initdb'))));
	return servers.filter((_, index) => whole[index]).toSorted((a, b) => a.version - b.version);
}

async function toolsIn(directories: readonly string[], name: string, options: FindOptions): Promise<Tool[]> {
	const tools = await Promise.all(directories.map(directory => toolAt(join(directory, name), options)));
	return tools.filter(tool => tool !== undefined);
}

async function toolAt(path: string, options: FindOptions): Promise<Tool | undefined> {
	if (!(await isExecutable(path)) || basename(await realpath(path)) === 'pg_wrapper') return undefined;
	return {path, version: await versionOf(path, options)};
}

async function isExecutable(path: string): Promise<boolean> {
	try {
		await access(path, constants.X_OK);
		return (await stat(path)).isFile();
	} catch (error) {
		if (typeof (error as NodeJS.ErrnoException).code === 'string') return false; // not there, or not for us
		throw error;
	}
}

/** Asked once for each program, however often it is looked for; asked again when the file has changed. */
const known = new Map<string, Promise<number>>();

async function versionOf(path: string, options: FindOptions): Promise<number> {
	const {mtimeMs, size, ino} = await stat(path);
	const key = `${path}\0${mtimeMs}\0${size}\0${ino}`;
	const version = known.get(key) ?? askVersion(path, options);
	known.set(key, version);
	try {
		return await version;
	} catch (error) {
		known.delete(key);
		throw error;
	}
}

/** 0 when it does not run or prints something else: no use, but others may be there. */
async function askVersion(path: string, {env, signal}: FindOptions): Promise<number> {
	try {
		const text = await captureChild({command: path, args: ['--version'], env: toolEnvironment(env), signal}, path);
		return parseVersion(text) ?? 0;
	} catch (error) {
		if (signal.aborted) throw error;
		return 0;
	}
}
