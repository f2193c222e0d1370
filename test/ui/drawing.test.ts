/** The parts that screens are made of: bars, windows of lists, and texts cut to cells. */
import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import fc from 'fast-check';
import {cellWidth} from '../../source/lib/width.js';
import {asciiGlyphs, unicodeGlyphs} from '../../source/ui/glyphs.js';
import {bar, movingMark, percent} from '../../source/ui/layout/bar.js';
import {moveCursor, windowTop} from '../../source/ui/layout/window.js';
import {cutLine, keepEnd, lineWidth, span, spread} from '../../source/ui/text.js';

describe('bars, windows and texts', () => {
	it('never invents a percentage', () => {
		assert.equal(percent(1), '99%');
		assert.equal(percent(0.719, true), '~71%');
		fc.assert(
			fc.property(fc.double({min: -1, max: 2, noNaN: true}), fc.integer({min: 1, max: 80}), (fraction, width) => {
				for (const glyphs of [unicodeGlyphs, asciiGlyphs]) assert.equal(lineWidth(bar(fraction, width, glyphs)), width);
			}),
		);
		fc.assert(
			fc.property(fc.nat(1000), fc.integer({min: 1, max: 30}), (tick, width) =>
				assert.equal(lineWidth(movingMark(tick, width, unicodeGlyphs)), width),
			),
		);
	});

	it('keeps the cursor in the window and the window in the list', () => {
		fc.assert(
			fc.property(
				fc.nat(500),
				fc.nat(500),
				fc.integer({min: 1, max: 60}),
				fc.integer({min: 1, max: 400}),
				(top, at, height, count) => {
					const cursor = Math.min(at, count - 1);
					const first = windowTop(top, cursor, height, count);
					assert.ok(first >= 0 && first <= cursor && cursor < first + height);
					assert.ok(first + height <= Math.max(count, height));
					assert.ok(moveCursor(cursor, 'pageDown', height, count) < count);
				},
			),
		);
	});

	it('cuts any text to cells, wide and combining characters among it', () => {
		const text = fc
			.array(fc.constantFrom('a', '数', 'é', 'e\u0301', '👍', ' ', '☕', '👨‍👩‍👧'), {maxLength: 40})
			.map(parts => parts.join(''));
		fc.assert(
			fc.property(text, text, fc.integer({min: 1, max: 60}), (left, right, width) => {
				assert.ok(lineWidth(cutLine([span(left), span(right)], width)) <= width);
				assert.ok(lineWidth(spread([span(left)], [span(right)], width)) <= width);
				assert.ok(cellWidth(keepEnd(left, width)) <= width);
			}),
		);
	});
});
