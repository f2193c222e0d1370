import {StorageError} from '../errors.js';
import type {Storage} from '../storage.js';

export type Patience = {
	/** Milliseconds for which one thing may be tried again now. */
	readonly budget: number;
	/** The remote has answered, be it with a refusal. */
	readonly answered: () => void;
	/** One thing was tried until nothing was left of the budget. */
	readonly exhausted: () => void;
};

/**
 * A remote that is gone costs the budget once, not once for every file: afterwards each operation has a single attempt, until one of
 * them is answered.
 */
export function createPatience(budget: number): Patience {
	let left = budget;
	return {
		get budget() {
			return left;
		},
		answered() {
			left = budget;
		},
		exhausted() {
			left = 0;
		},
	};
}

/** Tells `patience` how the operations end. Stands outside of the retries. */
export function withPatience(storage: Storage, patience: Patience): Storage {
	const failed = (error: unknown): unknown => {
		if (error instanceof StorageError) {
			if (error.exhausted && networkFaults.has(error.fault)) patience.exhausted();
			else if (!error.exhausted) patience.answered();
		}
		return error;
	};
	const told = async <T>(work: () => Promise<T>): Promise<T> => {
		try {
			const value = await work();
			patience.answered();
			return value;
		} catch (error) {
			throw failed(error);
		}
	};
	async function* listened<T>(items: AsyncIterable<T>): AsyncGenerator<T> {
		try {
			for await (const item of items) {
				patience.answered();
				yield item;
			}
			patience.answered();
		} catch (error) {
			throw failed(error);
		}
	}
	return {
		...storage,
		list: (prefix, options) => listened(storage.list(prefix, options)),
		get: (key, options) => listened(storage.get(key, options)),
		put: (key, source, options) => told(() => storage.put(key, source, options)),
		stat: (key, options) => told(() => storage.stat(key, options)),
		remove: (keys, options) => told(() => storage.remove(keys, options)),
	};
}

const networkFaults: ReadonlySet<string> = new Set(['network', 'timeout', 'throttled', 'server']);
