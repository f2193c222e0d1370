/** The conformance suite that every target passes on a real server: what storage/storage.ts promises, and nothing of a target's own. */
import assert from 'node:assert/strict';
import {createHash, randomBytes} from 'node:crypto';
import {after, before, describe, it} from 'node:test';
import {PgBackError} from '../../source/core/errors.js';
import {compareUtf8} from '../../source/lib/compare-utf8.js';
import {isMissing, isReplaced, StorageError} from '../../source/storage/errors.js';
import {bytesSource} from '../../source/storage/source.js';
import type {PutOptions, PutSource, Storage, StorageObject} from '../../source/storage/storage.js';
import {isStorageFailure, names, type Suite, type SuitePlace, type SuiteTraits} from './storage-suite-context.js';
import {failureTests} from './storage-suite-failures.js';
import {chunked, collect, hostileKeys, isSupportedOr, listKeys, never, readAll} from './storage-tools.js';

const full = process.env['PG_BACK_TEST_FULL'] === '1';

export function storageSuite(name: string, open: () => Promise<SuitePlace>, traits: SuiteTraits): void {
	describe(`${name}: the storage contract`, () => {
		let place: SuitePlace;
		let storage: Storage;
		before(async () => {
			place = await open();
			({storage} = place);
		});
		after(async () => {
			await place.storage.close();
			await place.storage.close();
			await place.forbidden?.close();
			await place.close();
		});
		const large = traits.large ?? 3 * 1024 * 1024;
		const test = (title: string, run: () => Promise<void>): void => {
			void it(title, {skip: traits.skip?.[title] ?? false}, run);
		};
		const put = (key: string, source: PutSource | Uint8Array, options: Partial<PutOptions> = {}) =>
			storage.put(key, source instanceof Uint8Array ? bytesSource(source) : source, {signal: never, ...options});
		const get = (key: string, offset?: number) => readAll(storage.get(key, {signal: never, offset}));
		const stat = (key: string) => storage.stat(key, {signal: never});
		/** Versions differ from run to run. */
		const remove = async (keys: readonly string[]) =>
			(await storage.remove(keys, {signal: never})).map(({version: _version, ...result}) => result);
		/** Nothing is visible under `key`, nor left beside it. */
		const assertNothing = async (key: string) => {
			// The server may close the connection of the upload that it just refused, while the next request is on its way.
			const found = await stat(key).catch((error: unknown) => {
				if (error instanceof StorageError && error.fault === 'network') return stat(key);
				throw error;
			});
			assert.equal(found, undefined);
			assert.deepEqual(await listKeys(storage, key), []);
			if (place.everything)
				assert.deepEqual(
					(await place.everything()).filter(one => one.includes(folderOf(key))),
					[],
				);
		};

		const suite: Suite = {
			get place() {
				return place;
			},
			get storage() {
				return storage;
			},
			...{traits, large, test, put, get, stat, assertNothing},
		};

		test('says what and where it is', async () => {
			assert.match(storage.kind, /^[a-z0-9]+$/);
			assert.match(storage.location, /\/$/);
		});

		test('puts, stats, gets, lists and removes', async () => {
			const bytes = randomBytes(70_000);
			const result = await put('basic/one.dump', bytes);
			assert.equal(result.size, bytes.length);
			assert.ok(['checksum', 'etag', 'size'].includes(result.proof.by));
			const info = await stat('basic/one.dump');
			assert.equal(info?.size, bytes.length);
			if (info.modified !== undefined)
				assert.ok(Math.abs(info.modified - Date.now()) < 3_600_000, 'a time of about now');
			assert.deepEqual(await get('basic/one.dump'), bytes);
			const [object, ...others] = files(await collect(storage.list('basic/', {signal: never})));
			assert.deepEqual(others, []);
			assert.deepEqual([object?.key, object?.size], ['basic/one.dump', bytes.length]);
			assert.deepEqual(await remove(['basic/one.dump']), [{key: 'basic/one.dump'}]);
			await assertNothing('basic/one.dump');
		});

		test('holds an empty object', async () => {
			assert.equal((await put('empty/zero', new Uint8Array())).size, 0);
			assert.equal((await stat('empty/zero'))?.size, 0);
			assert.deepEqual(await get('empty/zero'), Buffer.alloc(0));
			assert.deepEqual(await listKeys(storage, 'empty/'), ['empty/zero']);
		});

		test('takes a size that is unknown', async () => {
			for (const [key, length] of [
				['unknown/small', 1000],
				['unknown/large', large],
				['unknown/none', 0],
			] as const) {
				const bytes = randomBytes(length);
				assert.equal((await put(key, {read: () => chunked(bytes, 9973)})).size, length);
				assert.ok(bytes.equals(await get(key)), key);
			}
		});

		test('takes a large object, reads parts of it, and reports progress that grows to its size', async () => {
			const bytes = randomBytes(large);
			const seen: number[] = [];
			const digest = createHash('sha256').update(bytes).digest('hex');
			const source = {size: large, read: (offset: number) => chunked(bytes.subarray(offset), 65_536)};
			await put('large/object', source, {onProgress: at => seen.push(at), sha256: () => digest});
			assert.equal(seen.at(-1), large);
			assert.deepEqual(
				seen,
				seen.toSorted((a, b) => a - b),
			);
			assert.ok(bytes.equals(await get('large/object')));
			assert.ok(bytes.subarray(large - 777).equals(await get('large/object', large - 777)));
			assert.ok(bytes.subarray(1).equals(await get('large/object', 1)));
			assert.equal((await get('large/object', large)).length, 0);
		});

		test('replaces an object', async () => {
			await put('replace/it', Buffer.from('first and longer'));
			await put('replace/it', Buffer.from('second'));
			assert.equal((await get('replace/it')).toString(), 'second');
			assert.deepEqual(await listKeys(storage, 'replace/'), ['replace/it']);
		});

		test('a download continues at an offset in the version that it began with, and in no other', async () => {
			const bytes = randomBytes(9000);
			await put('version/it', bytes);
			let version: string | undefined;
			const onVersion = (found: string | undefined) => (version = found);
			assert.ok(bytes.equals(await readAll(storage.get('version/it', {signal: never, onVersion}))));
			assert.ok(version, 'a version');
			const rest = (offset: number) => readAll(storage.get('version/it', {signal: never, offset, version}));
			assert.ok(bytes.subarray(4000).equals(await rest(4000)));
			assert.equal((await rest(9000)).length, 0);
			// An SFTP server's times are whole seconds, so the other object has another size.
			await put('version/it', randomBytes(5000));
			for (const offset of [4000, 8000])
				await assert.rejects(rest(offset), error => isReplaced(error) && storage.isPermanent(error));
		});

		test('the prefix of a listing is a prefix of the key, and nothing else', async () => {
			for (const key of ['prefix/b1_x', 'prefix/b10_x', 'prefix/b1/toc.dat', 'prefix/b2_x', 'prefixed'])
				await put(key, Buffer.from(key));
			assert.deepEqual(await listKeys(storage, 'prefix/b1'), ['prefix/b1/toc.dat', 'prefix/b10_x', 'prefix/b1_x']);
			assert.deepEqual(await listKeys(storage, 'prefix/b1/'), ['prefix/b1/toc.dat']);
			assert.deepEqual(await listKeys(storage, 'prefix/'), [
				'prefix/b1/toc.dat',
				'prefix/b10_x',
				'prefix/b1_x',
				'prefix/b2_x',
			]);
			assert.deepEqual(await listKeys(storage, 'prefix/nothing'), []);
			assert.deepEqual(await listKeys(storage, 'no-such-directory/at/all'), []);
			const all = await listKeys(storage, '');
			for (const key of ['prefix/b1_x', 'prefixed']) assert.ok(all.includes(key), key);
		});

		test('lists page after page without loss, goes on after a key, and stops when asked', async () => {
			const count = traits.manyKeys ?? (full ? 10_000 : 1200);
			const keys = Array.from({length: count}, (_, at) => `many/${String(at).padStart(6, '0')}`);
			await inParallel(keys, traits.concurrency ?? 16, key => put(key, Buffer.from(key)));
			assert.deepEqual(await listKeys(storage, 'many/'), keys);
			const inOrder = files(await collect(storage.list('many/', {signal: never}))).map(one => one.key);
			const pivot = Math.floor(count * 0.6);
			const rest = files(await collect(storage.list('many/', {signal: never, after: inOrder[pivot]}))).map(
				one => one.key,
			);
			assert.deepEqual(rest, inOrder.slice(pivot + 1));
			const controller = new AbortController();
			let seen = 0;
			await assert.rejects(async () => {
				for await (const _ of storage.list('many/', {signal: controller.signal})) {
					if (++seen === 3) controller.abort(new Error('enough'));
				}
			}, /enough/);
			let taken = 0;
			for await (const _ of storage.list('many/', {signal: never})) if (++taken === 5) break;
			assert.equal(taken, 5);
			const results = await storage.remove(keys, {signal: never});
			assert.deepEqual(
				results.map(result => result.key),
				keys,
			);
			assert.deepEqual(
				results.filter(result => result.error),
				[],
			);
			assert.deepEqual(await listKeys(storage, 'many/'), []);
		});

		test('what is missing is missing', async () => {
			assert.equal(await stat('missing/object'), undefined);
			await assert.rejects(
				get('missing/object'),
				error => isMissing(error) && storage.isPermanent(error) && names(error, storage, 'missing/object'),
			);
			assert.deepEqual(await storage.remove(['missing/a', 'missing/b'], {signal: never}), [
				{key: 'missing/a'},
				{key: 'missing/b'},
			]);
			assert.deepEqual(await storage.remove([], {signal: never}), []);
		});

		test('a directory is not an object', async () => {
			await put('directory/inside/file', Buffer.from('x'));
			assert.equal(await stat('directory/inside'), undefined);
		});

		test('ifAbsent never replaces', async () => {
			await put('absent/it', Buffer.from('mine'), {ifAbsent: true});
			for (const source of [bytesSource(Buffer.from('theirs')), bytesSource(randomBytes(large))]) {
				await assert.rejects(put('absent/it', source, {ifAbsent: true}), error => {
					assert.ok(error instanceof PgBackError);
					assert.equal(error.code, 'EXISTS');
					assert.ok(names(error, storage, 'absent/it'));
					return storage.isPermanent(error);
				});
			}
			assert.equal((await get('absent/it')).toString(), 'mine');
		});

		test('of two uploads with ifAbsent at once one wins, whole', async () => {
			const candidates = ['a', 'b'].map(letter => Buffer.alloc(50_000, letter));
			const results = await Promise.allSettled(candidates.map(bytes => put('race/it', bytes, {ifAbsent: true})));
			assert.equal(results.filter(result => result.status === 'fulfilled').length, 1);
			const winner = candidates[results.findIndex(result => result.status === 'fulfilled')];
			assert.ok(winner?.equals(await get('race/it')));
		});

		test('metadata come back', async () => {
			if (!traits.metadata) {
				await put('metadata/none', Buffer.from('x'), {metadata: () => ({sha256: 'abc'})});
				return;
			}
			let digest = '';
			const bytes = randomBytes(1000);
			const source: PutSource = {
				async *read() {
					digest = createHash('sha256').update(bytes).digest('hex');
					yield bytes;
				},
			};
			await put('metadata/it', source, {metadata: () => ({sha256: digest, run: '20260101'})});
			assert.equal((await stat('metadata/it'))?.metadata['sha256'], digest);
			assert.equal((await stat('metadata/it'))?.metadata['run'], '20260101');
		});

		test('hostile names are held exactly, or refused before anything happens', async () => {
			const candidates = hostileKeys.filter(key => !traits.mangles?.includes(key));
			for (const [index, name] of candidates.entries()) {
				const key = `hostile/${name}`;
				const bytes = Buffer.from(`${index}: ${name}`);
				if (!isSupportedOr(traits.refuses, key)) {
					await assert.rejects(
						put(key, bytes),
						error => isStorageFailure(error, '') && storage.isPermanent(error),
						JSON.stringify(key),
					);
					continue;
				}
				await put(key, bytes);
				assert.deepEqual(await get(key), bytes, JSON.stringify(key));
				assert.equal((await stat(key))?.size, bytes.length, JSON.stringify(key));
			}
			const held = candidates.map(name => `hostile/${name}`).filter(key => isSupportedOr(traits.refuses, key));
			assert.deepEqual(await listKeys(storage, 'hostile/'), held.toSorted(compareUtf8));
			const removed = await remove(held);
			assert.deepEqual(
				removed,
				held.map(key => ({key})),
			);
			assert.deepEqual(await listKeys(storage, 'hostile/'), []);
		});

		failureTests(suite);

		test('nothing unfinished is left', async () => {
			if (!place.everything) return;
			const listed = await listKeys(storage, '');
			assert.deepEqual([...(await place.everything())].toSorted(compareUtf8), listed);
		});
	});
}

function files(objects: readonly StorageObject[]): StorageObject[] {
	return objects.filter(object => !object.directory);
}

function folderOf(key: string): string {
	return key.slice(0, key.indexOf('/') + 1);
}

async function inParallel<T>(items: readonly T[], width: number, work: (item: T) => Promise<unknown>): Promise<void> {
	const queue = items.values();
	await Promise.all(
		Array.from({length: width}, async () => {
			for (const item of queue) await work(item);
		}),
	);
}
