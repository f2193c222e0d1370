import assert from 'node:assert/strict';
import {test} from 'node:test';
import fc from 'fast-check';
import {display} from '../../source/lib/display.js';
import {decodeRaw, encodeRaw, hasRawBytes} from '../../source/lib/raw-text.js';

const hex = (text: string) => Buffer.from(text, 'hex');

test('valid UTF-8 is decoded as usual, other bytes are lone surrogates', () => {
	assert.equal(decodeRaw(Buffer.from('größe 日本 😀')), 'größe 日本 😀');
	assert.equal(decodeRaw(hex('67f66ce697a5')), 'g\uDCF6l日');
	assert.equal(decodeRaw(hex('eda080')), '\uDCED\uDCA0\uDC80'); // a surrogate in UTF-8 is not valid
	assert.equal(display(decodeRaw(hex('67f6'))), String.raw`g\xf6`);
	assert.equal(hasRawBytes('😀'), false);
	assert.equal(hasRawBytes('g\uDCF6'), true);
});

test('any bytes come back', () => {
	const pieces = fc.oneof(
		fc.uint8Array({maxLength: 4}),
		fc.string({unit: 'grapheme'}).map(text => Buffer.from(text)),
	);
	fc.assert(
		fc.property(fc.array(pieces), list => {
			const bytes = Buffer.concat(list);
			assert.deepEqual(encodeRaw(decodeRaw(bytes)), bytes);
		}),
	);
});
