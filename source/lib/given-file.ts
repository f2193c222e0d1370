/** Files that the user names: configuration, keys, certificates. They may be pipes, and devices that never end. */
import {closeSync, openSync, readSync} from 'node:fs';
import {type FileHandle, open} from 'node:fs/promises';

/** Bytes; far more than any such file has. */
const usualLimit = 16 * 1024 * 1024;
const step = 64 * 1024;

/**
 * Reads a file of at most `limit` bytes to its end, whatever size it claims: /dev/zero claims none. Throws the system's
 * error; for a longer file that is EFBIG.
 */
export async function readGivenFile(path: string, limit = usualLimit): Promise<Buffer> {
	const handle = await open(path);
	try {
		return await readToEnd(handle, path, limit);
	} finally {
		await handle.close();
	}
}

/** Like `readGivenFile`, for a file that the caller has opened, and closes. */
export async function readToEnd(handle: FileHandle, path: string, limit = usualLimit): Promise<Buffer> {
	const pieces: Buffer[] = [];
	for (let length = 0; ;) {
		const {buffer, bytesRead} = await handle.read(Buffer.alloc(step), 0, step, null);
		if (bytesRead === 0) return Buffer.concat(pieces);
		length += bytesRead;
		if (length > limit) throw tooLarge(path);
		pieces.push(buffer.subarray(0, bytesRead));
	}
}

/** Like `readGivenFile`. */
export function readGivenFileSync(path: string, limit = usualLimit): Buffer {
	const descriptor = openSync(path, 'r');
	try {
		const pieces: Buffer[] = [];
		for (let length = 0; ;) {
			const piece = Buffer.alloc(step);
			const bytesRead = readSync(descriptor, piece, 0, step, null);
			if (bytesRead === 0) return Buffer.concat(pieces);
			length += bytesRead;
			if (length > limit) throw tooLarge(path);
			pieces.push(piece.subarray(0, bytesRead));
		}
	} finally {
		closeSync(descriptor);
	}
}

function tooLarge(path: string): NodeJS.ErrnoException {
	return Object.assign(new Error(`EFBIG: file too large, read '${path}'`), {code: 'EFBIG', syscall: 'read', path});
}
