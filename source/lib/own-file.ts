/** Small files that an earlier run wrote: read without trusting that we wrote them. */
import {constants, type Stats} from 'node:fs';
import {open, rm, stat} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {partialPath} from './files.js';
import {isTrustedOwner} from './trusted-file.js';

/** A file that pg_back would not have written; the message gives the reason, without the path. */
export class UnsafeFileError extends Error {
	override readonly name = 'UnsafeFileError';
}

export type SmallFile = {readonly bytes: Buffer; readonly stats: Stats};

/**
 * Reads a regular file of at most `limit` bytes, never through a symbolic link and without blocking on a pipe. Throws
 * UnsafeFileError for anything else, and the system's error for a missing or unreadable file.
 */
export async function readSmallFile(path: string, limit: number): Promise<SmallFile> {
	const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
	const handle = await open(path, flags).catch((error: unknown) => {
		const {code} = error as NodeJS.ErrnoException;
		if (code === 'ELOOP' || code === 'EMLINK') throw new UnsafeFileError('it is a symbolic link');
		if (code === 'ENXIO') throw new UnsafeFileError('it is not a regular file');
		throw error;
	});
	try {
		const stats = await handle.stat();
		if (!stats.isFile()) throw new UnsafeFileError('it is not a regular file');
		if (stats.size > limit) throw new UnsafeFileError(`it has ${stats.size} bytes, the limit is ${limit}`);
		// The file may grow while it is read: only the bytes that it had are read.
		const bytes = Buffer.alloc(stats.size);
		let length = 0;
		while (length < bytes.length) {
			const {bytesRead} = await handle.read(bytes, length, bytes.length - length, length);
			if (bytesRead === 0) break;
			length += bytesRead;
		}
		return {bytes: bytes.subarray(0, length), stats};
	} finally {
		await handle.close();
	}
}

/**
 * Reads the text of a file that describes backups (a manifest, a proof): it must belong to us, to root or to the owner
 * of its directory. Throws like `readSmallFile`.
 */
export async function readOwnText(path: string, limit: number): Promise<string> {
	const {bytes, stats} = await readSmallFile(path, limit);
	if (!isTrustedOwner(stats.uid) && stats.uid !== (await stat(dirname(path))).uid)
		throw new UnsafeFileError(`it belongs to another user (uid ${stats.uid})`);
	return bytes.toString();
}

/** The owner and mode that a file system gives to a new file of ours. */
export type FileIdentity = {
	readonly uid: number;
	/** False if every file has the mode of the mount (CIFS, vfat). */
	readonly keepsModes: boolean;
};

/** Throws UnsafeFileError unless the file is ours, only ours to read and write, and has one name. */
export function requireOwn(stats: Stats, ours: FileIdentity): void {
	if (stats.uid !== ours.uid) throw new UnsafeFileError(`it belongs to another user (uid ${stats.uid})`);
	if (ours.keepsModes && (stats.mode & 0o077) !== 0)
		throw new UnsafeFileError(`it has the mode ${(stats.mode & 0o777).toString(8).padStart(4, '0')}, not 0600`);
	if (stats.nlink > 1) throw new UnsafeFileError('it has more than one hard link');
}

/**
 * Creates and removes a file in `directory` to find the identity of our files there: a mount may give them another
 * owner (CIFS, NFS).
 */
export async function fileIdentity(directory: string, run: string): Promise<FileIdentity> {
	const path = partialPath(join(directory, 'probe'), run);
	const handle = await open(path, 'wx', 0o600);
	try {
		const {uid, mode} = await handle.stat();
		return {uid, keepsModes: (mode & 0o077) === 0};
	} finally {
		await handle.close();
		await rm(path, {force: true});
	}
}
