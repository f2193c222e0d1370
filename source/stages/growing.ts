/** A file that is written from its beginning to its end, for a reader that follows it. */
export class GrowingFile {
	/** While it is being written; the final name comes at the end. */
	readonly path: string;
	readonly finalPath: string;
	#written = 0;
	#state: 'growing' | 'ended' | 'failed' = 'growing';
	#error: Error | undefined;
	#waiters: (() => void)[] = [];
	/** Lower-case hexadecimal, of the whole file; known at its end. */
	sha256: string | undefined;

	constructor(path: string, finalPath: string) {
		this.path = path;
		this.finalPath = finalPath;
	}

	get written(): number {
		return this.#written;
	}

	grow(bytes: number): void {
		this.#written += bytes;
		this.#wake();
	}

	/** The file is whole and has its final name. */
	end(sha256: string | undefined): void {
		this.sha256 = sha256;
		this.#state = 'ended';
		this.#wake();
	}

	/** It will never be whole. After `end` this does nothing. */
	fail(error: Error): void {
		if (this.#state !== 'growing') return;
		this.#state = 'failed';
		this.#error = error;
		this.#wake();
	}

	/**
	 * Waits until there are bytes after `position`, and says up to where; undefined when the file has ended there. Throws when it
	 * failed, or when `signal` is aborted.
	 */
	async beyond(position: number, signal: AbortSignal): Promise<number | undefined> {
		for (;;) {
			signal.throwIfAborted();
			if (this.#error) throw this.#error;
			if (this.#written > position) return this.#written;
			if (this.#state === 'ended') return undefined;
			await this.#change(signal);
		}
	}

	/** Waits for the writer, or for the abort; of neither anything is left: a file is waited for a million times. */
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
