/** A file that is written sequentially, for a reader that follows it while it grows. */
import {readChunks, type ReadInto} from '../lib/read-chunks.js';
import type {PutSource} from '../storage/storage.js';

export class GrowingFile {
	/** The path while it is being written; it gets its final name at the end. */
	readonly path: string;
	readonly finalPath: string;
	#written = 0;
	#state: 'growing' | 'ended' | 'failed' = 'growing';
	#error: Error | undefined;
	#waiters: (() => void)[] = [];
	/** Lower-case hexadecimal, of the complete file; known at its end. */
	sha256: string | undefined;

	constructor(path: string, finalPath: string) {
		this.path = path;
		this.finalPath = finalPath;
	}

	get written(): number {
		return this.#written;
	}

	get isComplete(): boolean {
		return this.#state === 'ended';
	}

	/** Returns true when `beyond` would return without waiting. */
	isReady(position: number): boolean {
		return this.#written > position || this.#state !== 'growing';
	}

	grow(bytes: number): void {
		this.#written += bytes;
		this.#wake();
	}

	/** Declares that the file is complete and has its final name. */
	end(sha256: string | undefined): void {
		this.sha256 = sha256;
		this.#state = 'ended';
		this.#wake();
	}

	/** Declares that the file will never be complete. Does nothing after `end`. */
	fail(error: Error): void {
		if (this.#state !== 'growing') return;
		this.#state = 'failed';
		this.#error = error;
		this.#wake();
	}

	throwIfFailed(): void {
		if (this.#error) throw this.#error;
	}

	/**
	 * Waits until there are bytes after `position`, and returns their end; undefined when the file has ended there.
	 * Throws when the file has failed, or when `signal` aborts.
	 */
	async beyond(position: number, signal: AbortSignal): Promise<number | undefined> {
		for (;;) {
			signal.throwIfAborted();
			this.throwIfFailed();
			if (this.#written > position) return this.#written;
			if (this.#state === 'ended') return undefined;
			await this.#change(signal);
		}
	}

	/**
	 * Waits for the writer or for the abort, and removes both listeners, since one file may be awaited a million times.
	 */
	#change(signal: AbortSignal): Promise<void> {
		return new Promise(resolve => {
			const wake = () => {
				signal.removeEventListener('abort', wake);
				resolve();
			};
			this.#waiters.push(wake);
			signal.addEventListener('abort', wake, {once: true});
		});
	}

	#wake(): void {
		const waiters = this.#waiters;
		this.#waiters = [];
		for (const resolve of waiters) resolve();
	}
}

/** Returns the source of an upload that follows `file`; `readInto` waits for its bytes. */
export function growingSource(
	file: GrowingFile,
	readInto: ReadInto,
): Required<Pick<PutSource, 'read' | 'readInto' | 'growing'>> {
	return {
		read: (offset, signal) => readChunks(readInto, offset, signal),
		readInto,
		growing: {
			isComplete: () => file.isComplete,
			isReady: offset => file.isReady(offset),
			async wait(offset, signal) {
				await file.beyond(offset, signal);
			},
		},
	};
}
