/**
 * A file that exists only at the remote: its bytes go from the writer of a dump to the upload through a small buffer,
 * and the writer waits while that is full.
 */
import {CancelledError, PgBackError} from '../core/errors.js';
import {partialPath} from '../lib/files.js';
import type {ReadInto} from '../lib/read-chunks.js';
import {releaseMemory} from '../lib/release.js';
import type {PutSource} from '../storage/storage.js';
import {GrowingFile, growingSource} from './growing-file.js';
import type {Sink} from './sink.js';

/** Bytes that wait for the upload; the writer may exceed them by one batch. */
const capacity = 4 << 20;
/** A file up to this size, in bytes, stays in memory until it is uploaded, so that a failed upload can be repeated. */
const keptWhole = 1 << 20;

export class FileStream extends GrowingFile {
	/** The bytes from `#start` on. */
	#pieces: Uint8Array[] = [];
	#start = 0;
	/** The end of the last read. */
	#read = 0;
	#isRead = false;
	#onRoom: (() => void) | undefined;

	/**
	 * Takes ownership of the pieces. Resolves when there is room for more; throws when the file has failed. One call at a
	 * time.
	 */
	async write(pieces: readonly Uint8Array[]): Promise<void> {
		this.throwIfFailed();
		const added = pieces.filter(piece => piece.byteLength > 0);
		this.#pieces.push(...added);
		this.grow(added.reduce((sum, piece) => sum + piece.byteLength, 0));
		this.#drop();
		while (this.written - this.#read > capacity) {
			await new Promise<void>(resolve => (this.#onRoom = resolve));
			this.throwIfFailed();
		}
	}

	override fail(error: Error): void {
		super.fail(error);
		this.#onRoom?.();
	}

	/** True when the upload has asked for bytes. */
	get isRead(): boolean {
		return this.#isRead;
	}

	/** The source of the upload. Throws for bytes that were read before, unless the file is small. */
	source(): PutSource {
		const readInto: ReadInto = async (target, offset, signal) => {
			this.#isRead = true;
			const end = await this.beyond(offset, signal);
			return end === undefined ? 0 : this.#copy(target, offset);
		};
		return {
			...growingSource(this, readInto),
			canRestart: () => this.#start === 0,
		};
	}

	#copy(target: Uint8Array, offset: number): number {
		if (offset < this.#start) throw new PgBackError('BUG', `${this.finalPath} was read again from ${offset}`);
		let at = this.#start;
		let filled = 0;
		for (const piece of this.#pieces) {
			const from = Math.max(0, offset + filled - at);
			if (from < piece.length) {
				const part = piece.subarray(from, from + target.length - filled);
				target.set(part, filled);
				filled += part.length;
				if (filled === target.length) break;
			}
			at += piece.length;
		}
		this.#read = Math.max(this.#read, offset + filled);
		this.#drop();
		if (this.written - this.#read <= capacity) this.#onRoom?.();
		return filled;
	}

	/** Frees what was read. */
	#drop(): void {
		if (this.written <= keptWhole) return;
		let count = 0;
		for (const piece of this.#pieces) {
			if (this.#start + piece.length > this.#read) break;
			this.#start += piece.length;
			count++;
		}
		if (count > 0) releaseMemory(this.#pieces.splice(0, count));
	}
}

/** Returns the sink that writes to `stream`. It has no file: nothing is flushed, and discarding it fails the stream. */
export function streamSink(stream: FileStream): Sink {
	return {
		path: stream.path,
		finalPath: stream.finalPath,
		growing: stream,
		descriptor: -1,
		wrote: () => undefined,
		write: pieces => stream.write(pieces),
		finish: () => Promise.resolve({flushed: Promise.resolve()}),
		flush: () => Promise.resolve(),
		discard() {
			stream.fail(new CancelledError('the dump failed'));
			return Promise.resolve();
		},
	};
}

/** `run` is the six characters of the run. */
export function createFileStream(finalPath: string, run: string): FileStream {
	return new FileStream(partialPath(finalPath, run), finalPath);
}
