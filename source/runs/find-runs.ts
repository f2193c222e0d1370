/** Finds the active runs in a directory by their locks and their status sockets. Changes nothing. */
import {lstat, readdir} from 'node:fs/promises';
import {hostname} from 'node:os';
import {basename, join} from 'node:path';
import type {RunElsewhere} from '../core/handle.js';
import type {Environment} from '../lib/environment.js';
import {findHolder, type Held, isAlive} from './file-lock.js';
import {lockName, lockPattern} from './run-locks.js';
import {socketCandidates, socketIn, socketPattern} from './socket-path.js';
import {connectToRun, type StatusConnection} from './status-client.js';

export type FoundRun = RunElsewhere & {
	/** Present if the run answers. The caller closes it. */
	readonly connection?: StatusConnection;
};

export type FoundRuns = {
	readonly runs: readonly FoundRun[];
	/** Locks that a child of a killed run still holds, for people. */
	readonly orphans: readonly string[];
};

/**
 * Finds the runs, except those in `own` (six characters each). A missing directory contains none; throws when it cannot
 * be read.
 */
export async function findRuns(
	directories: readonly string[],
	env: Environment,
	own: ReadonlySet<string> = new Set(),
): Promise<FoundRuns> {
	const runs: FoundRun[] = [];
	const orphans: string[] = [];
	const seen = new Set(own);
	for (const directory of directories) {
		const names = await namesIn(directory);
		const tags = new Set(names.flatMap(name => (lockPattern.exec(name) ?? socketPattern.exec(name))?.[1] ?? []));
		for (const tag of tags) {
			if (seen.has(tag)) continue;
			const found = await inspectRun(directory, tag, env);
			if (typeof found === 'string') orphans.push(found);
			else if (found) {
				seen.add(tag);
				runs.push(found);
			}
		}
		if (runs.length > 0 || orphans.length > 0 || own.size > 0) continue;
		// pg_back before 3.0 only has a lock for each database.
		for (const name of names.filter(one => one.endsWith('.lock') && !one.startsWith('.')).toSorted()) {
			const held = await findHolder(join(directory, name), env);
			const found = held && describe(directory, name, held);
			if (typeof found === 'string') orphans.push(found);
			else if (found) runs.push(found);
			if (found) break;
		}
	}
	return {runs, orphans};
}

async function inspectRun(directory: string, tag: string, env: Environment): Promise<FoundRun | string | undefined> {
	const lock = join(directory, lockName(tag));
	const held = await findHolder(lock, env);
	const uid = (await lstat(lock).catch(() => undefined))?.uid ?? process.geteuid?.() ?? -1;
	// A run without its lock is about to end, or was killed: only the socket next to the lock's path can be its own.
	const paths = held ? socketCandidates(directory, tag, env, uid) : [socketIn(directory, tag)];
	for (const path of paths) {
		const connection = await connectToRun(path);
		if (!connection) continue;
		const {host, pid, startedAt, command} = connection.state();
		const since = new Date(startedAt).toISOString();
		return {id: tag, directory, pid, host, since, command, connection, canAttach: true};
	}
	return held && describe(directory, tag, held);
}

function describe(directory: string, id: string, {holder, path}: Held): FoundRun | string {
	if (holder?.host === hostname() && !isAlive(holder.pid)) {
		return `process ${holder.pid} is gone, but a program that it started still holds ${basename(path)}`;
	}
	return {id, directory, ...holder, canAttach: false};
}

async function namesIn(directory: string): Promise<readonly string[]> {
	try {
		return await readdir(directory);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
		throw error;
	}
}
