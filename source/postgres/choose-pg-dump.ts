/** Chooses the pg_dump for a server, and explains why there is none. */
import {dirname, join} from 'node:path';
import {PgBackError} from '../core/errors.js';
import {whyUntrusted} from '../lib/trusted-file.js';
import {
	candidateDirectories,
	describeTool,
	type FindOptions,
	newest,
	packagedDirectories,
	pathDirectories,
	type Tool,
	toolsIn,
} from './tool-programs.js';
import {canDump, formatMajor, formatVersion, oldestTools, sameMajor} from './versions.js';

export type ServerOptions = FindOptions & {
	/** Such as 150018; undefined if no server is known. */
	readonly serverVersion?: number;
};

export type ChosenPgDump = {readonly tool: Tool; readonly reason: string; readonly warning?: string};

/**
 * Returns the one in `binDirectory` if that is set, else the one that fits the server best. Throws PgBackError TOOLS.
 */
export async function choosePgDump(options: ServerOptions): Promise<ChosenPgDump> {
	const {binDirectory, serverVersion, env} = options;
	if (binDirectory !== undefined) return namedPgDump(binDirectory, options);
	// PATH in its order first, then the directories of packages: each is asked only if none before it is suitable.
	const path = pathDirectories(env);
	const inPath = await searchPgDump(path, options);
	if (inPath.match) {
		const reason = serverVersion === undefined ? 'first in PATH' : "matches the server's major version, first in PATH";
		return {tool: inPath.match, reason};
	}
	const packaged = (await packagedDirectories()).filter(directory => !path.includes(directory));
	const named = packaged.toSorted((a, b) => Number(isNamed(b, serverVersion)) - Number(isNamed(a, serverVersion)));
	const elsewhere = await searchPgDump(named, options);
	if (elsewhere.match) {
		const reason = serverVersion === undefined ? 'none in PATH' : "matches the server's major version";
		return {tool: elsewhere.match, reason};
	}
	const all = [...inPath.others, ...elsewhere.others];
	if (serverVersion === undefined || all.length === 0) throw (await unusable(options)) ?? (await nothingFound(options));
	const fits = ({version}: Tool) => canDump(version, serverVersion);
	const first = inPath.others.find(fits);
	if (first) return {tool: first, reason: 'first in PATH that can dump this server'};
	const tool = oldestOf(all.filter(fits));
	if (!tool) throw await tooOld(all, serverVersion, options);
	return {
		tool,
		reason: 'oldest installed version that can dump this server',
		warning: newerThanServer(tool, serverVersion),
	};
}

/** Returns it regardless of its version, with a warning when it does not fit the server. */
async function namedPgDump(directory: string, options: ServerOptions): Promise<ChosenPgDump> {
	const {serverVersion} = options;
	const [tool] = await toolsIn([directory], 'pg_dump', options);
	if (!tool) throw await nothingFound(options);
	if (tool.version < oldestTools) throw await tooOld([tool], undefined, options);
	const reason = 'found in bin_directory';
	if (serverVersion === undefined || canDump(tool.version, serverVersion)) return {tool, reason};
	const doubt = await tooOld([tool], serverVersion, options);
	return {tool, reason, warning: `${doubt.message}; ${doubt.hint ?? ''}`};
}

/**
 * Returns the first one of the server's own major (without a server, the first), and those before it. The others are
 * not run.
 */
async function searchPgDump(
	directories: readonly string[],
	options: ServerOptions,
): Promise<{readonly match?: Tool; readonly others: readonly Tool[]}> {
	const {serverVersion} = options;
	const others: Tool[] = [];
	for (const directory of directories) {
		const [tool] = await toolsIn([directory], 'pg_dump', options);
		if (!tool || tool.version < oldestTools) continue;
		if (serverVersion === undefined || sameMajor(tool.version, serverVersion)) return {match: tool, others};
		others.push(tool);
	}
	return {others};
}

/** The server's own pg_restore may not be able to read archives of a newer pg_dump. */
function newerThanServer(tool: Tool, server: number): string {
	const [major, own] = [formatMajor(tool.version), formatMajor(server)];
	return `no pg_dump ${own} is installed: the archives of pg_dump ${major} need pg_restore ${major} or newer; install postgresql-client-${own} (Debian) or postgresql${own} (Red Hat), or set bin_directory`;
}

function isNamed(directory: string, server: number | undefined): boolean {
	return server !== undefined && directory.split(/[/-]/).includes(formatMajor(server));
}

/** Returns an error that names programs that exist but are too old. */
async function unusable(options: FindOptions): Promise<PgBackError | undefined> {
	const found = await toolsIn(await candidateDirectories(options), 'pg_dump', options);
	return found.length === 0 ? undefined : tooOld(found, undefined, options);
}

function oldestOf(tools: readonly Tool[]): Tool | undefined {
	return tools.reduce<Tool | undefined>(
		(best, tool) => (best && best.version <= tool.version ? best : tool),
		undefined,
	);
}

async function nothingFound(options: FindOptions): Promise<PgBackError> {
	const {binDirectory} = options;
	const others =
		binDirectory === undefined ? [] : await toolsIn(await candidateDirectories(options), 'pg_dump', options);
	const best = newest(others);
	const untrusted =
		binDirectory === undefined ? {} : await whyUntrusted(join(binDirectory, 'pg_dump'), {executed: true});
	if (untrusted.problem !== undefined && binDirectory !== undefined)
		return new PgBackError('TOOLS', `${join(binDirectory, 'pg_dump')} will not be executed: ${untrusted.problem}`, {
			hint: 'the file and its directories must be owned by root or by the user that runs pg_back, and must not be writable by anyone else',
		});
	return new PgBackError('TOOLS', `pg_dump not found${binDirectory === undefined ? '' : ` in ${binDirectory}`}`, {
		hint: best
			? `${best.path} exists (${formatVersion(best.version)}): use --bin-directory ${dirname(best.path)}, or omit --bin-directory`
			: 'install a PostgreSQL client (postgresql-client), or set its directory with --bin-directory',
	});
}

async function tooOld(found: readonly Tool[], server: number | undefined, options: FindOptions): Promise<PgBackError> {
	const best = newest(found);
	const what = best ? describeTool(best) : 'pg_dump not found';
	if (server === undefined)
		return new PgBackError('TOOLS', `${what}: pg_dump ${formatMajor(oldestTools)} or newer is needed`);
	const others = await toolsIn(await candidateDirectories(options), 'pg_dump', options);
	const right = newest(others.filter(tool => canDump(tool.version, server)));
	const major = formatMajor(server);
	const reason =
		best && best.version > server
			? `too new for a PostgreSQL ${major} server`
			: `older than the server (${formatVersion(server)})`;
	const why = best && best.version === 0 ? what : `${what}, ${reason}`;
	return new PgBackError('TOOLS', `${why}: pg_dump ${major} is needed`, {
		hint: right
			? `${right.path} is ${formatVersion(right.version)}: use --bin-directory ${dirname(right.path)}`
			: `install postgresql-client-${major} (Debian) or postgresql${major} (Red Hat), or set its directory with --bin-directory`,
	});
}
