import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import fc from 'fast-check';
import {display} from '../../source/lib/display.js';
import {cellWidth, fit} from '../../source/lib/width.js';

describe('text in cells', () => {
	it('takes two for CJK and emoji, none for combining marks', () => {
		const cases: [string, number][] = [
			['', 0],
			['abc', 3],
			['日本', 4],
			['😀', 2],
			['e\u0301', 1],
			['👩‍👩‍👧', 2],
		];
		for (const [text, width] of cases) assert.equal(cellWidth(text), width, text);
	});

	it('is cut and padded to the width', () => {
		assert.equal(fit('abc', 5), 'abc  ');
		assert.equal(fit('abc', 5, {align: 'right'}), '  abc');
		assert.equal(fit('abcdef', 4), 'abc…');
		assert.equal(fit('abcdef', 5, {cut: 'middle'}), 'ab…ef');
		assert.equal(fit('abcdef', 5, {mark: '~'}), 'abcd~');
		assert.equal(fit('日本語', 4), '日… ');
		assert.equal(fit('abc', 0), '');
		assert.equal(fit('abc', -1), '');
		assert.equal(fit('abc', 1), '…');
	});

	it('has exactly the width, whatever the text', () => {
		const options = fc.record({align: fc.constantFrom('left', 'right'), cut: fc.constantFrom('end', 'middle')});
		fc.assert(
			fc.property(fc.string({unit: 'grapheme'}), fc.integer({min: 0, max: 20}), options, (text, width, how) => {
				assert.equal(cellWidth(fit(display(text), width, how)), width);
			}),
		);
	});
});
