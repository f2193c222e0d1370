import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import fc from 'fast-check';
import {display} from '../../source/lib/display.js';

describe('display', () => {
	it('shows what would act on a terminal or hide in it', () => {
		const cases: [string, string][] = [
			['plain é 日本 😀 \\x', 'plain é 日本 😀 \\x'],
			['a\nb\r\tc', 'a\\x0ab\\x0d\\x09c'],
			['\u001B]0;x\u0007\u009B2J\u007F', '\\x1b]0;x\\x07\\x9b2J\\x7f'],
			['a\u202Eb\u2066c\u200Bd\uFEFF', 'a\\u{202e}b\\u{2066}c\\u{200b}d\\u{feff}'],
			['\u{E0041}x\u180E', '\\u{e0041}x\\u{180e}'],
			['\uD800x\uDC00', '\\u{d800}x\\u{dc00}'],
		];
		for (const [raw, shown] of cases) assert.equal(display(raw), shown);
	});

	it('leaves no control, format or lone character in any text, and changes nothing twice', () => {
		fc.assert(
			fc.property(fc.string({unit: 'binary'}), text => {
				const shown = display(text);
				assert.ok(!/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u.test(shown));
				assert.ok(shown.isWellFormed());
				assert.equal(display(shown), shown);
			}),
		);
	});
});
