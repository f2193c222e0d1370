import type {Storage} from './storage.js';

export type LazyStorageFacts = Pick<Storage, 'kind' | 'location' | 'isPermanent' | 'watchesIdle' | 'listsRanges'>;

/**
 * Returns a store that is opened by the first operation, and by the next one if that failed: opening must not delay a
 * dump, and a store that is unreachable now may be reachable when the dump is complete. `open` receives the signal of
 * the operation.
 */
export function lazyStorage(facts: LazyStorageFacts, open: (signal: AbortSignal) => Promise<Storage>): Storage {
	let current: Promise<Storage> | undefined;
	const opened = async (signal: AbortSignal): Promise<Storage> => {
		for (;;) {
			const known = current;
			const mine = (current ??= open(signal));
			try {
				return await mine;
			} catch (error) {
				if (current === mine) current = undefined;
				// If another operation was opening the store, the failure may be its abort.
				if (known === undefined || signal.aborted) throw error;
			}
		}
	};
	return {
		...facts,
		async *list(prefix, options) {
			yield* (await opened(options.signal)).list(prefix, options);
		},
		put: async (key, source, options) => (await opened(options.signal)).put(key, source, options),
		async *get(key, options) {
			yield* (await opened(options.signal)).get(key, options);
		},
		stat: async (key, options) => (await opened(options.signal)).stat(key, options),
		remove: async (keys, options) => (await opened(options.signal)).remove(keys, options),
		cleanup: async (prefix, options) => (await (await opened(options.signal)).cleanup?.(prefix, options)) ?? [],
		async close() {
			await (await current?.catch(() => undefined))?.close(); // the failure was thrown to the operation that opened it
		},
	};
}
