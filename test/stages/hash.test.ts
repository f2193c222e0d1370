import assert from 'node:assert/strict';
import {createHash, randomBytes} from 'node:crypto';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {open} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, test} from 'node:test';
import fc from 'fast-check';
import {checksumAlgorithms} from '../../source/core/formats.js';
import {hashHandle, MultiHash, readSize} from '../../source/stages/hash.js';

const base = mkdtempSync(join(tmpdir(), 'pgb-hash-'));
after(() => rmSync(base, {recursive: true}));

test('every digest of the same bytes in one pass, however they come', () => {
	fc.assert(
		fc.property(fc.array(fc.uint8Array()), fc.subarray([...checksumAlgorithms]), (chunks, algorithms) => {
			const hash = new MultiHash([...algorithms, ...algorithms]);
			for (const chunk of chunks) hash.update(chunk);
			const whole = Buffer.concat(chunks);
			assert.equal(hash.bytes, whole.length);
			assert.deepEqual(
				hash.digests(),
				Object.fromEntries(algorithms.map(one => [one, createHash(one).update(whole).digest('hex')])),
			);
		}),
	);
});

for (const size of [0, 1, readSize - 1, readSize, readSize + 1, 3 * readSize + 17]) {
	test(`a file of ${size} bytes`, async () => {
		const bytes = randomBytes(size);
		const path = join(base, String(size));
		writeFileSync(path, bytes);
		const handle = await open(path);
		let counted = 0;
		const result = await hashHandle(handle, ['sha256'], new AbortController().signal, chunk => {
			counted += chunk.length;
		});
		assert.deepEqual(result, {size, digests: {sha256: createHash('sha256').update(bytes).digest('hex')}});
		assert.equal(counted, size);
		assert.deepEqual(await hashHandle(handle, [], new AbortController().signal), {size, digests: {}});
		await assert.rejects(hashHandle(handle, ['sha1'], AbortSignal.abort(new Error('stop'))), /stop/);
		await handle.close();
	});
}

test('11.1.14 what cannot be read is an error, never an empty digest', async () => {
	const handle = await open(base, 'r'); // a directory
	await assert.rejects(hashHandle(handle, ['sha256'], new AbortController().signal), {code: 'EISDIR'});
	await handle.close();
});
