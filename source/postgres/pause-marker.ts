import {createHash} from 'node:crypto';
import {readFile, rm, writeFile} from 'node:fs/promises';
import {hostname} from 'node:os';
import {makeParents} from '../lib/files.js';
import {readSmallFile, UnsafeFileError} from '../lib/own-file.js';
import type {Session} from './session.js';

/** A file that records that this process has paused replay on a server, for the next run after a `kill -9`. */
export type PauseMarker = {
	readonly write: () => Promise<void>;
	readonly remove: () => Promise<void>;
	/** Returns true when a process that no longer exists has left it. */
	readonly isLeftOver: () => Promise<boolean>;
};

/** Bytes. */
const largest = 64 * 1024;

/** `prefix` gets a suffix for the server, so that markers of several standbys do not overwrite each other. */
export function createPauseMarker(prefix: string, session: Pick<Session, 'host' | 'port'>): PauseMarker {
	const server = createHash('sha256').update(`${session.host}\0${session.port}`).digest('hex').slice(0, 8);
	const path = `${prefix}.${server}`;
	return {
		async write() {
			const content = {
				pid: process.pid,
				started: await startOf(process.pid),
				machine: hostname(),
				host: session.host,
				port: session.port,
			};
			await makeParents(path);
			// A new file: a link or file that another user planted under this name is not written to.
			await rm(path, {force: true});
			await writeFile(path, `${JSON.stringify(content)}\n`, {mode: 0o600, flush: true, flag: 'wx'});
		},
		async remove() {
			await rm(path, {force: true});
		},
		async isLeftOver() {
			const content = await readMarker(path);
			if (content === undefined) return false;
			const {pid, started} = parse(content);
			return pid === undefined || (await startOf(pid)) !== started;
		},
	};
}

/** An unreadable marker was truncated by the kill: it is ours, and its process no longer exists. */
function parse(content: string): {pid?: number; started?: string} {
	const [, pid, started] = /"pid":(\d+),"started":"([^"]*)"/.exec(content) ?? [];
	return pid === undefined ? {} : {pid: Number(pid), started};
}

/** Returns the start of a process, in ticks since boot, to detect reused process ids; empty when there is none. */
async function startOf(pid: number): Promise<string> {
	const stat = await readIfThere(`/proc/${pid}/stat`);
	if (stat !== undefined) return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
	try {
		process.kill(pid, 0);
		return 'running';
	} catch (error) {
		return (error as NodeJS.ErrnoException).code === 'EPERM' ? 'running' : '';
	}
}

/** Returns undefined also for a file that cannot be a marker: a link, a pipe, or far too long. */
async function readMarker(path: string): Promise<string | undefined> {
	try {
		return (await readSmallFile(path, largest)).bytes.toString();
	} catch (error) {
		if (error instanceof UnsafeFileError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
		throw error;
	}
}

/** Reads one of the system's files under /proc. */
async function readIfThere(path: string): Promise<string | undefined> {
	try {
		return await readFile(path, 'utf8');
	} catch (error) {
		if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
		throw error;
	}
}
