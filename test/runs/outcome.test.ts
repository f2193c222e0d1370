import assert from 'node:assert/strict';
import {test} from 'node:test';
import fc from 'fast-check';
import {CancelledError, type ErrorCode, errorCodes, PgBackError} from '../../source/core/errors.js';
import {resultOf} from '../../source/runs/outcome.js';

const running = new AbortController().signal;
const failure = (code: ErrorCode) => new PgBackError(code, `it was ${code}`, {hint: 'mend it'});

test('nothing failed: 0; one: its own status; several of one kind: that status', () => {
	assert.deepEqual(resultOf([], running), {exitCode: 0, outcome: 'done'});
	const single = failure('LOCKED');
	assert.deepEqual(resultOf([single], running), {exitCode: 11, outcome: 'failed', error: single});
	const several = resultOf([single, failure('LOCKED')], running);
	assert.equal(several.exitCode, 11);
	assert.equal(several.error?.message, '2 operations failed, the first: it was LOCKED');
	assert.equal(several.error.hint, 'mend it');
});

test('different failures give 1; a canceled run has the status of its signal, regardless of failures', () => {
	assert.equal(resultOf([failure('LOCKED'), failure('DUMP_FAILED')], running).exitCode, 1);
	const cancelled = resultOf([failure('LOCKED')], AbortSignal.abort(new CancelledError('interrupted by SIGTERM', 143)));
	assert.deepEqual([cancelled.exitCode, cancelled.outcome], [143, 'cancelled']);
	assert.equal(resultOf([], AbortSignal.abort()).exitCode, 130);
});

test('never 0 with a failure, never a status that is not documented', () => {
	const codes = Object.keys(errorCodes) as ErrorCode[];
	fc.assert(
		fc.property(fc.array(fc.constantFrom(...codes), {minLength: 1}), chosen => {
			const {exitCode, outcome} = resultOf(chosen.map(failure), running);
			assert.equal(outcome, 'failed');
			assert.ok(exitCode > 0 && new Set<number>(Object.values(errorCodes)).has(exitCode));
		}),
	);
});
