import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import {createTextIndex} from '../../source/ui/files/text-index.js';

describe('an index of texts', () => {
	it('finds each text by the number that it had first, while and after it grows', () => {
		const texts: string[] = [];
		const index = createTextIndex(number => texts[number] ?? '');
		for (let at = 0; at < 20_000; at++) {
			const text = `db_${at % 15_000}`;
			const expected = at < 15_000 ? texts.length : at - 15_000;
			if (at < 15_000) texts.push(text);
			assert.equal(index.put(text, texts.length - (at < 15_000 ? 1 : 0)), expected);
			assert.equal(index.find(`db_${Math.floor(at / 2) % 15_000}`), Math.floor(at / 2) % 15_000);
		}
		assert.equal(index.find('db_15000'), undefined);
	});
});
