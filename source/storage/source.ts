/** The sources of uploads, with the check of their length that every store must use. */
import {type FileHandle, open} from 'node:fs/promises';
import {readChunks, type ReadInto} from '../lib/read-chunks.js';
import {StorageError} from './errors.js';
import type {PutSource} from './storage.js';

/** Returns a source for bytes in memory, for small files and tests. */
export function bytesSource(bytes: Uint8Array): PutSource {
	return {
		size: bytes.length,
		async *read(offset) {
			if (offset < bytes.length) yield bytes.subarray(offset);
		},
	};
}

export type FileSource = PutSource & {readonly size: number; readonly close: () => Promise<void>};

/**
 * Opens a finished file with its current length: if it shrinks or grows later, the upload fails. The caller closes it.
 */
export async function openFileSource(path: string): Promise<FileSource> {
	const handle = await open(path, 'r');
	try {
		const {size} = await handle.stat();
		return fileHandleSource(handle, size);
	} catch (error) {
		await handle.close();
		throw error;
	}
}

function fileHandleSource(handle: FileHandle, size: number): FileSource {
	const readInto: ReadInto = async (target, offset, signal) => {
		signal.throwIfAborted();
		return (await handle.read(target, 0, target.length, offset)).bytesRead;
	};
	return {
		size,
		read: (offset, signal) => readChunks(readInto, offset, signal),
		readInto,
		close: () => handle.close(),
	};
}

/** Yields `source.read`, and throws when it ends before or after `source.size`. */
export async function* readWhole(source: PutSource, offset: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
	let at = offset;
	for await (const chunk of source.read(offset, signal)) {
		signal.throwIfAborted();
		at += chunk.length;
		if (source.size !== undefined && at > source.size) throw wrongSize(at, source.size);
		yield chunk;
	}
	signal.throwIfAborted();
	if (source.size !== undefined && at !== source.size) throw wrongSize(at, source.size);
}

/** Returns the error for a source that yielded another number of bytes than it declared. */
export function wrongSize(got: number, expected: number): StorageError {
	const what =
		got > expected ? `has more than the expected ${expected} bytes` : `ended after ${got} of ${expected} bytes`;
	return new StorageError('invalid', `the source of the upload ${what}`, {
		hint: 'the file changed during the upload: check what else writes to it, then upload again',
	});
}
