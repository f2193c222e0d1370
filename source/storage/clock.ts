import {setTimeout as wait} from 'node:timers/promises';

/** Time and chance, so that tests of retries and limits need neither. */
export type Clock = {
	/** Milliseconds; only differences count. */
	readonly now: () => number;
	/** Rejects with the signal's reason when it is aborted. */
	readonly sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
	/** 0 to 1. */
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
