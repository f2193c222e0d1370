import assert from 'node:assert/strict';
import {test} from 'node:test';
import {messageOf, PgBackError} from '../../source/core/errors.js';
import {redactUrls} from '../../source/lib/redact.js';

test('no password, signature or token of a URL stays; all else does', () => {
	const cases: readonly (readonly [string, string])[] = [
		['no route to https://u:secret@h/p', 'no route to https://********@h/p'],
		['https://secret@h/p', 'https://********@h/p'],
		['HTTP://u:a@secret@h:8080/?x=1', 'HTTP://********@h:8080/?x=1'],
		['postgres://u:secret@h/db', 'postgres://u:********@h/db'],
		['sftp://backup@nas:22/dir/', 'sftp://backup@nas:22/dir/'],
		['https://a/c?sv=1&sig=se%2Bcret&se=2', 'https://a/c?sv=1&sig=********&se=2'],
		['?X-Amz-Signature=secret&X-Amz-Date=1', '?X-Amz-Signature=********&X-Amz-Date=1'],
		['x?access_token=secret "y"', 'x?access_token=******** "y"'],
		['mail a@b, see http://h/a@b', 'mail a@b, see http://h/a@b'],
	];
	for (const [text, expected] of cases) assert.equal(redactUrls(text), expected);
});

test('every error of ours is redacted when it is made', () => {
	assert.doesNotMatch(new PgBackError('FAILED', 'GET https://u:secret@h failed').message, /secret/);
	assert.doesNotMatch(messageOf(new TypeError('Failed to parse URL from https://u:secret@h')), /secret/);
});
