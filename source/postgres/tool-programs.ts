/** The PostgreSQL programs on this host: where they may be, which may be run, and their versions. */
import {readdir, realpath, stat} from 'node:fs/promises';
import {basename, join} from 'node:path';
import {messageOf} from '../core/errors.js';
import {display} from '../lib/display.js';
import type {Environment} from '../lib/environment.js';
import {isExecutable, whyUntrusted} from '../lib/trusted-file.js';
import {captureChild} from '../process/child.js';
import {openVersionCache, programKey, type VersionCache} from './version-cache.js';
import {formatVersion, parseVersion} from './versions.js';

export type Tool = {
	readonly path: string;
	/** Such as 150018; 0 when it is not known. */
	readonly version: number;
};

export type FindOptions = {
	/** The directory of pg_dump and pg_dumpall; psql and pg_restore may be in other directories. */
	readonly binDirectory?: string;
	/** The environment of the tools, without secrets. Its PATH is searched. */
	readonly env: Environment;
	readonly signal: AbortSignal;
	/** Called for each program that is not executed because other users can change it. */
	readonly onUntrusted?: (text: string) => void;
	/** Programs not to look for, because reading each version takes the start of a program. */
	readonly without?: readonly ('pg_dumpall' | 'pg_restore')[];
};

/** What to do when a program is not found. */
export const installHint = 'install a PostgreSQL client (postgresql-client), or set its directory with --bin-directory';

/** Returns every directory that may contain the tools: PATH first, then those of packages. */
export async function candidateDirectories({env}: FindOptions): Promise<string[]> {
	return [...new Set([...pathDirectories(env), ...(await packagedDirectories())])];
}

export function pathDirectories(env: Environment): string[] {
	return [...new Set((env['PATH'] ?? '').split(':').filter(entry => entry.startsWith('/')))];
}

export async function packagedDirectories(): Promise<string[]> {
	const packaged = await Promise.all([
		majorDirectories('/usr/lib/postgresql', /^\d+(?:\.\d+)?$/),
		majorDirectories('/usr', /^pgsql-\d+(?:\.\d+)?$/),
		majorDirectories('/usr/local', /^pgsql(?:-\d+)?$/),
	]);
	return packaged.flat();
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

/** Returns the programs that exist and may be run, in the order of `directories`. */
export async function toolsIn(directories: readonly string[], name: string, options: FindOptions): Promise<Tool[]> {
	const tools = await Promise.all(directories.map(directory => toolAt(join(directory, name), options)));
	return tools.filter(tool => tool !== undefined);
}

export type SearchedTools = {
	readonly match?: Tool;
	/** Those before it, in order. */
	readonly others: readonly Tool[];
};

/** Asks the directories in their order until a program matches. Those after it are not run. */
export async function searchTool(
	name: string,
	directories: Iterable<string>,
	isMatch: (tool: Tool) => boolean,
	options: FindOptions,
): Promise<SearchedTools> {
	const others: Tool[] = [];
	for (const directory of new Set(directories)) {
		const tool = await toolAt(join(directory, name), options);
		if (tool === undefined) continue;
		if (isMatch(tool)) return {match: tool, others};
		others.push(tool);
	}
	return {others};
}

/** Seconds for which a program that was found is not looked up again: a run asks for the same ones until it has connected. */
const freshFor = 1;
const fresh = new Map<string, {readonly tool: Tool; readonly at: number}>();

async function toolAt(path: string, options: FindOptions): Promise<Tool | undefined> {
	const last = fresh.get(path);
	if (last !== undefined && process.uptime() - last.at < freshFor) return last.tool;
	const at = process.uptime(); // `performance` loads 2 ms of code
	const tool = await lookUp(path, options);
	if (tool === undefined) fresh.delete(path);
	else fresh.set(path, {tool, at});
	return tool;
}

async function lookUp(path: string, options: FindOptions): Promise<Tool | undefined> {
	if (!(await isExecutable(path)) || basename(await realpath(path)) === 'pg_wrapper') return undefined;
	const {problem} = await whyUntrusted(path, {executed: true});
	if (problem !== undefined) {
		options.onUntrusted?.(`${path} will not be executed: ${problem}`);
		return undefined;
	}
	return {path, version: await versionOf(path, options)};
}

/** The version of each program is read once, and again when the file has changed. */
const known = new Map<string, Promise<number>>();
let kept: Promise<VersionCache> | undefined;

async function versionOf(path: string, options: FindOptions): Promise<number> {
	const key = programKey(path, await stat(path, {bigint: true}));
	const version = known.get(key) ?? recallVersion(path, key, options);
	known.set(key, version);
	try {
		return await version;
	} catch (error) {
		known.delete(key);
		throw error;
	}
}

async function recallVersion(path: string, key: string, options: FindOptions): Promise<number> {
	kept ??= openVersionCache();
	const cache = await kept;
	const version = cache.get(key) ?? (await askVersion(path, options));
	if (version > 0 && cache.get(key) === undefined) await cache.add(key, path, version);
	return version;
}

/** Returns 0 when it does not run or prints something else: it is unusable, but others may exist. */
async function askVersion(path: string, {env, signal}: FindOptions): Promise<number> {
	try {
		const text = await captureChild({command: path, args: ['--version'], env, signal}, path);
		const version = parseVersion(text);
		if (version === undefined) failures.set(path, `it printed ${display(text.trim().slice(0, 100)) || 'nothing'}`);
		return version ?? 0;
	} catch (error) {
		if (signal.aborted) throw error;
		failures.set(path, messageOf(error));
		return 0;
	}
}

/** Why the version of a program is not known, by its path. */
const failures = new Map<string, string>();

/** Returns `/usr/bin/pg_dump is 15.18`, or why its version is not known. */
export function describeTool({path, version}: Tool): string {
	if (version > 0) return `${path} is ${formatVersion(version)}`;
	return `the version of ${path} is not known: ${failures.get(path) ?? 'it did not run'}`;
}
