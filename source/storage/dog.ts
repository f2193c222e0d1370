import {StorageError} from './errors.js';

/** Barks when nothing has been heard of one request for a while. */
export type Dog = {
	/** Aborted, with a time-out, when nothing was heard for too long. */
	readonly signal: AbortSignal;
	/** Says that something moved: the request may take as long again. */
	readonly alive: () => void;
	readonly stop: () => void;
};

/** Milliseconds. The caller stops it, however the request ends. */
export function startDog(milliseconds = 60_000): Dog {
	const controller = new AbortController();
	const timer = setTimeout(() => {
		controller.abort(new StorageError('timeout', `nothing was heard for ${Math.round(milliseconds / 1000)} s`));
	}, milliseconds);
	return {signal: controller.signal, alive: () => timer.refresh(), stop: () => clearTimeout(timer)};
}
