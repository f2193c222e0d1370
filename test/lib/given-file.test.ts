import assert from 'node:assert/strict';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, test} from 'node:test';
import {readGivenFile, readGivenFileSync} from '../../source/lib/given-file.js';

const root = mkdtempSync('/tmp/pgb-given-');
after(() => rmSync(root, {recursive: true, force: true}));

test('a file is read to its end, and no further than the limit', async () => {
	const path = join(root, 'file');
	const bytes = Buffer.alloc(200_000, 'a line\n');
	writeFileSync(path, bytes);
	assert.deepEqual(await readGivenFile(path, 200_000), bytes);
	assert.deepEqual(readGivenFileSync(path, 200_000), bytes);
	await assert.rejects(readGivenFile(path, 199_999), {code: 'EFBIG'});
	assert.throws(() => readGivenFileSync(path, 199_999), {code: 'EFBIG'});
	assert.equal((await readGivenFile('/dev/null')).length, 0);
});

test('a device that never ends is refused', async () => {
	await assert.rejects(readGivenFile('/dev/zero'), {code: 'EFBIG', path: '/dev/zero'});
	assert.throws(() => readGivenFileSync('/dev/zero'), {code: 'EFBIG', path: '/dev/zero'});
});
