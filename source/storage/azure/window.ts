/** Blocks in flight, and the bytes that are confirmed without a gap. */

/** Bytes of blocks in flight. */
const inFlight = 32 * 1024 * 1024;

export type Window = {
	/** Counts bytes that are already stored: they are reported with the first that are not. */
	readonly skip: (bytes: number) => void;
	/** Waits for capacity, then starts `send`. Throws the failure of an earlier block. */
	readonly add: (bytes: number, send: (signal: AbortSignal) => Promise<unknown>) => Promise<void>;
	/** Aborts everything in flight. */
	readonly stop: (error: unknown) => Promise<void>;
	/** Waits for all blocks. Throws the first failure. */
	readonly finish: () => Promise<void>;
};

export function createWindow(outer: AbortSignal, onProgress: ((bytes: number) => void) | undefined): Window {
	const failure = new AbortController();
	const signal = AbortSignal.any([outer, failure.signal]);
	const running = new Set<Promise<void>>();
	const queue: {readonly bytes: number; done: boolean}[] = [];
	let confirmed = 0;
	let moving = 0;
	let skipped = 0;
	const advance = (): void => {
		const before = confirmed;
		while (queue[0]?.done) confirmed += queue.shift()?.bytes ?? 0;
		if (confirmed > before) onProgress?.(confirmed);
	};
	const check = (): void => {
		outer.throwIfAborted();
		if (failure.signal.aborted) throw failure.signal.reason;
	};
	return {
		skip(bytes) {
			if (queue.length === 0) skipped += bytes;
			else queue.push({bytes, done: true});
		},
		async add(bytes, send) {
			if (skipped > 0) {
				confirmed += skipped;
				skipped = 0;
				onProgress?.(confirmed);
			}
			while (running.size > 0 && moving + bytes > inFlight) await Promise.race(running);
			check();
			const one = {bytes, done: false};
			queue.push(one);
			moving += bytes;
			const sending = send(signal).then(
				() => {
					one.done = true;
					moving -= bytes;
					if (!signal.aborted) advance();
				},
				(error: unknown) => failure.abort(error),
			);
			running.add(sending);
			void sending.finally(() => running.delete(sending));
		},
		async stop(error) {
			failure.abort(error);
			await Promise.all(running);
		},
		async finish() {
			await Promise.all(running);
			check();
			if (skipped > 0) onProgress?.(confirmed + skipped);
		},
	};
}
