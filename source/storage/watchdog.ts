import {StorageError} from './errors.js';

/** Aborts a request that makes no progress for a while. */
export type Watchdog = {
	/** Aborted with a timeout error when no progress was recorded for too long. */
	readonly signal: AbortSignal;
	/** Restarts the countdown. */
	readonly recordProgress: () => void;
	readonly stop: () => void;
};

/** Starts a watchdog that aborts after `milliseconds` without progress. The caller stops it when the request ends. */
export function startWatchdog(milliseconds = 60_000): Watchdog {
	const controller = new AbortController();
	const timer = setTimeout(() => {
		controller.abort(new StorageError('timeout', `no progress for ${Math.round(milliseconds / 1000)} s`));
	}, milliseconds);
	return {signal: controller.signal, recordProgress: () => timer.refresh(), stop: () => clearTimeout(timer)};
}
