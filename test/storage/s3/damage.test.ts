/** Uploads that S3 confirms and has not got as they were sent: found before they count, whatever the service proves. */
import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import {bytesSource} from '../../../source/storage/source.js';
import type {S3Fault} from '../../helpers/s3-requests.js';
import {startS3Server} from '../../helpers/s3-server.js';
import {never} from '../../helpers/storage-tools.js';
import {bucketInTrouble, failure, large, put, small} from './trouble.js';

describe('what s3 has is not what was sent', () => {
	const bucket = bucketInTrouble();
	const {open, assertHeld, assertNothing} = bucket;

	it('a 200 with an error in its body is no success', async () => {
		const {storage} = await open();
		bucket.server.faults.push({do: 'errorIn200', action: 'CompleteMultipartUpload'});
		await put(storage, large);
		assertHeld(large);
		assert.equal(bucket.server.counts.get('CompleteMultipartUpload'), 2);
		bucket.server.objects.clear();
		bucket.server.faults.push({do: 'errorIn200', action: 'CompleteMultipartUpload', times: 1e6});
		await assert.rejects(put(storage, large), failure('server', 'gave up after', 'internal error'));
		assertNothing();
	});

	const lies: readonly (readonly [string, S3Fault, Uint8Array, RegExp])[] = [
		['another checksum of a part', {do: 'wrongChecksum', action: 'UploadPart', times: 1e6}, large, /crc32/],
		['a flipped bit', {do: 'damage', how: 'flip', action: 'PutObject', times: 1e6}, small, /crc32/],
		['a missing byte', {do: 'damage', how: 'truncate', action: 'PutObject', times: 1e6}, small, /999 of 1000 bytes/],
		[
			'a missing byte at the end of many parts',
			{do: 'damage', how: 'truncate', action: 'CompleteMultipartUpload', times: 1e6},
			large,
			/of \d+ bytes/,
		],
	];
	for (const [what, fault, bytes, text] of lies) {
		it(`${what} is found`, async () => {
			const {storage} = await open({}, {retryBudget: 5000});
			bucket.server.faults.push(fault);
			await assert.rejects(put(storage, bytes), failure('corrupt', text));
			assert.equal(bucket.server.uploads.size, 0);
			if (fault.do === 'damage') assertNothing();
		});
	}

	it('an ETag that is no MD5 is no damage: the object is read back, until the service is known for it', async () => {
		const strange = await startS3Server({lacks: ['checksumAnswers'], tag: tag => tag.split('').toReversed().join('')});
		try {
			const {storage, lines} = await open({endpoint: strange.url});
			const proofs: string[] = [];
			for (const key of ['a', 'b', 'c', 'd'])
				proofs.push((await storage.put(key, bytesSource(small), {signal: never})).proof.by);
			assert.deepEqual(proofs, ['read back', 'read back', 'read back', 'size']);
			assert.match(lines.join('\n'), /the ETags of s3:\/\/bucket\/ are not MD5/);
		} finally {
			await strange.close();
		}
	});

	it('weak ETags and those that a proxy has marked are the same ETag', async () => {
		const mark = (tag: string, action: string) =>
			action === 'HeadObject' ? `W/"${tag}"` : action === 'PutObject' ? `"${tag}-gzip"` : `"${tag}"`;
		const proxied = await startS3Server({lacks: ['checksumAnswers'], tag: mark});
		try {
			const {storage} = await open({endpoint: proxied.url});
			for (const bytes of [small, large]) {
				const {proof} = await storage.put(`weak-${bytes.length}`, bytesSource(bytes), {signal: never});
				assert.deepEqual(proof, {by: 'etag'});
			}
			assert.equal(proxied.counts.get('GetObject'), undefined);
			assert.equal(proxied.counts.get('UploadPart'), 6);
		} finally {
			await proxied.close();
		}
	});

	it('parts that are not those that were sent last are found and put right', async () => {
		const {storage} = await open();
		bucket.server.faults.push({do: 'wrongEtag', action: 'UploadPart', part: 2});
		await put(storage, large);
		assertHeld(large);
		assert.equal(bucket.server.counts.get('UploadPart'), 6, 'the part itself was right');
		bucket.server.objects.clear();
		bucket.server.counts.clear();
		// A request of an aborted attempt arrives after ours, once; and then each time.
		let times = 1;
		const onProgress = (bytes: number) => {
			const part = [...bucket.server.uploads.values()][0]?.parts.get(3);
			if (bytes < large.length || !part || times-- <= 0) return;
			Object.assign(part, {bytes: Buffer.alloc(part.size), etag: '0'.repeat(32), crc32: 'AAAAAA=='});
		};
		await put(storage, large, {onProgress});
		assertHeld(large);
		assert.equal(bucket.server.counts.get('UploadPart'), 7);
		bucket.server.objects.clear();
		times = 10;
		await assert.rejects(put(storage, large, {onProgress}), failure('corrupt', 'InvalidPart'));
		assertNothing();
	});
});
