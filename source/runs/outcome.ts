import {CancelledError, PgBackError} from '../core/errors.js';
import {plural} from '../lib/format.js';
import type {RunResult} from './context.js';

/** Exit codes that a run returns when all of its failures have the same one; a mixture gives 1. */
const SPECIFIC_EXIT_CODES = new Set([11, 12, 13, 14, 15, 16, 17, 18, 70]);

/**
 * Returns the result of a run, given all failures. A canceled run has the status of its signal, regardless of other
 * failures.
 */
export function resultOf(failures: readonly PgBackError[], signal: AbortSignal): RunResult {
	if (signal.aborted) {
		const reason: unknown = signal.reason;
		const error = reason instanceof PgBackError ? reason : new CancelledError();
		return {exitCode: error.exitCode, outcome: 'cancelled', error};
	}
	const [first, ...others] = failures;
	if (!first) return {exitCode: 0, outcome: 'done'};
	if (others.length === 0) return {exitCode: first.exitCode, outcome: 'failed', error: first};
	const [code, ...otherCodes] = new Set(failures.map(failure => failure.exitCode));
	const exitCode = code !== undefined && otherCodes.length === 0 && SPECIFIC_EXIT_CODES.has(code) ? code : 1;
	const error = new PgBackError(
		first.code,
		`${plural(failures.length, 'operation')} failed, the first: ${first.message}`,
		{
			cause: first,
			exitCode,
			...(first.hint !== undefined && {hint: first.hint}),
		},
	);
	return {exitCode, outcome: 'failed', error};
}
