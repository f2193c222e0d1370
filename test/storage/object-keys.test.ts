import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import fc from 'fast-check';
import {compareUtf8} from '../../source/lib/compare-utf8.js';

describe('the order of keys', () => {
	it('is that of their UTF-8 bytes', () => {
		const key = fc.oneof(
			fc.string({unit: 'binary', maxLength: 6}),
			fc.string({
				unit: fc.constantFrom('a', 'b', '/', 'é', '\uE000', '\uFFFF', '\u{10000}', '\u{1F600}'),
				maxLength: 6,
			}),
		);
		fc.assert(
			fc.property(key, key, (a, b) => {
				assert.equal(Math.sign(compareUtf8(a, b)), Buffer.compare(Buffer.from(a), Buffer.from(b)));
			}),
			{numRuns: 2000},
		);
	});
});
