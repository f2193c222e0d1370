import assert from 'node:assert/strict';
import {test} from 'node:test';
import fc from 'fast-check';
import {afterBytes} from '../../source/lib/chunk-list.js';

test('what is left after any number of bytes is the same bytes, and nothing empty', () => {
	fc.assert(
		fc.property(fc.array(fc.uint8Array({minLength: 1, maxLength: 5}), {maxLength: 6}), fc.nat(30), (pieces, many) => {
			const whole = Buffer.concat(pieces);
			const bytes = Math.min(many, whole.length);
			const left = afterBytes(pieces, bytes);
			assert.deepEqual(Buffer.concat(left), whole.subarray(bytes));
			assert.ok(left.every(piece => piece.length > 0));
		}),
	);
});
