import assert from 'node:assert/strict';
import {test} from 'node:test';
import fc from 'fast-check';
import {jsonLine} from '../../source/lib/json-line.js';

test('JSON on a line says the same as JSON.stringify, without what a terminal acts on', () => {
	fc.assert(
		fc.property(fc.array(fc.string({unit: 'binary'})), texts => {
			const line = jsonLine({texts});
			assert.deepEqual(JSON.parse(line), {texts});
			assert.doesNotMatch(line, /[\u0000-\u001F\u007F-\u009F\u2028\u2029\u202A-\u202E\u2066-\u2069\uFEFF]/);
		}),
	);
	assert.equal(jsonLine('a\u202Eb\u0085\u2028\u{E0041}'), String.raw`"a\u202eb\u0085\u2028\udb40\udc41"`);
});
