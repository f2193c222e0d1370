import assert from 'node:assert/strict';
import {test} from 'node:test';
import fc from 'fast-check';
import {formatEscapedList, parseCsvRecord, parseEscapedList} from '../../source/lib/comma-list.js';

test('a list on the command line is one CSV record', () => {
	const cases: readonly (readonly [string, readonly string[]])[] = [
		['', []],
		['a', ['a']],
		['a,b', ['a', 'b']],
		['a, b ,c', ['a', 'b', 'c']],
		['a,,b,', ['a', 'b']],
		['"a,b",c', ['a,b', 'c']],
		['"say ""hi"""', ['say "hi"']],
		[' "a b" , c', ['a b', 'c']],
		['a\nb', ['a\nb']],
	];
	for (const [text, items] of cases) assert.deepEqual(parseCsvRecord(text).value, items, text);
	for (const text of ['"a', 'a"b', '"a"b', 'a,"'])
		assert.match(parseCsvRecord(text).problem ?? '', /double quote/, text);
});

test('a list in a file escapes commas and backslashes', () => {
	const cases: readonly (readonly [string, readonly string[]])[] = [
		['', []],
		['a, b ,c', ['a', 'b', 'c']],
		['a,,b,', ['a', 'b']],
		[String.raw`a\,b,c\\d,e\f`, ['a,b', String.raw`c\d`, String.raw`e\f`]],
		['a\\', ['a\\']],
	];
	for (const [text, items] of cases) assert.deepEqual(parseEscapedList(text), items, text);
});

test('lists come back as they were', () => {
	const item = fc.string({unit: 'binary', minLength: 1}).filter(text => text === text.trim());
	fc.assert(fc.property(fc.array(item), items => assert.deepEqual(parseEscapedList(formatEscapedList(items)), items)));
	fc.assert(
		fc.property(fc.array(item), items => {
			const record = items.map(text => `"${text.replaceAll('"', '""')}"`).join(',');
			assert.deepEqual(parseCsvRecord(record).value, items);
		}),
	);
});
