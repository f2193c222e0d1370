import type {FileHandle} from 'node:fs/promises';
import {CancelledError, isSystemError} from '../core/errors.js';
import {createPartial, discardPartial} from '../lib/files.js';
import {afterBytes} from '../lib/pieces.js';
import {releaseMemory} from '../lib/release.js';
import {GrowingFile} from './growing.js';

export type Sink = {
	readonly path: string;
	readonly finalPath: string;
	readonly growing: GrowingFile;
	/** For who writes to it past `write`, from its beginning, and tells `wrote`. */
	readonly descriptor: number;
	readonly wrote: (bytes: number) => void;
	/** The pieces are the sink's from now on: their memory is freed as soon as they are written. */
	readonly write: (pieces: readonly Uint8Array[]) => Promise<void>;
	readonly flush: () => Promise<void>;
	readonly discard: () => Promise<void>;
};

/** After as many bytes the disk is asked for what it has not yet: it works while the dump goes on, and the last flush is short. */
const flushEvery = 32 << 20;

/** A new partial file. One write is under way while the next batch is being worked on. */
export async function openSink(
	finalPath: string,
	{run, mode}: {readonly run: string; readonly mode: number | undefined},
): Promise<Sink> {
	const {path, handle} = await createPartial(finalPath, run, mode);
	const growing = new GrowingFile(path, finalPath);
	let pending: Promise<void> = Promise.resolve();
	let flushing: Promise<void> | undefined;
	let unflushed = 0;
	const wrote = (bytes: number): void => {
		growing.grow(bytes);
		unflushed += bytes;
		if (unflushed < flushEvery || flushing) return;
		unflushed = 0;
		// The kernel tells of a failure once: what is caught here must be thrown by the last flush.
		flushing = handle.datasync().then(() => (flushing = undefined));
		flushing.catch(() => undefined);
	};
	return {
		path,
		finalPath,
		growing,
		descriptor: handle.fd,
		async write(pieces) {
			await pending;
			if (pieces.length === 0) return;
			pending = writeFully(handle, pieces).then(
				bytes => {
					wrote(bytes);
					releaseMemory(pieces);
				},
				(error: unknown) => {
					throw isSystemError(error) ? Object.assign(error, {path: finalPath}) : error;
				},
			);
			pending.catch(() => undefined); // awaited, and thrown, by the next write or the flush
		},
		wrote,
		async flush() {
			await pending;
			await flushing;
			await handle.sync();
			await handle.close();
		},
		async discard() {
			await Promise.allSettled([pending, flushing]); // the error that led here is already on its way
			await handle.close().catch(() => undefined); // closed already when the flush had come that far
			await discardPartial(path);
			growing.fail(new CancelledError('the file was discarded'));
		},
	};
}

/** writev may write less than it was given; IOV_MAX is 1,024. */
async function writeFully(handle: FileHandle, pieces: readonly Uint8Array[]): Promise<number> {
	let total = 0;
	for (let start = 0; start < pieces.length; start += 512) {
		let rest = pieces.slice(start, start + 512);
		while (rest.length > 0) {
			const {bytesWritten} = await handle.writev(rest);
			total += bytesWritten;
			rest = afterBytes(rest, bytesWritten);
		}
	}
	return total;
}
