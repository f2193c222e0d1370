import {createRetrier, retrying, type RetryOptions} from '../retrying.js';
import type {Storage} from '../storage.js';

export type RetrySettings = Pick<RetryOptions, 'clock' | 'budget' | 'firstDelay'> & {
	readonly onRetry?: (error: unknown, delay: number, attempt: number) => void;
};

/**
 * Tries again what may pass: a listing after the last key that it gave, a download at its offset, an upload with the journal
 * that it left. The budget counts from the last time when something moved.
 */
export function withRetry(storage: Storage, settings: RetrySettings = {}): Storage {
	const {isPermanent} = storage;
	const retrier = (signal: AbortSignal) => createRetrier({...settings, signal, isPermanent});
	return {
		...storage,
		async *list(prefix, options) {
			const {failed, progressed} = retrier(options.signal);
			for (let {after} = options; ;) {
				try {
					for await (const object of storage.list(prefix, {...options, after})) {
						after = object.key;
						progressed();
						yield object;
					}
					return;
				} catch (error) {
					await failed(error);
				}
			}
		},
		async *get(key, options) {
			const {failed, progressed} = retrier(options.signal);
			for (let {offset = 0} = options; ;) {
				try {
					for await (const chunk of storage.get(key, {...options, offset})) {
						offset += chunk.length;
						progressed();
						yield chunk;
					}
					return;
				} catch (error) {
					await failed(error);
				}
			}
		},
		async put(key, source, options) {
			const {failed, progressed} = retrier(options.signal);
			const {onJournal, onProgress} = options;
			let {journal} = options;
			let confirmed = 0;
			for (;;) {
				try {
					return await storage.put(key, source, {
						...options,
						journal,
						onJournal:
							onJournal &&
							(state => {
								journal = state;
								onJournal(state);
							}),
						onProgress(bytes) {
							if (bytes > confirmed) progressed();
							confirmed = Math.max(bytes, confirmed);
							onProgress?.(bytes);
						},
					});
				} catch (error) {
					await failed(error);
				}
			}
		},
		stat: (key, options) =>
			retrying(() => storage.stat(key, options), {...settings, signal: options.signal, isPermanent}),
		remove: (keys, options) =>
			retrying(() => storage.remove(keys, options), {...settings, signal: options.signal, isPermanent}),
	};
}
