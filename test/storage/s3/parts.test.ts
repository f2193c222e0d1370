/** How sizes become parts, and what a server receives. */
import assert from 'node:assert/strict';
import {randomBytes} from 'node:crypto';
import {describe, it} from 'node:test';
import fc from 'fast-check';
import {largestPart, partSizeOf, planParts} from '../../../source/storage/s3/parts.js';
import {bytesSource} from '../../../source/storage/source.js';
import {withBucket} from '../../helpers/s3-bucket.js';
import {chunked, never} from '../../helpers/storage-tools.js';

const mebi = 1024 * 1024;
const tebi = mebi * mebi;

describe('s3 parts', () => {
	const partsFor = (size: number, plan: ReturnType<typeof planParts>) => {
		let sent = 0;
		let number = 0;
		while (sent < size) {
			number++;
			sent += partSizeOf(plan, number, sent);
		}
		return number;
	};

	it('never are too many or too large, for any known size up to 48 TiB', () => {
		fc.assert(
			fc.property(fc.double({min: 0, max: 1, noNaN: true}), fc.constantFrom(1000, 10_000), (fraction, maxParts) => {
				const limit = maxParts === 10_000 ? 43 * tebi : 4 * tebi;
				const size = Math.floor(limit ** fraction);
				const plan = planParts({size, maxParts});
				assert.ok(plan.base <= largestPart);
				assert.ok(
					Math.ceil(size / plan.base) <= maxParts,
					`${Math.ceil(size / plan.base)} parts of ${plan.base} for ${size}`,
				);
			}),
		);
	});

	it('hold 48 TiB in 10,000 when the size is unknown', () => {
		assert.ok(partsFor(48 * tebi, planParts({})) <= 10_000);
		assert.ok(partsFor(4 * tebi, planParts({maxParts: 1000})) <= 1000);
	});

	it('stay equal up to twice the prediction, and hold far more than that', () => {
		const expectedSize = 100 * 1024 * mebi;
		const plan = planParts({expectedSize});
		assert.equal(partSizeOf(plan, 9000, 2 * expectedSize - 1), partSizeOf(plan, 1, 0));
		assert.ok(partsFor(4 * tebi, plan) <= 10_000);
	});

	it('are what a server that counts gets', async () => {
		const maxParts = process.env['PG_BACK_TEST_FULL'] === '1' ? 10_000 : 1000;
		await withBucket({maxParts}, async ({server, open}) => {
			const storage = await open({partSize: 4096, maxParts});
			const bytes = randomBytes(maxParts * 4096 - 3);
			await storage.put('known', bytesSource(bytes), {signal: never});
			await storage.put('unknown', {read: () => chunked(bytes, 100_000)}, {signal: never});
			for (const key of ['known', 'unknown']) assert.ok(server.objects.get(key)?.bytes.equals(bytes), key);
			const parts = server.requests.filter(one => one.action === 'UploadPart' && one.key === 'known').length;
			assert.ok(parts > maxParts * 0.8 && parts <= maxParts * 0.9, `${parts} parts`);
			const few = await open({partSize: 16, maxParts: 10});
			await assert.rejects(
				few.put('endless', {read: () => chunked(bytes, 100)}, {signal: never, expectedSize: 1}),
				/more than 10 parts/,
			);
			assert.equal(server.uploads.size, 0);
		});
	});

	it('that are too large for memory are read twice and arrive whole, also unsigned and at a service without CRC32', async () => {
		for (const lacks of [[], ['checksums']] as const) {
			await withBucket({lacks}, async ({server, open}) => {
				const storage = await open({partSize: 17 * mebi, concurrency: 2});
				const bytes = randomBytes(40 * mebi + 5);
				let reads = 0;
				const source = {
					size: bytes.length,
					read(offset: number) {
						reads++;
						return chunked(bytes.subarray(offset), 300_000);
					},
				};
				await storage.put('big', source, {signal: never});
				assert.ok(server.objects.get('big')?.bytes.equals(bytes));
				assert.equal(server.requests.filter(one => one.action === 'UploadPart').length, 3);
				assert.equal(reads, 4);
				await storage.put(
					'one',
					{...source, size: 16.5 * mebi, read: () => chunked(bytes.subarray(0, 16.5 * mebi), 300_000)},
					{signal: never},
				);
				assert.equal(server.objects.get('one')?.size, 16.5 * mebi);
			});
		}
	});
});
