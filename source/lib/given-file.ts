/** Files that the user names: configuration, keys, certificates. They may be pipes, and devices that never end. */
import {closeSync, constants, fstatSync, openSync, readSync} from 'node:fs';
import {type FileHandle, open, readlink} from 'node:fs/promises';
import {setTimeout as sleep} from 'node:timers/promises';

/** Bytes; far more than any such file has. */
const usualLimit = 16 * 1024 * 1024;
const step = 64 * 1024;

/** How long a named pipe may be without a process that writes to it, and how often it is looked at; milliseconds. */
const writerTimeout = 10_000;
const pollInterval = 20;

export type ReadOptions = {
	/** Bytes. */
	readonly limit?: number;
	/**
	 * Ends the wait for a process that writes to a pipe, which may last forever. Undefined only while signals still end
	 * this process at once.
	 */
	readonly signal: AbortSignal | undefined;
	/** For a file that will be read again. */
	readonly refusesPipes?: boolean;
	/** Milliseconds to wait for a process that opens a named pipe for writing; 10 seconds by default. */
	readonly writerTimeout?: number;
};

/**
 * Reads a file of at most `limit` bytes to its end, whatever size it claims: /dev/zero claims none. Throws the system's
 * error; for a longer file that is EFBIG, for a named pipe without a writer EPIPE.
 */
export async function readGivenFile(path: string, options: ReadOptions): Promise<Buffer> {
	const handle = await openGivenFile(path);
	try {
		if (options.refusesPipes && (await handle.stat()).isFIFO()) throw systemError('ESPIPE', 'it is a pipe', path);
		return await readToEnd(handle, path, options);
	} finally {
		await handle.close();
	}
}

/** Opens a file to read it. Opening a named pipe would wait for a writer in a thread that nothing can interrupt. */
export function openGivenFile(path: string): Promise<FileHandle> {
	return open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
}

/** Like `readGivenFile`, for a file from `openGivenFile`, which the caller closes. */
export async function readToEnd(handle: FileHandle, path: string, options: ReadOptions): Promise<Buffer> {
	const {limit = usualLimit, signal} = options;
	const pieces: Buffer[] = [];
	// Of a named pipe, the end only counts after a writer was there.
	let writerUntil = (await isNamedPipe(handle)) ? Date.now() + (options.writerTimeout ?? writerTimeout) : undefined;
	for (let length = 0; ;) {
		const piece = await readPiece(handle);
		if (piece === 'empty') writerUntil = undefined;
		else if (piece.length > 0) {
			writerUntil = undefined;
			pieces.push(piece);
			length += piece.length;
			if (length > limit) throw systemError('EFBIG', 'file too large', path);
			continue;
		} else if (writerUntil === undefined) return Buffer.concat(pieces);
		else if (Date.now() > writerUntil) throw systemError('EPIPE', 'no process writes to this pipe', path);
		await sleep(pollInterval, undefined, {signal});
	}
}

/** Returns `empty` for a pipe or terminal that has nothing yet. */
async function readPiece(handle: FileHandle): Promise<Buffer | 'empty'> {
	try {
		const {buffer, bytesRead} = await handle.read(Buffer.alloc(step), 0, step, null);
		return buffer.subarray(0, bytesRead);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 'empty';
		throw error;
	}
}

/** A pipe without a name, such as a shell's `<(command)`, had its writer from the beginning. */
async function isNamedPipe(handle: FileHandle): Promise<boolean> {
	if (!(await handle.stat()).isFIFO()) return false;
	const target = await readlink(`/proc/self/fd/${handle.fd}`).catch(() => ''); // without /proc
	return !target.startsWith('pipe:');
}

/** Like `readGivenFile`, but refuses pipes: it is for files that are read more than once. */
export function readGivenFileSync(path: string, limit = usualLimit): Buffer {
	const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
	try {
		if (fstatSync(descriptor).isFIFO()) throw systemError('ESPIPE', 'it is a pipe', path);
		const pieces: Buffer[] = [];
		for (let length = 0; ;) {
			const piece = Buffer.alloc(step);
			const bytesRead = readSync(descriptor, piece, 0, step, null);
			if (bytesRead === 0) return Buffer.concat(pieces);
			length += bytesRead;
			if (length > limit) throw systemError('EFBIG', 'file too large', path);
			pieces.push(piece.subarray(0, bytesRead));
		}
	} finally {
		closeSync(descriptor);
	}
}

function systemError(code: string, text: string, path: string): NodeJS.ErrnoException {
	return Object.assign(new Error(`${code}: ${text}, read '${path}'`), {code, syscall: 'read', path});
}
