import {createHash} from 'node:crypto';
import {readFile, rm, writeFile} from 'node:fs/promises';
import {hostname} from 'node:os';
import {makeParents} from '../lib/files.js';
import type {Session} from './session.js';

/** A file that says "this process has paused replay on that server", for whoever finds it after a `kill -9`. */
export type PauseMarker = {
	readonly write: () => Promise<void>;
	readonly remove: () => Promise<void>;
	/** True when a process that is gone has left it. */
	readonly isLeftOver: () => Promise<boolean>;
};

/** `prefix` gets a suffix for the server, so that markers of several standbys do not replace each other. */
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
			await writeFile(path, `${JSON.stringify(content)}\n`, {mode: 0o600, flush: true});
		},
		async remove() {
			await rm(path, {force: true});
		},
		async isLeftOver() {
			const content = await readIfThere(path);
			if (content === undefined) return false;
			const {pid, started} = parse(content);
			return pid === undefined || (await startOf(pid)) !== started;
		},
	};
}

/** A marker that cannot be read was cut by the kill: ours all the same, and nobody's any more. */
function parse(content: string): {pid?: number; started?: string} {
	const [, pid, started] = /"pid":(\d+),"started":"([^"]*)"/.exec(content) ?? [];
	return pid === undefined ? {} : {pid: Number(pid), started};
}

/** When a process started, in ticks since boot, so that a number used again is told apart; empty when there is none. */
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

async function readIfThere(path: string): Promise<string | undefined> {
	try {
		return await readFile(path, 'utf8');
	} catch (error) {
		if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
		throw error;
	}
}
