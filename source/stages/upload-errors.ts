/** Errors of uploads without a local copy. */
import {CancelledError, PgBackError, toPgBackError} from '../core/errors.js';
import type {Shipment} from './send-file.js';

/** Returns the error of a dump that was lost with its upload. */
export function lostWith(error: unknown): PgBackError {
	const {message, hint, ...rest} = toPgBackError(error);
	if (error instanceof CancelledError) return error;
	return new PgBackError('DUMP_FAILED', `the upload of the dump failed, and there is no local copy: ${message}`, {
		cause: error,
		hint: `${hint === undefined ? '' : `${hint}; `}a retry dumps again`,
		output: rest.output,
	});
}

/** Returns the error of an upload of which only the size could be checked. */
export function unproven({key, location}: Shipment): PgBackError {
	return new PgBackError('STORAGE', `only the size of ${key} at ${location} could be checked`, {
		hint: 'without a local copy the upload must be proven: give pg_back the right to read what it uploads',
	});
}
