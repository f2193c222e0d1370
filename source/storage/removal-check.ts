/** Checks that what a service confirmed as removed is gone. */
import {messageOf} from '../core/errors.js';
import {type Clock, systemClock} from './clock.js';
import {StorageError} from './errors.js';

/** Milliseconds between two looks: some services list a removed object for a few seconds. */
export const removalWaits: readonly number[] = [500, 1000, 2000, 4000];

export const stillThere = 'the removal was confirmed, but the object still exists';

/** The service confirmed a removal, but the check whether the object is gone has failed. */
export class UncheckedRemoval extends Error {
	override readonly name = 'UncheckedRemoval';

	constructor(cause: unknown) {
		super(`the service confirmed its removal, but whether it is gone is not known: ${messageOf(cause)}`, {cause});
	}
}

/** Says what is known of an object of ours, such as `the damaged object`, that could not be removed. */
export function remainsText(what: string, error: unknown): string {
	if (error instanceof UncheckedRemoval) return `${what} may still be there: ${error.message}`;
	return `${what} could not be removed: ${messageOf(error)}`;
}

/** Throws when `isThere` still returns true after all waits, and UncheckedRemoval when it fails. */
export async function confirmGone(
	isThere: () => Promise<boolean>,
	{clock = systemClock, signal}: {readonly clock: Clock | undefined; readonly signal: AbortSignal},
): Promise<void> {
	for (const wait of [0, ...removalWaits]) {
		try {
			if (wait > 0) await clock.sleep(wait, signal);
			if (!(await isThere())) return;
		} catch (error) {
			throw new UncheckedRemoval(error);
		}
	}
	throw new StorageError('server', stillThere);
}

/** The error for a removal that cannot be checked without permission to read. */
export function uncheckable(): StorageError {
	return new StorageError('forbidden', 'no permission to read it');
}
