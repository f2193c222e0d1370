import {messageOf} from '../core/errors.js';
import {type Clock, systemClock} from './clock.js';
import {isPermanentError, StorageError} from './errors.js';
import type {OpenContext} from './storage.js';

export type RetryOptions = {
	readonly signal: AbortSignal;
	readonly isPermanent: (error: unknown) => boolean;
	readonly clock?: Clock;
	/** Milliseconds from the first failure; 15 minutes by default. */
	readonly budget?: number;
	/** The longest wait before the first retry, in milliseconds; doubles each time, up to 30 s. */
	readonly firstDelay?: number;
	/** Called before each wait. `delay` is in milliseconds. */
	readonly onRetry?: (error: unknown, delay: number, attempt: number) => void;
};

export const defaultBudget = 15 * 60_000;
const longestDelay = 30_000;

/**
 * Returns the milliseconds before retry `attempt` (1, 2, …): exponential backoff with full jitter, and never less than
 * the service asked for.
 */
export function backoff(attempt: number, error: unknown, clock: Clock, firstDelay = 500): number {
	const jittered = clock.random() * Math.min(longestDelay, firstDelay * 2 ** (attempt - 1));
	const asked = error instanceof StorageError ? (error.retryAfter ?? 0) : 0;
	return Math.max(asked, jittered);
}

/** Creates a retrier, which after each failure either waits or throws the error. One for each operation. */
export function createRetrier(options: RetryOptions): {
	readonly failed: (error: unknown) => Promise<void>;
	readonly progressed: () => void;
} {
	const clock = options.clock ?? systemClock;
	const budget = options.budget ?? defaultBudget;
	let attempt = 0;
	let since: number | undefined;
	return {
		async failed(error) {
			options.signal.throwIfAborted();
			if (options.isPermanent(error)) throw error;
			since ??= clock.now();
			attempt++;
			const delay = backoff(attempt, error, clock, options.firstDelay);
			if (clock.now() + delay - since > budget) throw exhausted(error, attempt);
			options.onRetry?.(error, delay, attempt);
			await clock.sleep(delay, options.signal);
		},
		/** A later failure starts with a full budget. */
		progressed() {
			attempt = 0;
			since = undefined;
		},
	};
}

/** Creates a retrier for the requests of a store, with its clock and budget, that logs each retry. */
export function requestRetrier(
	context: OpenContext,
	signal: AbortSignal,
	isPermanent: RetryOptions['isPermanent'] = isPermanentError,
): ReturnType<typeof createRetrier> {
	return createRetrier({
		signal,
		isPermanent,
		clock: context.clock,
		budget: context.retryBudget,
		onRetry: (error, delay) =>
			context.log('warn', `${messageOf(error)}: trying again in ${(delay / 1000).toFixed(1)} s`),
	});
}

/**
 * Runs `work` until it succeeds, fails permanently, is aborted, or the budget is used up (the last error then contains
 * the number of attempts).
 */
export async function retrying<T>(work: (attempt: number) => Promise<T>, options: RetryOptions): Promise<T> {
	const retrier = createRetrier(options);
	for (let attempt = 1; ; attempt++) {
		try {
			return await work(attempt);
		} catch (error) {
			await retrier.failed(error);
		}
	}
}

function exhausted(error: unknown, attempts: number): unknown {
	if (!(error instanceof StorageError)) return error;
	const {fault, message, hint, retryAfter} = error;
	const times = attempts === 1 ? '' : ` (gave up after ${attempts} attempts)`;
	return new StorageError(fault, `${message}${times}`, {cause: error, hint, retryAfter, exhausted: true});
}
