/**
 * SFTP requests as promises with checked responses: none is assumed to fit its request, and none outlives its session.
 */
import type {SFTPWrapper, Stats} from 'ssh2';
import type SftpClient from 'ssh2-sftp-client';
import {StorageError} from '../errors.js';
import {stillThere} from '../removal-check.js';
import {statusOf} from './errors.js';

export type FileKind = 'file' | 'directory' | 'link' | 'other';

/** A server's attributes of a file; each may be missing. */
export type Attributes = {
	readonly kind: FileKind | undefined;
	/** Bytes. */
	readonly size: number | undefined;
	/** Milliseconds since the epoch. */
	readonly modified: number | undefined;
};

export type Entry = Attributes & {readonly name: string};

/** `w`: write, `x`: create and fail when it exists, `r+`: open an existing file. */
export type OpenFlags = 'r' | 'r+' | 'wx';

export type Requests = {
	readonly open: (path: string, flags: OpenFlags) => Promise<Buffer>;
	/** A failure belongs to the writes before it: exceeding a quota may be reported only here. */
	readonly close: (handle: Buffer) => Promise<void>;
	/** Resolves to the bytes read, 0 only at the end of the file. */
	readonly read: (handle: Buffer, into: Buffer, position: number) => Promise<number>;
	/** Takes a callback, because there are many writes; `bytes` is copied before it returns. */
	readonly write: (handle: Buffer, bytes: Buffer, position: number, done: (error?: unknown) => void) => void;
	/** Follows symbolic links. */
	readonly stat: (path: string) => Promise<Attributes>;
	/** Does not follow symbolic links. */
	readonly lstat: (path: string) => Promise<Attributes>;
	readonly fstat: (handle: Buffer) => Promise<Attributes>;
	readonly truncate: (handle: Buffer, size: number) => Promise<void>;
	readonly flush: (handle: Buffer) => Promise<void>;
	readonly openDirectory: (path: string) => Promise<Buffer>;
	/** The next page; undefined at the end. */
	readonly readDirectory: (handle: Buffer) => Promise<readonly Entry[] | undefined>;
	readonly rename: (from: string, to: string) => Promise<void>;
	/** Replaces `to`. */
	readonly renameOver: (from: string, to: string) => Promise<void>;
	readonly link: (from: string, to: string) => Promise<void>;
	readonly unlink: (path: string) => Promise<void>;
	readonly makeDirectory: (path: string) => Promise<void>;
	readonly removeDirectory: (path: string) => Promise<void>;
	/** Returns the free blocks that we may use on the file system of `path`. */
	readonly freeBlocks: (path: string) => Promise<number>;
};

type Done = (error?: Error | null, value?: unknown) => void;

/**
 * Creates the requests. The client is used to rename. Its other methods are unsuitable: `stat` and `mkdir` treat
 * "failure" as "no such file", `list` throws outside its promise for a response that is no list, and `delete` accepts
 * any response. A rename is checked afterwards.
 *
 * `onClose` is called with what to do when the session ends, and returns how to cancel that.
 */
export function createRequests(
	{client, sftp}: {readonly client: SftpClient; readonly sftp: SFTPWrapper},
	isOpen: () => boolean,
	onClose: (end: () => void) => () => void,
): Requests {
	const call = <T>(start: (done: Done) => unknown, valueOf: (answer: unknown) => T): Promise<T> =>
		new Promise((resolve, reject) => {
			if (!isOpen()) return reject(connectionLost());
			// A request that is sent on a closing channel gets no response.
			const forget = onClose(() => reject(connectionLost()));
			const done: Done = (error, value) => {
				forget();
				if (error) return reject(asRequestError(error));
				try {
					resolve(valueOf(value));
				} catch (failure) {
					reject(failure instanceof Error ? failure : unfit());
				}
			};
			try {
				start(done);
			} catch (error) {
				done(error as Error);
			}
		});
	const nothing = (start: (done: Done) => unknown): Promise<void> => call(start, noValue);
	return {
		open: (path, flags) => call(done => sftp.open(path, flags, done as never), handleOf),
		close: handle => nothing(done => sftp.close(handle, done)),
		read: (handle, into, position) =>
			call(done => sftp.read(handle, into, 0, into.length, position, done as never), numberOf(into.length)),
		write(handle, bytes, position, done) {
			if (!isOpen()) return done(connectionLost());
			sftp.write(handle, bytes, 0, bytes.length, position, error => done(error ? asRequestError(error) : undefined));
		},
		stat: path => call(done => sftp.stat(path, done as never), attributesOf),
		lstat: path => call(done => sftp.lstat(path, done as never), attributesOf),
		fstat: handle => call(done => sftp.fstat(handle, done as never), attributesOf),
		truncate: (handle, size) => nothing(done => sftp.fsetstat(handle, {size}, done)),
		flush: handle => nothing(done => sftp.ext_openssh_fsync(handle, done)),
		openDirectory: path => call(done => sftp.opendir(path, done as never), handleOf),
		readDirectory: handle =>
			// `full`, or ssh2 itself fails for a response that is no list.
			call(
				done => (sftp.readdir as (...args: unknown[]) => void).call(sftp, handle, {full: true}, done),
				entriesOf,
			).catch((error: unknown) => {
				if (statusOf(error) === 1) return undefined;
				throw error;
			}),
		rename: (from, to) => nothing(done => renameWith(client, from, to).then(() => done(), done)),
		renameOver: (from, to) => nothing(done => sftp.ext_openssh_rename(from, to, done)),
		link: (from, to) => nothing(done => sftp.ext_openssh_hardlink(from, to, done)),
		unlink: path => nothing(done => sftp.unlink(path, done)),
		makeDirectory: path => nothing(done => sftp.mkdir(path, done)),
		removeDirectory: path => nothing(done => sftp.rmdir(path, done)),
		freeBlocks: path => call(done => sftp.ext_openssh_statvfs(path, done as never), freeBlocksOf),
	};
}

