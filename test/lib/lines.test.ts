import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import fc from 'fast-check';
import {createLineSplitter} from '../../source/lib/lines.js';

function split(pieces: readonly string[], maxLength?: number): string[] {
	const lines: string[] = [];
	const splitter = createLineSplitter(line => lines.push(line), maxLength);
	for (const piece of pieces) splitter.push(piece);
	splitter.end();
	return lines;
}

describe('lines', () => {
	it('are the same however the text is cut', () => {
		const text = fc.string({unit: fc.constantFrom('a', 'b', '\n', '\r')});
		fc.assert(
			fc.property(text, fc.array(fc.nat()), (whole, cuts) => {
				const places = [0, ...cuts.map(cut => cut % (whole.length + 1)), whole.length].toSorted((a, b) => a - b);
				const pieces = places.slice(1).map((place, index) => whole.slice(places[index], place));
				const expected = whole.split('\n').map(line => line.replace(/\r$/, ''));
				if (whole === '' || whole.endsWith('\n')) expected.pop();
				assert.deepEqual(split(pieces), expected);
				if (whole.includes('\r')) return; // a cut line may end in one that was in the middle
				const short = expected.map(line => line.slice(0, 3));
				assert.deepEqual(split(pieces, 3), short);
			}),
		);
	});

	it('that are too long are cut, and the rest of them is dropped', () => {
		assert.deepEqual(split(['abcdefgh\nxy'], 3), ['abc', 'xy']);
		assert.deepEqual(split(['abcd', 'efgh', 'i\nxy\n'], 3), ['abc', 'xy']);
		assert.deepEqual(split(['abcd', 'efgh'], 3), ['abc']);
	});

	it('never make the splitter hold more than a line', () => {
		const lines = split(Array<string>(1000).fill('x'.repeat(10_000)));
		assert.deepEqual([lines.length, lines[0]?.length], [1, 16_384]);
	});
});
