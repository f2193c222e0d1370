/** The requests of SFTP as promises. Each ends with the session; none needs a time-out of its own. */
import type {FileEntryWithStats, SFTPWrapper, Stats} from 'ssh2';
import {statusOf} from './errors.js';
import type {Session} from './connection.js';

type Done<T> = (error: Error | null | undefined, value: T) => void;

export function request<T>(run: (done: Done<T>) => unknown): Promise<T> {
	return new Promise((resolve, reject) => {
		run((error, value) => (error ? reject(error) : resolve(value)));
	});
}

export function run(start: (done: (error?: Error | null) => void) => unknown): Promise<void> {
	return new Promise((resolve, reject) => {
		start(error => (error ? reject(error) : resolve()));
	});
}

/** Undefined when there is nothing under this path. */
export async function statIfThere(sftp: SFTPWrapper, path: string): Promise<Stats | undefined> {
	try {
		return await request<Stats>(done => sftp.stat(path, done));
	} catch (error) {
		if (isMissingStatus(error)) return undefined;
		throw error;
	}
}

export function isMissingStatus(error: unknown): boolean {
	const status = statusOf(error);
	return status === 2 || status === 10;
}

/** Entries of a directory, page by page, without `.` and `..`. */
export async function* readDirectory(sftp: SFTPWrapper, path: string): AsyncGenerator<readonly FileEntryWithStats[]> {
	const handle = await request<Buffer>(done => sftp.opendir(path, done));
	try {
		for (;;) {
			try {
				yield await request<FileEntryWithStats[]>(done => sftp.readdir(handle, done));
			} catch (error) {
				if (statusOf(error) === 1) return;
				throw error;
			}
		}
	} finally {
		await run(done => sftp.close(handle, done));
	}
}

/**
 * Creates the directories above a file that are not there, from the last one up: most often all are. A server may answer
 * "failure" for one that somebody else has just made.
 */
export async function makeDirectories(sftp: SFTPWrapper, path: string): Promise<void> {
	if (path === '' || path === '/' || path === '.') return;
	const stats = await statIfThere(sftp, path);
	if (stats?.isDirectory()) return;
	const slash = path.lastIndexOf('/');
	if (slash > 0) await makeDirectories(sftp, path.slice(0, slash));
	try {
		await run(done => sftp.mkdir(path, done));
	} catch (error) {
		if (!(await statIfThere(sftp, path))?.isDirectory()) throw error;
	}
}

/** Flushes a file where the server can; says whether it could. */
export async function flush({sftp, offers}: Session, handle: Buffer): Promise<boolean> {
	if (!offers('fsync@openssh.com')) return false;
	await run(done => sftp.ext_openssh_fsync(handle, done));
	return true;
}
