import assert from 'node:assert/strict';
import {PgBackError} from '../../source/core/errors.js';

/** For `assert.rejects`: accepts the error of damaged data, exit status 17. */
export function isCorrupt(error: unknown, message: RegExp): boolean {
	assert.ok(error instanceof PgBackError, String(error));
	assert.equal(error.code, 'CORRUPT', error.message);
	assert.equal(error.exitCode, 17);
	assert.match(error.message, message);
	return true;
}
