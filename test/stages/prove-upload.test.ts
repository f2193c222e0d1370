/** Uploads to stores that keep other bytes than they were given: what is proven, what stays, and what is deleted. */
import assert from 'node:assert/strict';
import {createHash, randomBytes} from 'node:crypto';
import {test} from 'node:test';
import {PgBackError} from '../../source/core/errors.js';
import {markDisposable} from '../../source/lib/release.js';
import {StorageError} from '../../source/storage/errors.js';
import {bytesSource} from '../../source/storage/source.js';
import type {Storage} from '../../source/storage/storage.js';
import {createMemoryStorage} from '../helpers/memory-storage.js';
import {shipFile} from '../helpers/ship-file.js';
import {never, putBytes, readAll} from '../helpers/storage-tools.js';

const bytes = randomBytes(100_000);
const sha256 = createHash('sha256').update(bytes).digest('hex');
const flipped = Buffer.from(bytes);
flipped[50_000]! ^= 1;

/** A store that keeps `kept(attempt)` whatever it is given, metadata and all. */
function lying(
	kept: (attempt: number) => Buffer,
	more: Partial<Storage> = {},
): Storage & {readonly puts: () => number} {
	const memory = createMemoryStorage();
	let puts = 0;
	return {
		...memory,
		put: (key, _source, options) => memory.put(key, bytesSource(kept(++puts)), options),
		...more,
		puts: () => puts,
	};
}

/** Sends a local file of `bytes`. */
const ship = (storage: Storage, options?: {readonly deleteLocal?: boolean; readonly readBack?: boolean}) =>
	shipFile(storage, bytes, options);

/** A service that reports the checksum of what it was sent, whatever it keeps. */
function assuring(kept: (attempt: number) => Buffer): Storage & {readonly puts: () => number} {
	const storage = lying(kept);
	return {
		...storage,
		put: async (key, source, options) => ({
			...(await storage.put(key, source, options)),
			proof: {by: 'checksum', algorithm: 'crc32'},
		}),
		stat: async (key, options) => {
			const info = await storage.stat(key, options);
			return info && {...info, checksums: [{algorithm: 'sha256', from: 'checksum', value: sha256}]};
		},
	};
}

const refused =
	(storage: Storage): Storage['remove'] =>
	keys =>
		Promise.resolve(
			keys.map(key => ({key, error: new StorageError('forbidden', `no removal at ${storage.location}`)})),
		);

test('without a proof of the service the object is read back before the local file is deleted', async () => {
	const result = await ship(lying(() => bytes));
	assert.equal(result.error, undefined);
	assert.deepEqual(result.checked, ['read back']);
	assert.equal(result.isThere, false);
});

test('what is read back does not wait for the garbage collection', async () => {
	const memory = createMemoryStorage();
	const chunks: Uint8Array[] = [];
	const result = await ship(
		{
			...memory,
			async *get(key, options) {
				for await (const chunk of memory.get(key, options)) {
					const own = Buffer.allocUnsafeSlow(chunk.length);
					own.set(chunk);
					chunks.push(own);
					yield markDisposable(own);
				}
			},
		},
		{readBack: true},
	);
	assert.deepEqual([result.error, result.checked], [undefined, ['read back']]);
	assert.deepEqual(
		chunks.map(chunk => chunk.length),
		[0, 0],
	);
});

test('a file that stays is not read back, and is said to be checked by its size only', async () => {
	const result = await ship(
		lying(() => bytes),
		{deleteLocal: false},
	);
	assert.deepEqual([result.error, result.checked, result.isThere], [undefined, ['size only'], true]);
});

test('with read_back_uploads no checksum of the service counts', async () => {
	const trusted = await ship(assuring(() => flipped));
	assert.deepEqual([trusted.checked, trusted.isThere], [['crc32 computed by the service'], false]);
	for (const deleteLocal of [true, false]) {
		const storage = assuring(attempt => (attempt === 1 ? flipped : bytes));
		const result = await ship(storage, {deleteLocal, readBack: true});
		assert.equal(result.error, undefined);
		assert.deepEqual([result.checked, result.isThere, storage.puts()], [['read back'], !deleteLocal, 2]);
		assert.ok(bytes.equals(await readAll(storage.get('a.dump', {signal: never}))));
	}
});

test('with read_back_uploads an object that exists already is read back, too', async () => {
	const storage = assuring(() => flipped);
	await putBytes(storage, 'a.dump', bytes);
	const trusted = await ship(storage, {deleteLocal: false});
	assert.deepEqual(trusted.checked, ['it already existed, sha256 computed by the service']);
	const result = await ship(storage, {readBack: true});
	assert.match(String(result.error), /an object with different content already exists: its data differs/);
	assert.ok(result.isThere);
});

test('with read_back_uploads an object that cannot be read is an error', async () => {
	const storage: Storage = {
		...assuring(() => bytes),
		async *get() {
			throw new StorageError('forbidden', 'no permission to read');
		},
	};
	const result = await ship(storage, {readBack: true});
	assert.match(String(result.error), /no permission to read/);
	assert.ok(result.isThere);
});

