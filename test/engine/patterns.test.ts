import assert from 'node:assert/strict';
import {test} from 'node:test';
import {selector} from '../../source/engine/patterns.js';

const keys = [
	'a_2026-01-01T00:00:00Z.dump',
	'b_2026-01-01T00:00:00Z.d/toc.dat',
	'pre/a_2026-01-01T00:00:00Z.dump.age',
	'pre/a/dumps/a_2026-01-01T00:00:00Z.sql.gz',
	'docs/read_me.txt',
	'read_me.txt',
];
const select = (...patterns: string[]) => keys.filter(selector(patterns, 'pre/')).map(key => keys.indexOf(key));

test('a pattern selects by the whole key, the key behind the prefix, or the base name of a dump', () => {
	assert.deepEqual(select(), [0, 1, 2, 3, 4, 5]);
	assert.deepEqual(select('a_*'), [0, 2, 3]);
	assert.deepEqual(select('pre/a_*'), [2]);
	assert.deepEqual(select('*/dumps/*'), [3]);
	assert.deepEqual(select('*.dat'), []);
	assert.deepEqual(select('b_*', 'b_*.d/*'), [1]);
	assert.deepEqual(select('*.txt'), [5]);
	assert.deepEqual(select('A_*'), []);
	assert.throws(() => select('[a'), {code: 'USAGE', message: /malformed pattern \[a/});
});
