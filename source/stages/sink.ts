import type {FileHandle} from 'node:fs/promises';
import {CancelledError, isSystemError} from '../core/errors.js';
import {afterBytes} from '../lib/chunk-list.js';
import {createPartial, discardPartial, type PartialFile} from '../lib/files.js';
import {releaseMemory} from '../lib/release.js';
import {GrowingFile} from './growing-file.js';

export type Sink = {
	readonly path: string;
	readonly finalPath: string;
	readonly growing: GrowingFile;
	/** For a writer that bypasses `write`, from position 0, and reports to `wrote`. */
	readonly descriptor: number;
	readonly wrote: (bytes: number) => void;
	/** Takes ownership of the pieces: their memory is freed as soon as they are written. */
	readonly write: (pieces: readonly Uint8Array[]) => Promise<void>;
	/**
	 * Waits until all bytes are written, and starts to flush and close the file; `flushed` resolves when it is on the
	 * disk. The caller that renames the file awaits `flushed`, which is not reported as an unhandled rejection.
	 */
	readonly finish: () => Promise<{readonly flushed: Promise<void>}>;
	/** Waits until the file is on the disk and closed. */
	readonly flush: () => Promise<void>;
	readonly discard: () => Promise<void>;
};

/** A sink that can leave its file. */
export type FileSink = Sink & {
	/** Waits for the active write and closes the file, which is not removed. */
	readonly close: () => Promise<void>;
};

/** Bytes after which a flush is started: the disk works while the dump continues, and the last flush is short. */
const flushEvery = 32 << 20;

/** Opens a new partial file. */
export async function openSink(
	finalPath: string,
	{run, mode}: {readonly run: string; readonly mode: number | undefined},
): Promise<FileSink> {
	return createSink(await createPartial(finalPath, run, mode), finalPath);
}

/**
 * Writes to an open partial file, from its current position on, and closes it. One write is active while the next batch
 * is prepared.
 */
export function createSink({path, handle}: PartialFile, finalPath: string): FileSink {
	const growing = new GrowingFile(path, finalPath);
	let pending: Promise<void> = Promise.resolve();
	let flushing: Promise<void> | undefined;
	let finishing: Promise<void> | undefined;
	let unflushed = 0;
	const wrote = (bytes: number): void => {
		growing.grow(bytes);
		unflushed += bytes;
		if (unflushed < flushEvery || flushing) return;
		unflushed = 0;
		// The kernel reports a failure only once, so an error caught here must be thrown by the last flush.
		flushing = handle.datasync().then(() => (flushing = undefined));
		flushing.catch(() => undefined);
	};
	const finish = async (): Promise<{readonly flushed: Promise<void>}> => {
		await pending;
		finishing ??= (async () => {
			await flushing;
			await handle.sync();
			await handle.close();
		})();
		finishing.catch(() => undefined);
		return {flushed: finishing};
	};
	const close = async (): Promise<void> => {
		await Promise.allSettled([pending, flushing, finishing]); // the error that caused this is thrown already
		await handle.close().catch(() => undefined); // closed already if the flush had come that far
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
		finish,
		async flush() {
			const {flushed} = await finish();
			await flushed;
		},
		close,
		async discard() {
			await close();
			await discardPartial(path);
			growing.fail(new CancelledError('the file was discarded'));
		},
	};
}

/** Writes all pieces: writev may write fewer bytes than given; IOV_MAX is 1,024. */
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
