/** Statements that are printed to be typed. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {display} from '../../source/lib/display.js';
import {identifier, literal, typeable} from '../../source/postgres/quote.js';

test('what a terminal does not show is escaped as in SQL, and everything else stays', () => {
	for (const [statement, typed] of [
		[`alter database "a\\b" rename to 'x'`, `alter database "a\\b" rename to 'x'`],
		[`rename to ${identifier('a\n"b"\\')}`, String.raw`rename to U&"a\000a""b""\\"`],
		[`is ${literal("a\n'b'")}`, String.raw`is E'a\u000a''b'''`],
		[`is ${literal('a\n\\b')}`, String.raw`is E'a\u000a\\b'`],
		[`is ${literal('\u{e0041}\u202e')}`, String.raw`is E'\U000e0041\u202e'`],
		[`"\u{e0041}"`, String.raw`U&"\+0e0041"`],
		['grant all\n\tto "E";', 'grant all  to "E";'],
	] as const) {
		assert.equal(typeable(statement), typed);
		assert.equal(display(typed), typed);
	}
});
