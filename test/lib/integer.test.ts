import assert from 'node:assert/strict';
import {test} from 'node:test';
import fc from 'fast-check';
import {parseBytes, parseInteger} from '../../source/lib/integer.js';

test("whole numbers in Go's base-0 spelling", () => {
	const cases: readonly (readonly [string, number])[] = [
		['0', 0],
		['10', 10],
		['+10', 10],
		['-1', -1],
		['-0', 0],
		['0x1f', 31],
		['0X1F', 31],
		['-0x1', -1],
		['0o17', 15],
		['0O17', 15],
		['017', 15],
		['00', 0],
		['0b1', 1],
		['0B101', 5],
		['1_000', 1000],
		['0x_ff', 255],
		['0_7', 7],
	];
	for (const [text, value] of cases) assert.deepEqual(parseInteger(text), {value}, text);
});

test('what Go refuses is refused', () => {
	for (const text of ['', ' 1', '1 ', 'abc', '1.5', '08', '0x', '0b2', '1__0', '_1', '1_', '1e3', '--1', '+', '٣']) {
		assert.match(parseInteger(text).problem ?? '', /is not a whole number/, text);
	}
	assert.match(parseInteger('99999999999999999999').problem ?? '', /too large/);
});

test('what was probably meant is suggested', () => {
	for (const [text, meant] of [
		['08', '8? (a leading 0 means octal)'],
		['-019', '-19? (a leading 0 means octal)'],
		[' 4', '4?'],
		['1,000', '1000?'],
		['4.0', '4?'],
		['4.5', undefined],
		['four', undefined],
	] as const)
		assert.equal(/, did you mean (.*)$/.exec(parseInteger(text).problem ?? '')?.[1], meant, text);
	for (const [text, meant] of [
		['10MB/s', '10M?'],
		['1.5 gbps', '1.5G?'],
		['5 bytes', '5?'],
		['much', undefined],
	] as const)
		assert.equal(/, did you mean (.*)$/.exec(parseBytes(text).problem ?? '')?.[1], meant, text);
});

test('every safe integer is read back in each base', () => {
	fc.assert(
		fc.property(fc.maxSafeNat(), value => {
			for (const text of [
				String(value),
				`0x${value.toString(16)}`,
				`0o${value.toString(8)}`,
				`0${value.toString(8)}`,
				`0b${value.toString(2)}`,
			]) {
				assert.deepEqual(parseInteger(text), {value});
			}
		}),
	);
});

test('sizes in bytes have binary units', () => {
	const cases: readonly (readonly [string, number])[] = [
		['0', 0],
		['1048576', 1_048_576],
		['10M', 10 * 2 ** 20],
		['10 m', 10 * 2 ** 20],
		['1.5G', 1.5 * 2 ** 30],
		['512KiB', 512 * 1024],
		['1tb', 2 ** 40],
		['7B', 7],
	];
	for (const [text, value] of cases) assert.deepEqual(parseBytes(text), {value}, text);
	for (const text of ['', 'M', '-1', '1x', '1 K i B', '0x10'])
		assert.match(parseBytes(text).problem ?? '', /is not a size/, text);
	assert.match(parseBytes('99999999T').problem ?? '', /too large/);
});
