/** Chooses the pg_dump for a server, and explains why there is none. */
import {dirname, join} from 'node:path';
import {PgBackError} from '../core/errors.js';
import {whyUntrusted} from '../lib/trusted-file.js';
import {
	candidateDirectories,
	describeTool,
	type FindOptions,
	installHint,
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
	if (binDirectory !== undefined) return configuredPgDump(binDirectory, options);
	// PATH in its order first, then the directories of packages: each is asked only if none before it is suitable.
	const path = pathDirectories(env);
	const inPath = await searchPgDump(path, options);
	if (inPath.match) {
		const reason = serverVersion === undefined ? 'first in PATH' : "matches the server's major version, first in PATH";
		return {tool: inPath.match, reason};
	}
	const packaged = (await packagedDirectories()).filter(directory => !path.includes(directory));
	const byName = packaged.toSorted(
		(a, b) => Number(isNamedAfter(b, serverVersion)) - Number(isNamedAfter(a, serverVersion)),
	);
	const elsewhere = await searchPgDump(byName, options);
	if (elsewhere.match) {
		const reason = serverVersion === undefined ? 'none in PATH' : "matches the server's major version";
		return {tool: elsewhere.match, reason};
	}
	const all = [...inPath.others, ...elsewhere.others];
	const best = newest(all);
	if (serverVersion === undefined || !best) throw await noneInstalled(options);
	const fits = ({version}: Tool) => canDump(version, serverVersion);
	const first = inPath.others.find(fits);
	if (first) return {tool: first, reason: 'first in PATH that can dump this server'};
	const tool = oldestOf(all.filter(fits));
	if (!tool) throw await cannotDump(best, serverVersion, options);
	return {
		tool,
		reason: 'oldest installed version that can dump this server',
		warning: newerThanServer(tool, serverVersion),
	};
}

/** Returns it regardless of its version, with a warning when it does not fit the server. */
async function configuredPgDump(directory: string, options: ServerOptions): Promise<ChosenPgDump> {
	const {serverVersion} = options;
	const [tool] = await toolsIn([directory], 'pg_dump', options);
	if (!tool) throw await noneIn(directory, options);
	if (!isSupported(tool)) throw unsupported(tool);
	const reason = 'found in bin_directory';
	if (serverVersion === undefined || canDump(tool.version, serverVersion)) return {tool, reason};
	const {message, hint = ''} = await cannotDump(tool, serverVersion, options);
	return {tool, reason, warning: `${message}; ${hint}`};
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
		if (!tool || !isSupported(tool)) continue;
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

/** Returns whether a directory has the server's major version in its name: it is searched first. */
function isNamedAfter(directory: string, server: number | undefined): boolean {
	return server !== undefined && directory.split(/[/-]/).includes(formatMajor(server));
}

function oldestOf(tools: readonly Tool[]): Tool | undefined {
	return tools.reduce<Tool | undefined>(
		(best, tool) => (best && best.version <= tool.version ? best : tool),
		undefined,
	);
}

/** Explains why no directory has a pg_dump that pg_back can run. */
async function noneInstalled(options: FindOptions): Promise<PgBackError> {
	const best = newest(await toolsIn(await candidateDirectories(options), 'pg_dump', options));
	if (best) return unsupported(best);
	return new PgBackError('TOOLS', 'pg_dump not found', {
		hint: installHint,
	});
}

/** Explains why `directory` has no pg_dump that may be executed. */
async function noneIn(directory: string, options: FindOptions): Promise<PgBackError> {
	const path = join(directory, 'pg_dump');
	const {problem} = await whyUntrusted(path, {executed: true});
	if (problem !== undefined)
		return new PgBackError('TOOLS', `${path} will not be executed: ${problem}`, {
			hint: 'the file and its directories must be owned by root or by the user that runs pg_back, and must not be writable by anyone else',
		});
	const best = newest(await supportedTools(options));
	return new PgBackError('TOOLS', `pg_dump not found in ${directory}`, {
		hint: best
			? `${best.path} exists (${formatVersion(best.version)}): use --bin-directory ${dirname(best.path)}, or omit --bin-directory`
			: installHint,
	});
}

async function supportedTools(options: FindOptions): Promise<readonly Tool[]> {
	const found = await toolsIn(await candidateDirectories(options), 'pg_dump', options);
	return found.filter(isSupported);
}

/** False for a program whose version is not known, too. */
const isSupported = ({version}: Tool) => version >= oldestTools;

function unsupported(tool: Tool): PgBackError {
	return new PgBackError('TOOLS', `${describeTool(tool)}: pg_dump ${formatMajor(oldestTools)} or newer is needed`);
}

/** Explains why `tool`, which is supported, cannot dump the server, and which one can. */
async function cannotDump(tool: Tool, server: number, options: FindOptions): Promise<PgBackError> {
	const major = formatMajor(server);
	const reason =
		tool.version > server
			? `too new for a PostgreSQL ${major} server`
			: `older than the server (${formatVersion(server)})`;
	const right = newest((await supportedTools(options)).filter(({version}) => canDump(version, server)));
	return new PgBackError('TOOLS', `${describeTool(tool)}, ${reason}: pg_dump ${major} is needed`, {
		hint: right
			? `${right.path} is ${formatVersion(right.version)}: use --bin-directory ${dirname(right.path)}`
			: `install postgresql-client-${major} (Debian) or postgresql${major} (Red Hat), or set its directory with --bin-directory`,
	});
}
