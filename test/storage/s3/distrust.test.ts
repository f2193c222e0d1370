/** Answers of S3 services that must not be taken as they are: ranges, keys, removals. */
import assert from 'node:assert/strict';
import {randomBytes} from 'node:crypto';
import {describe, it} from 'node:test';
import {wrapStorage} from '../../../source/storage/open.js';
import {bytesSource} from '../../../source/storage/source.js';
import type {Storage} from '../../../source/storage/storage.js';
import {withBucket} from '../../helpers/s3-bucket.js';
import {type S3Server, type S3ServerOptions} from '../../helpers/s3-server.js';
import {never, readAll} from '../../helpers/storage-tools.js';

const bytes = randomBytes(300_000);

function withServer(
	options: S3ServerOptions,
	run: (server: S3Server, storage: Storage, lines: readonly string[]) => Promise<void>,
): Promise<void> {
	return withBucket(options, async ({server, context, open}) =>
		run(server, wrapStorage(await open(), context), context.lines),
	);
}

async function put(storage: Storage, ...keys: readonly string[]): Promise<void> {
	for (const key of keys) await storage.put(key, bytesSource(bytes), {signal: never});
}

async function keysBelow(storage: Storage, prefix: string): Promise<string[]> {
	const keys: string[] = [];
	for await (const {key} of storage.list(prefix, {signal: never})) keys.push(key);
	return keys;
}

describe('a download that was interrupted', () => {
	it('is completed by a service that ignores ranges', async () => {
		await withServer({lacks: ['ranges']}, async (server, storage) => {
			await put(storage, 'a');
			server.faults.push({do: 'cut', after: 100_000, action: 'GetObject'});
			assert.ok(bytes.equals(await readAll(storage.get('a', {signal: never}))));
			assert.equal(server.counts.get('GetObject'), 2);
		});
	});

	it('does not take another range for the one that it asked for', async () => {
		await withServer({}, async (server, storage, lines) => {
			await put(storage, 'a');
			server.faults.push(
				{do: 'cut', after: 100_000, action: 'GetObject'},
				{
					do: 'raw',
					action: 'GetObject',
					status: 206,
					headers: {etag: `"${server.objects.get('a')?.etag}"`, 'content-range': 'bytes 0-199999/300000'},
					body: 'x'.repeat(200_000),
				},
			);
			assert.ok(bytes.equals(await readAll(storage.get('a', {signal: never}))));
			assert.match(
				lines.join('\n'),
				/the service sent the range bytes 0-199999\/300000 instead of the bytes from \d+ on/,
			);
		});
	});
});

describe('keys with segments that a proxy resolves', () => {
	const keys = ['../other/x', 'a/../../x', '..', './x', 'a/.'];

	it('are listed, so that each command refuses them by name', async () => {
		await withServer({}, async (server, storage) => {
			await put(storage, 'a', 'b..c', '.d', '...');
			const held = server.objects.get('a');
			for (const key of keys) if (held) server.objects.set(key, held);
			const listed = await keysBelow(storage, '');
			assert.deepEqual(listed.toSorted(), ['...', '.d', 'a', 'b..c', ...keys].toSorted());
		});
	});

	it('never become a request', async () => {
		await withServer({}, async (server, storage) => {
			for (const key of keys) {
				await assert.rejects(put(storage, key), {code: 'STORAGE', message: /the key has a segment/});
				await assert.rejects(readAll(storage.get(key, {signal: never})), {code: 'STORAGE'});
				await assert.rejects(storage.stat(key, {signal: never}), {code: 'STORAGE'});
			}
			const removed = await storage.remove(keys, {signal: never});
			for (const {error} of removed) assert.match(error?.message ?? '', /the key has a segment/);
			assert.deepEqual(server.requests, []);
		});
	});
});

it('objects outside the prefix are not listed, whatever the service returns', async () => {
	await withServer({}, async (server, storage) => {
		server.faults.push({
			do: 'raw',
			action: 'ListObjectsV2',
			status: 200,
			headers: {'content-type': 'application/xml'},
			body: `<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated>${['other', 'pre/x', 'pr']
				.map(key => `<Contents><Key>${key}</Key><Size>1</Size></Contents>`)
				.join('')}</ListBucketResult>`,
		});
		assert.deepEqual(await keysBelow(storage, 'pre/'), ['pre/x']);
	});
});

it('objects that a batch removal does not confirm are removed one by one', async () => {
	await withServer({}, async (server, storage) => {
		await put(storage, 'a:1', 'b', 'c');
		const answer = (inner: string) => ({
			do: 'raw' as const,
			action: 'DeleteObjects',
			status: 200,
			headers: {'content-type': 'application/xml'},
			body: `<?xml version="1.0"?><DeleteResult>${inner}</DeleteResult>`,
		});
		server.faults.push(answer('<Error><Key>a%3A1</Key><Code>AccessDenied</Code></Error>'));
		assert.deepEqual(await storage.remove(['a:1', 'b'], {signal: never}).then(all => all.slice(1)), [{key: 'b'}]);
		assert.deepEqual([...server.objects.keys()], ['c']);
		assert.equal(server.counts.get('DeleteObject'), 2);
	});
});
