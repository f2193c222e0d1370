import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {test} from 'node:test';
import {
	CancelledError,
	describeSystemError,
	isDiskFull,
	isSystemError,
	messageOf,
	PgBackError,
	ProblemsError,
	toPgBackError,
} from '../../source/core/errors.js';

function systemError(): Error {
	try {
		readFileSync('/nonexistent/x');
	} catch (error) {
		return error as Error;
	}
	throw new Error('it is there');
}

test('system errors are told the way the tools of the system do', () => {
	const error = systemError();
	assert.ok(isSystemError(error));
	assert.equal(describeSystemError(error), 'open /nonexistent/x: no such file or directory');
	const ours = toPgBackError(error);
	assert.deepEqual(
		[ours.code, ours.exitCode, ours.message],
		['FILE_SYSTEM', 1, 'open /nonexistent/x: no such file or directory'],
	);
});

test('a full disk and a used up quota, which has no name', () => {
	const full = Object.assign(new Error('ENOSPC'), {code: 'ENOSPC', errno: -28, syscall: 'write'});
	const quota = Object.assign(new Error('Unknown system error -122'), {
		code: 'Unknown system error -122',
		errno: -122,
		syscall: 'write',
	});
	assert.deepEqual(
		[isDiskFull(full), isDiskFull(quota), isDiskFull(systemError()), isDiskFull(new Error('x'))],
		[true, true, false, false],
	);
	assert.equal(toPgBackError(quota).message, 'write: disk quota exceeded');
	for (const error of [full, quota]) assert.match(toPgBackError(error).hint ?? '', /free some space/);
});

test('whatever was thrown becomes one of ours, once, on one line', () => {
	const ours = new PgBackError('LOCKED', 'x');
	assert.equal(toPgBackError(ours), ours);
	const lost = Object.assign(new Error("Cannot find module '/lib/verify.js' imported from /lib/program.js"), {
		code: 'ERR_MODULE_NOT_FOUND',
	});
	assert.equal(toPgBackError(lost).exitCode, 1);
	assert.match(toPgBackError(lost).message, /^a part of pg_back itself is missing: .*verify\.js/);
	assert.deepEqual([toPgBackError('text').code, toPgBackError(new TypeError('a\n  b')).message], ['BUG', 'a b']);
	assert.deepEqual(
		[messageOf(undefined), messageOf(new Error('')), messageOf({}) !== ''],
		['undefined', 'unknown error', true],
	);
	assert.equal(new CancelledError('x', 143).exitCode, 143);
	assert.equal(new CancelledError().exitCode, 130);
	assert.equal(new ProblemsError('CONFIG', ['a', 'b']).message, 'a; b');
});
