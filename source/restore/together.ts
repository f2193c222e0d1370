/** Runs parts of one job at the same time, which fail together. */
import {PgBackError} from '../core/errors.js';

/**
 * Runs all parts; the first that fails aborts the signal of the others. Returns or throws when all have ended. Throws
 * the error about damaged bytes if there is one, because the others may be its consequences, else the first one.
 */
export async function together(
	outer: AbortSignal,
	parts: readonly ((signal: AbortSignal) => Promise<void>)[],
): Promise<void> {
	const failing = new AbortController();
	const signal = AbortSignal.any([outer, failing.signal]);
	const running = parts.map(part => part(signal));
	for (const one of running) one.catch((error: unknown) => failing.abort(error));
	const results = await Promise.allSettled(running);
	outer.throwIfAborted();
	const failed = results.filter(result => result.status === 'rejected').map(result => result.reason as unknown);
	if (failed.length === 0) return;
	throw failed.find(error => error instanceof PgBackError && error.code === 'CORRUPT') ?? failing.signal.reason;
}
