import assert from 'node:assert/strict';
import {test} from 'node:test';
import {isConfirmed, textToType} from '../../source/lib/confirmation.js';

const names = ['app', 'a,b', 'a"b', '"', ' app', 'app ', 'a\nb', '-x', 'Ü', '\u202Ex', "it's"];

test('what is shown can be typed, and confirms that name only', () => {
	for (const name of names) {
		const text = textToType([name]);
		assert.match(text, /^[^\n\u202E]*$/);
		assert.ok(isConfirmed(text, [name]), text);
		assert.ok(isConfirmed(name, [name]), text);
		for (const other of names.filter(one => one !== name)) assert.ok(!isConfirmed(text, [other]), other);
	}
});

test('several names are a list, in any order', () => {
	assert.ok(isConfirmed(textToType(names), names));
	assert.ok(isConfirmed('b, a', ['a', 'b']));
	assert.ok(isConfirmed('"a,b",c', ['a,b', 'c']));
	for (const typed of ['a,b,c', 'a,b', 'a,b,c,d', '', '"a,b"', 'a,a'])
		assert.ok(!isConfirmed(typed, ['a,b', 'c']), typed);
});

test('nothing is confirmed by an empty line, or spaces', () => {
	for (const typed of ['', ' ']) assert.ok(!isConfirmed(typed, ['app']));
	assert.ok(!isConfirmed('', []));
});
