import {setTimeout as wait} from 'node:timers/promises';

/** Time and randomness, replaceable in tests of retries and limits. */
export type Clock = {
	/** Returns milliseconds; only differences are meaningful. */
	readonly now: () => number;
	/** Rejects with the signal's reason when it aborts. */
	readonly sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
	/** Returns a number from 0 to 1. */
	readonly random: () => number;
};

export const systemClock: Clock = {
	now: () => performance.now(),
	async sleep(milliseconds, signal) {
		try {
			await wait(milliseconds, undefined, {signal});
		} catch (error) {
			signal.throwIfAborted();
			throw error;
		}
	},
	random: Math.random,
};
