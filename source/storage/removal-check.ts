/** Checks that what a service confirmed as removed is gone. */
import {type Clock, systemClock} from './clock.js';
import {StorageError} from './errors.js';

/** Milliseconds between two looks: some services list a removed object for a few seconds. */
export const removalWaits: readonly number[] = [500, 1000, 2000, 4000];

export const stillThere = 'the removal was confirmed, but the object still exists';

/** Throws when `isThere` still returns true after all waits. */
export async function confirmGone(
	isThere: () => Promise<boolean>,
	{clock = systemClock, signal}: {readonly clock: Clock | undefined; readonly signal: AbortSignal},
): Promise<void> {
	for (const wait of [0, ...removalWaits]) {
		if (wait > 0) await clock.sleep(wait, signal);
		if (!(await isThere())) return;
	}
	throw new StorageError('server', stillThere);
}

/** The error for a removal that cannot be checked without permission to read. */
export function uncheckable(): StorageError {
	return new StorageError('forbidden', 'without read permission, its removal cannot be confirmed');
}
