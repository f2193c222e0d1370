/** Chooses the pg_dump for a server, and explains why there is none. */
import {dirname, join} from 'node:path';
import {PgBackError} from '../core/errors.js';
import {whyUntrusted} from '../lib/trusted-file.js';
import {
	candidateDirectories,
	describeTool,
	type FindOptions,
	installHint,
	packagedDirectories,
	pathDirectories,
	searchTool,
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
	const isOwn = (tool: Tool) =>
		isSupported(tool) && (serverVersion === undefined || sameMajor(tool.version, serverVersion));
	// PATH in its order first, then the directories of packages: each is asked only if none before it is suitable.
	const path = pathDirectories(env);
	const inPath = await searchTool('pg_dump', path, isOwn, options);
	if (inPath.match) {
		const reason = serverVersion === undefined ? 'first in PATH' : "matches the server's major version, first in PATH";
		return {tool: inPath.match, reason};
	}
	const packaged = (await packagedDirectories()).filter(directory => !path.includes(directory));
	const byName = packaged.toSorted(
		(a, b) => Number(isNamedAfter(b, serverVersion)) - Number(isNamedAfter(a, serverVersion)),
	);
	const elsewhere = await searchTool('pg_dump', byName, isOwn, options);
	if (elsewhere.match) {
		const reason = serverVersion === undefined ? 'none in PATH' : "matches the server's major version";
		return {tool: elsewhere.match, reason};
	}
	// Nothing matched: these are all that are installed.
	const installed = [...inPath.others, ...elsewhere.others];
	const best = newestOf(installed.filter(isSupported));
	if (serverVersion === undefined || !best) throw noneInstalled(installed);
	const fits = (tool: Tool) => isSupported(tool) && canDump(tool.version, serverVersion);
	const first = inPath.others.find(fits);
	if (first) return {tool: first, reason: 'first in PATH that can dump this server'};
	const tool = oldestOf(installed.filter(fits));
	if (!tool) throw cannotDump(best, serverVersion, installed);
	return {
		tool,
		reason: 'oldest installed version that can dump this server',
		warning: newerThanServer(tool, serverVersion),
	};
}

/** Returns it regardless of its version, with a warning when it does not fit the server. */
async function configuredPgDump(directory: string, options: ServerOptions): Promise<ChosenPgDump> {
	const {serverVersion} = options;
	const {match: tool} = await searchTool('pg_dump', [directory], () => true, options);
	const fits = tool && isSupported(tool) && (serverVersion === undefined || canDump(tool.version, serverVersion));
	const reason = 'found in bin_directory';
	if (fits) return {tool, reason};
	if (tool && !isSupported(tool)) throw unsupported(tool);
	if (!tool) await requireTrusted(join(directory, 'pg_dump'));
	const installed = await toolsIn(await candidateDirectories(options), 'pg_dump', options);
	if (!tool || serverVersion === undefined) throw noneIn(directory, installed);
	const {message, hint = ''} = cannotDump(tool, serverVersion, installed);
	return {tool, reason, warning: `${message}; ${hint}`};
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

/** On ties, the first one. */
function oldestOf(tools: readonly Tool[]): Tool | undefined {
	return tools.toSorted((a, b) => a.version - b.version)[0];
}

/** On ties, the first one. */
function newestOf(tools: readonly Tool[]): Tool | undefined {
	return tools.toSorted((a, b) => b.version - a.version)[0];
}

/** False for a program whose version is not known, too. */
const isSupported = ({version}: Tool) => version >= oldestTools;

function unsupported(tool: Tool): PgBackError {
	return new PgBackError('TOOLS', `${describeTool(tool)}: pg_dump ${formatMajor(oldestTools)} or newer is needed`);
}

/** Explains why no directory has a pg_dump that pg_back can run. */
function noneInstalled(installed: readonly Tool[]): PgBackError {
	const best = newestOf(installed);
	return best ? unsupported(best) : new PgBackError('TOOLS', 'pg_dump not found', {hint: installHint});
}

/** Throws TOOLS if the program must not be executed. */
async function requireTrusted(path: string): Promise<void> {
	const {problem} = await whyUntrusted(path, {executed: true});
	if (problem === undefined) return;
	throw new PgBackError('TOOLS', `${path} will not be executed: ${problem}`, {
		hint: 'the file and its directories must be owned by root or by the user that runs pg_back, and must not be writable by anyone else',
	});
}

function noneIn(directory: string, installed: readonly Tool[]): PgBackError {
	const best = newestOf(installed.filter(isSupported));
	return new PgBackError('TOOLS', `pg_dump not found in ${directory}`, {
		hint: best
			? `${best.path} exists (${formatVersion(best.version)}): use --bin-directory ${dirname(best.path)}, or omit --bin-directory`
			: installHint,
	});
}

/** Explains why `tool`, which is supported, cannot dump the server, and which one can. */
function cannotDump(tool: Tool, server: number, installed: readonly Tool[]): PgBackError {
	const major = formatMajor(server);
	const reason =
		tool.version > server
			? `too new for a PostgreSQL ${major} server`
			: `older than the server (${formatVersion(server)})`;
	const right = newestOf(installed.filter(one => isSupported(one) && canDump(one.version, server)));
	return new PgBackError('TOOLS', `${describeTool(tool)}, ${reason}: pg_dump ${major} is needed`, {
		hint: right
			? `${right.path} is ${formatVersion(right.version)}: use --bin-directory ${dirname(right.path)}`
			: `install postgresql-client-${major} (Debian) or postgresql${major} (Red Hat), or set its directory with --bin-directory`,
	});
}
