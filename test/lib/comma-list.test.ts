import assert from 'node:assert/strict';
import {test} from 'node:test';
import fc from 'fast-check';
import {
	formatCsvRecord,
	formatEscapedList,
	parseCsvRecord,
	parseEscapedList,
	parsePatternList,
} from '../../source/lib/comma-list.js';

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

test('in a list of patterns, double quotes belong to SQL', () => {
	const cases: readonly (readonly [string, readonly string[]])[] = [
		['', []],
		['a, b.* ,,c', ['a', 'b.*', 'c']],
		['s."up.Per",t', ['s."up.Per"', 't']],
		['"a,""b"."c d " , "-"', ['"a,""b"."c d "', '"-"']],
		['" a\nb"', ['" a\nb"']],
	];
	for (const [text, items] of cases) assert.deepEqual(parsePatternList(text).value, items, text);
	for (const text of ['"a', 'a"b', 'a,"b""', '"""'])
		assert.match(parsePatternList(text).problem ?? '', /unterminated/, text);
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
	const any = fc.string({unit: 'binary', minLength: 1});
	fc.assert(fc.property(fc.array(any), items => assert.deepEqual(parseCsvRecord(formatCsvRecord(items)).value, items)));
});
