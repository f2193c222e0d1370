/** Which members a directory dump must have, and which of them may be empty. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import type {Content} from '../../source/stages/artifact.js';
import {missingMember} from '../../source/stages/directory-check.js';

const content = (name: string, plainSize = 1): Content => ({name: `app.d/${name}`, plainSize, plainDigests: {}});
const expected = new Set(['1.dat', 'blob_7.dat']);

test('a member that is missing is named, whatever its compression', () => {
	assert.equal(
		missingMember(expected, [content('toc.dat'), content('1.dat.gz'), content('blob_7.dat.zst')]),
		undefined,
	);
	assert.equal(missingMember(expected, [content('1.dat')]), 'blob_7.dat is missing');
	assert.equal(missingMember(expected, [content('toc.dat')]), '1.dat is missing, and 1 more');
});

test('an empty file is an empty large object without gzip, which always writes a header', () => {
	for (const end of ['', '.zst', '.lz4'])
		assert.equal(missingMember(expected, [content('1.dat'), content(`blob_7.dat${end}`, 0)]), undefined);
	assert.equal(missingMember(expected, [content('1.dat'), content('blob_7.dat.gz', 0)]), 'blob_7.dat.gz is empty');
});