/** Throws the server's message without the text that the client adds. */
async function renameWith(client: SftpClient, from: string, to: string): Promise<void> {
	try {
		// Without adding listeners for each call; Node warns when there are many.
		await (client.rename as (from: string, to: string, addListeners: boolean) => Promise<string>).call(
			client,
			from,
			to,
			false,
		);
	} catch (error) {
		if (statusOf(error) === undefined || !(error instanceof Error)) throw error;
		error.message = error.message.replace(/^\w+: /, '').replace(` From: ${from} To: ${to}`, '');
		throw error;
	}
}

function connectionLost(): StorageError {
	return new StorageError('network', 'the connection was lost');
}

function unfit(): StorageError {
	return new StorageError('unsupported', "the server's response does not match the request", {
		hint: 'this SFTP server is not reliable: use a different server or store',
	});
}

/** Errors with a status are the server's; all others are ssh2's own, which are texts. */
function asRequestError(error: Error): Error {
	if (statusOf(error) !== undefined || error instanceof StorageError) return error;
	if (/more data than requested/i.test(error.message)) return unfit();
	return new StorageError('network', 'the connection was lost', {cause: error});
}

function noValue(answer: unknown): void {
	if (answer !== undefined) throw unfit();
}

function handleOf(answer: unknown): Buffer {
	if (!Buffer.isBuffer(answer)) throw unfit();
	return answer;
}

function numberOf(most: number): (answer: unknown) => number {
	return answer => {
		if (typeof answer !== 'number' || answer > most) throw unfit();
		return answer;
	};
}

function freeBlocksOf(answer: unknown): number {
	const {f_bavail: blocks} = (answer ?? {}) as {f_bavail?: unknown};
	if (typeof blocks !== 'number') throw unfit();
	return blocks;
}

function entriesOf(answer: unknown): readonly Entry[] {
	if (!Array.isArray(answer)) throw unfit();
	return answer.map((one: {filename?: unknown; longname?: unknown; attrs?: unknown}) => {
		if (typeof one.filename !== 'string') throw unfit();
		const attributes = attributesOf(one.attrs);
		// Servers that send no attributes often include the kind in the text for people.
		return {...attributes, kind: attributes.kind ?? kindOfLine(one.longname), name: one.filename};
	});
}

function attributesOf(answer: unknown): Attributes {
	if (typeof answer !== 'object' || answer === null || Array.isArray(answer) || Buffer.isBuffer(answer)) throw unfit();
	const {mode, size, mtime} = answer as Partial<Stats>;
	return {
		kind: typeof mode === 'number' ? kindOfMode(mode) : undefined,
		size: typeof size === 'number' ? size : undefined,
		modified: typeof mtime === 'number' ? mtime * 1000 : undefined,
	};
}

/** Returns undefined if the mode has no type, which some servers omit. */
function kindOfMode(mode: number): FileKind | undefined {
	switch (mode & 0o170000) {
		case 0:
			return undefined;
		case 0o100000:
			return 'file';
		case 0o040000:
			return 'directory';
		case 0o120000:
			return 'link';
		default:
			return 'other';
	}
}

/** Parses the kind from a line in the format of `ls -l`. */
function kindOfLine(line: unknown): FileKind | undefined {
	if (typeof line !== 'string' || !/^[-dlbcps][-rwxsStTlL]{9}[ .+@\t]/.test(line)) return undefined;
	return line.startsWith('-') ? 'file' : line.startsWith('d') ? 'directory' : line.startsWith('l') ? 'link' : 'other';
}

export function isMissingStatus(error: unknown): boolean {
	const status = statusOf(error);
	return status === 2 || status === 10;
}

/** Returns undefined when nothing exists under this path. Symbolic links are not followed. */
export async function lstatIfThere({lstat}: Requests, path: string): Promise<Attributes | undefined> {
	try {
		return await lstat(path);
	} catch (error) {
		if (isMissingStatus(error)) return undefined;
		throw error;
	}
}

/** Returns whether anything exists under this path. If a server cannot even check such a name, it has none. */
export async function isThere(requests: Requests, path: string): Promise<boolean> {
	try {
		await requests.lstat(path);
		return true;
	} catch (error) {
		const status = statusOf(error);
		if (status === undefined || status === 3) throw error;
		return false;
	}
}

/** Removes a file; a missing one counts as removed. */
export async function unlinkIfThere({unlink}: Requests, path: string): Promise<void> {
	try {
		await unlink(path);
	} catch (error) {
		if (!isMissingStatus(error)) throw error;
	}
}

/** Does the same, and throws when the file still exists although the server confirmed its removal. */
export async function unlinkForGood(requests: Requests, path: string): Promise<void> {
	await unlinkIfThere(requests, path);
	if ((await lstatIfThere(requests, path)) !== undefined) throw new StorageError('server', stillThere);
}

/** Closes a handle after a failure, which is the error to report. */
export async function closeQuietly({close}: Requests, handle: Buffer): Promise<void> {
	await close(handle).catch(() => undefined);
}
