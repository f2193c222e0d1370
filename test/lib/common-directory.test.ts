import assert from 'node:assert/strict';
import {test} from 'node:test';
import {commonDirectory} from '../../source/lib/common-directory.js';

test('the directory that all names are in', () => {
	assert.equal(commonDirectory(['/b/x/a', '/b/x/c', '/b/xy']), '/b/');
	assert.equal(commonDirectory(['/b/a']), '/b/');
	assert.equal(commonDirectory(['/a', 'b']), '');
	assert.equal(commonDirectory(['a', '/b/c']), '');
	assert.equal(commonDirectory([]), '');
});