test('an object whose download the store itself finds damaged is removed and sent again', async () => {
	const storage = lying(attempt => (attempt === 1 ? flipped : bytes));
	const {get} = storage;
	const checking: Storage = {
		...storage,
		async *get(key, options) {
			const all = await readAll(get(key, options));
			yield all;
			if (!all.equals(bytes)) throw new PgBackError('CORRUPT', 'the md5 of the received data is another one');
		},
	};
	const result = await ship(checking);
	assert.equal(result.error, undefined);
	assert.deepEqual([storage.puts(), result.checked, result.isThere], [2, ['read back'], false]);
	assert.ok(bytes.equals(await readAll(storage.get('a.dump', {signal: never}))));
});

test('an object that is sent back without end is not what was sent', {timeout: 30_000}, async () => {
	let sent = 0;
	const storage = lying(() => bytes, {
		async *get() {
			for (;;) {
				sent += flipped.length;
				yield await Promise.resolve(flipped);
			}
		},
	});
	const result = await ship(storage);
	assert.ok(result.error instanceof PgBackError);
	assert.match(result.error.message, /read back different data than was sent/);
	assert.equal(result.isThere, true);
	assert.ok(sent <= 4 * bytes.length, `${sent} bytes`);
});

test('an object that was damaged once is removed and sent again', async () => {
	const storage = lying(attempt => (attempt === 1 ? flipped : bytes));
	const result = await ship(storage);
	assert.equal(result.error, undefined);
	assert.deepEqual([result.checked, result.isThere, storage.puts()], [['read back'], false, 2]);
	assert.ok(bytes.equals(await readAll(storage.get('a.dump', {signal: never}))));
});

test('an object that is damaged each time is removed, and the local file stays', async () => {
	const storage = lying(() => flipped);
	const {error, isThere} = await ship(storage);
	assert.ok(error instanceof PgBackError && error.exitCode === 14, String(error));
	assert.match(error.message, /could not upload a\.dump to memory:.*read back different data.*was removed/);
	assert.ok(isThere);
	assert.equal(await storage.stat('a.dump', {signal: never}), undefined);
});

test('a damaged object that cannot be removed is named, and no later attempt accepts it', async () => {
	const storage: Storage = lying(() => flipped);
	const stubborn = {...storage, remove: refused(storage)};
	const first = await ship(stubborn);
	assert.match(String(first.error), /read back different data.*still there: no removal at/);
	assert.ok(first.isThere);
	const second = await ship(stubborn);
	assert.match(String(second.error), /an object with different content already exists/);
	assert.ok(second.isThere);
	assert.ok(await storage.stat('a.dump', {signal: never}), 'what was not made by this upload is not removed');
});

test('a damaged object that a lock keeps is not said to be removed', async () => {
	const remove: Storage['remove'] = keys => Promise.resolve(keys.map(key => ({key, kept: 'locked until 2031'})));
	const {error, isThere} = await ship({...lying(() => flipped), remove});
	assert.match(String(error), /the damaged object is still there: locked until 2031/);
	assert.ok(isThere);
});

test('our own sha256 in the metadata of an object proves nothing', async () => {
	const storage = createMemoryStorage();
	await storage.put('a.dump', bytesSource(flipped), {signal: never, metadata: () => ({sha256})});
	const {error, isThere} = await ship(storage);
	assert.ok(error instanceof PgBackError && error.code === 'EXISTS', String(error));
	assert.ok(isThere);
});

test('an object that is there already is accepted when it is read back the same', async () => {
	const storage = createMemoryStorage();
	await storage.put('a.dump', bytesSource(bytes), {signal: never, metadata: () => ({sha256: 'of something else'})});
	const result = await ship(storage);
	assert.deepEqual([result.error, result.isThere], [undefined, false]);
	assert.deepEqual(result.checked, ['it already existed, read back']);
});

test('without the right to read, an unproven upload succeeds and its local file stays with a warning', async () => {
	const memory = createMemoryStorage();
	const result = await ship({
		...memory,
		get() {
			throw new StorageError('forbidden', 'no reading');
		},
	});
	assert.deepEqual([result.error, result.isThere, result.checked], [undefined, true, ['size only']]);
	assert.match(result.logs, /is kept despite delete_uploaded/);
});

test('a checksum that the service computed spares the reading', async () => {
	const memory = createMemoryStorage();
	await memory.put('a.dump', bytesSource(bytes), {signal: never});
	const md5 = createHash('md5').update(bytes).digest('hex');
	const result = await ship({
		...memory,
		async stat(key, options) {
			const info = await memory.stat(key, options);
			return info && {...info, checksums: [{algorithm: 'md5', from: 'etag', value: md5}]};
		},
		get() {
			throw new Error('it was read');
		},
	});
	assert.deepEqual([result.error, result.isThere], [undefined, false]);
	assert.deepEqual(result.checked, ['it already existed, md5 ETag']);
});
