import {StorageError} from '../errors.js';
import type {Storage} from '../storage.js';

export type RetryBudget = {
	/** Milliseconds for which an operation may currently be retried. */
	readonly remaining: number;
	/** Restores the full budget: the remote has responded, even if with an error. */
	readonly recordAnswer: () => void;
	/** Empties the budget: one operation has used all of it. */
	readonly recordExhausted: () => void;
};

/**
 * Creates a budget that an unreachable remote uses up once instead of once for every file: afterwards each operation
 * gets a single attempt, until the remote responds.
 */
export function createRetryBudget(budget: number): RetryBudget {
	let left = budget;
	return {
		get remaining() {
			return left;
		},
		recordAnswer() {
			left = budget;
		},
		recordExhausted() {
			left = 0;
		},
	};
}

/** Records the outcome of each operation in the budget. Wraps the decorator that retries. */
export function withRetryBudget(storage: Storage, retryBudget: RetryBudget): Storage {
	const failed = (error: unknown): unknown => {
		if (error instanceof StorageError) {
			if (error.exhausted && networkFaults.has(error.fault)) retryBudget.recordExhausted();
			else if (!error.exhausted) retryBudget.recordAnswer();
		}
		return error;
	};
	const recorded = async <T>(work: () => Promise<T>): Promise<T> => {
		try {
			const value = await work();
			retryBudget.recordAnswer();
			return value;
		} catch (error) {
			throw failed(error);
		}
	};
	async function* listened<T>(items: AsyncIterable<T>): AsyncGenerator<T> {
		try {
			for await (const item of items) {
				retryBudget.recordAnswer();
				yield item;
			}
			retryBudget.recordAnswer();
		} catch (error) {
			throw failed(error);
		}
	}
	return {
		...storage,
		list: (prefix, options) => listened(storage.list(prefix, options)),
		get: (key, options) => listened(storage.get(key, options)),
		put: (key, source, options) => recorded(() => storage.put(key, source, options)),
		stat: (key, options) => recorded(() => storage.stat(key, options)),
		remove: (keys, options) => recorded(() => storage.remove(keys, options)),
	};
}

const networkFaults: ReadonlySet<string> = new Set(['network', 'timeout', 'throttled', 'server']);
