import type {Storage} from './storage.js';

export type DeferredFacts = Pick<Storage, 'kind' | 'location' | 'isPermanent' | 'watchesIdle'>;

/**
 * A target that is opened by the first operation, and again by the next when that failed: opening it must not hold up a dump, and a
 * place that is not there now may be there when the dump is made. `open` gets the signal of the operation.
 */
export function deferred(facts: DeferredFacts, open: (signal: AbortSignal) => Promise<Storage>): Storage {
	let current: Promise<Storage> | undefined;
	const opened = async (signal: AbortSignal): Promise<Storage> => {
		for (;;) {
			const known = current;
			const mine = (current ??= open(signal));
			try {
				return await mine;
			} catch (error) {
				if (current === mine) current = undefined;
				// The failure of somebody else's opening may be their abort.
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
			await (await current?.catch(() => undefined))?.close(); // its failure was told to whoever asked
		},
	};
}
