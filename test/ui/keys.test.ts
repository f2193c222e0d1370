import assert from 'node:assert/strict';
import {test} from 'node:test';
import type {Key} from 'ink';
import {readKeys} from '../../source/ui/keys.js';

const plain = {} as Key;

test('a paste keeps the Enter behind it, and only that of one line', () => {
	assert.deepEqual(readKeys('a pasted passphrase\r', plain), [
		{kind: 'paste', text: 'a pasted passphrase', enter: true},
	]);
	assert.deepEqual(readKeys('a pasted passphrase\r\n', plain), [
		{kind: 'paste', text: 'a pasted passphrase', enter: true},
	]);
	assert.deepEqual(readKeys('a pasted passphrase', plain), [{kind: 'paste', text: 'a pasted passphrase'}]);
	assert.deepEqual(readKeys('two pasted\nlines of text\n', plain), [{kind: 'paste', text: 'two pasted lines of text'}]);
});

test('what is typed quickly is single keys', () => {
	assert.deepEqual(
		readKeys('abc\r', plain).map(typed => typed.kind === 'key' && typed.name),
		['a', 'b', 'c', 'enter'],
	);
});
