import assert from 'node:assert/strict';
import {test} from 'node:test';
import fc from 'fast-check';
import {joinWords, splitWords} from '../../source/lib/shell-words.js';

test('words are split as a shell does, without expansion', () => {
	const cases: readonly (readonly [string, readonly string[]])[] = [
		['', []],
		['  ', []],
		['a b', ['a', 'b']],
		['a\tb\nc\u00A0d', ['a', 'b', 'c', 'd']],
		[`'a b'"c d"e`, ['a bc de']],
		[String.raw`"a\"b\\c\d"`, [String.raw`a"b\c\d`]],
		[String.raw`a\ b\'c\n`, [`a b'cn`]],
		[String.raw`'a\b'`, [String.raw`a\b`]],
		[`-O '' ""x ""`, ['-O', '', 'x', '']],
		['$HOME `x` *.c # no comment', ['$HOME', '`x`', '*.c', '#', 'no', 'comment']],
	];
	for (const [text, words] of cases) assert.deepEqual(splitWords(text).value, words, text);
});

test('what is not closed is refused', () => {
	for (const [text, place] of [
		[`'a`, 1],
		[`a "b`, 3],
		[`"a\\`, 1],
		[`a'`, 2],
		[`'🐘' "`, 5],
	] as const)
		assert.equal(splitWords(text).problem, `unterminated quote that begins at character ${place}`, text);
	assert.equal(splitWords('a\\').problem, 'trailing backslash at character 2');
});

test('joined words split into the same words', () => {
	fc.assert(
		fc.property(fc.array(fc.string({unit: 'binary'})), words =>
			assert.deepEqual(splitWords(joinWords(words)).value, words),
		),
	);
	fc.assert(
		fc.property(fc.string({unit: fc.constantFrom(...Array.from(` '"\\ab`))}), text => assert.ok(splitWords(text))),
	);
	assert.equal(joinWords(['pg_dump', '--table=a.b', 'x y', `it's`]), String.raw`pg_dump --table=a.b 'x y' 'it'\''s'`);
});
