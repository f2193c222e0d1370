/** What is done without where a service lacks something. */
import assert from 'node:assert/strict';
import {randomBytes} from 'node:crypto';
import {describe, it} from 'node:test';
import {bytesSource} from '../../../source/storage/source.js';
import {withBucket} from '../../helpers/s3-bucket.js';
import {never} from '../../helpers/storage-tools.js';

const mebi = 1024 * 1024;

describe('s3 services that lack something', () => {
	const bytes = randomBytes(3 * mebi + 1);

	it('without CRC32 get an MD5 with every part', async () => {
		await withBucket({lacks: ['checksums']}, async ({server, open, context: {lines}}) => {
			const storage = await open();
			for (const [key, content] of [
				['small', bytes.subarray(0, 10)],
				['large', bytes],
			] as const) {
				const result = await storage.put(key, bytesSource(content), {signal: never});
				assert.deepEqual(result.proof, {by: 'etag'});
				assert.ok(server.objects.get(key)?.bytes.equals(content));
			}
			assert.equal(lines.filter(line => line.includes('MD5')).length, 1);
			const sent = server.requests.filter(one => one.action === 'UploadPart' && one.headers['content-md5']);
			assert.equal(sent.length, 4);
		});
	});

	it('without If-None-Match are looked at before each upload', async () => {
		await withBucket({lacks: ['conditions']}, async ({server, open}) => {
			const storage = await open();
			await storage.put('it', bytesSource(bytes), {signal: never, ifAbsent: true});
			await assert.rejects(storage.put('it', bytesSource(bytes), {signal: never, ifAbsent: true}), {code: 'EXISTS'});
			assert.equal(server.counts.get('CreateMultipartUpload'), 1);
		});
	});

	it('without batches have their objects removed one by one', async () => {
		await withBucket({lacks: ['batches']}, async ({server, open}) => {
			const storage = await open();
			for (const key of ['a', 'b']) await storage.put(key, bytesSource(bytes.subarray(0, 5)), {signal: never});
			assert.deepEqual(await storage.remove(['a', 'b'], {signal: never}), [{key: 'a'}, {key: 'b'}]);
			assert.equal(server.objects.size, 0);
		});
	});

	it('where we may not look are believed what they confirmed on the way, and nothing else', async () => {
		await withBucket({may: (_, action) => action !== 'HeadObject'}, async ({server, open}) => {
			const storage = await open();
			for (const content of [bytes, bytes.subarray(0, 10)]) {
				const result = await storage.put('it', bytesSource(content), {signal: never, ifAbsent: true});
				// The end of a multipart upload tells no CRC32 here.
				const proof = content.length > 10 ? {by: 'etag'} : {by: 'checksum', algorithm: 'crc32'};
				assert.deepEqual(result.proof, proof);
				await assert.rejects(storage.put('it', bytesSource(content), {signal: never, ifAbsent: true}), {
					code: 'EXISTS',
				});
				server.objects.clear();
			}
		});
		const may = (_: string, action: string) => action !== 'HeadObject' && action !== 'GetObject';
		await withBucket({may, lacks: ['checksums', 'md5Tags']}, async ({open}) => {
			const storage = await open();
			await assert.rejects(storage.put('it', bytesSource(bytes), {signal: never}), /access denied/);
		});
	});
});
