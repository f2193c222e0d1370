/** The conformance suite that every target passes on a real server: what storage/storage.ts promises, and nothing of a target's own. */
import assert from 'node:assert/strict';
import {createHash, randomBytes} from 'node:crypto';
import {after, before, describe, it} from 'node:test';
import {PgBackError} from '../../source/core/errors.js';
import {isMissing} from '../../source/storage/errors.js';
import {compareKeys} from '../../source/storage/keys.js';
import {bytesSource} from '../../source/storage/source.js';
import type {PutOptions, PutSource, Storage, StorageObject} from '../../source/storage/storage.js';
import {chunked, collect, hostileKeys, isSupportedOr, listKeys, never, readAll} from './storage-tools.js';

export type SuitePlace = {
	/** The bare target, without decorators, at an empty place. */
	readonly storage: Storage;
	/** The same place, opened with credentials that may do nothing there. */
	readonly forbidden?: Storage;
	/** Everything that is really there, unfinished files and all, read past the target: proves that nothing is left behind. */
	readonly everything?: () => Promise<readonly string[]>;
	readonly close: () => Promise<void>;
};

export type SuiteTraits = {
	/** Metadata come back from `stat`. */
	readonly metadata: boolean;
	/** `onJournal` and `journal` resume an upload. */
	readonly resumes: boolean;
	/** Bytes of an object that takes several parts; 3 MiB by default. */
	readonly large?: number;
	/** Keys in the paging test; 1,200 by default, 10,000 with PG_BACK_TEST_FULL=1. */
	readonly manyKeys?: number;
	/** Hostile keys that the service cannot hold and the target therefore refuses, with the reason. */
	readonly refuses?: (key: string) => boolean;
	/** Hostile keys that the server itself cannot list as they are. */
	readonly mangles?: readonly string[];
	/** Tests that cannot run here: name to reason, printed as skipped. */
	readonly skip?: Readonly<Record<string, string>>;
	/** Uploads at once in the paging test; 16 by default. */
	readonly concurrency?: number;
};

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
		/** Nothing is visible under `key`, nor left beside it. */
		const assertNothing = async (key: string) => {
			assert.equal(await stat(key), undefined);
			assert.deepEqual(await listKeys(storage, key), []);
			if (place.everything)
				assert.deepEqual(
					(await place.everything()).filter(one => one.includes(folderOf(key))),
					[],
				);
		};

		test('says what and where it is', async () => {
			assert.match(storage.kind, /^[a-z0-9]+$/);
			assert.match(storage.location, /\/$/);
		});

		test('puts, stats, gets, lists and removes', async () => {
			const bytes = randomBytes(70_000);
			const result = await put('basic/one.dump', bytes);
			assert.equal(result.size, bytes.length);
			assert.match(result.checked, /size|crc|sha|md5/);
			const info = await stat('basic/one.dump');
			assert.equal(info?.size, bytes.length);
			if (info.modified !== undefined)
				assert.ok(Math.abs(info.modified - Date.now()) < 3_600_000, 'a time of about now');
			assert.deepEqual(await get('basic/one.dump'), bytes);
			const [object, ...others] = files(await collect(storage.list('basic/', {signal: never})));
			assert.deepEqual(others, []);
			assert.deepEqual([object?.key, object?.size], ['basic/one.dump', bytes.length]);
			assert.deepEqual(await storage.remove(['basic/one.dump'], {signal: never}), [{key: 'basic/one.dump'}]);
			await assertNothing('basic/one.dump');
		});

		test('holds an empty object', async () => {
			assert.equal((await put('empty/zero', new Uint8Array())).size, 0);
			assert.equal((await stat('empty/zero'))?.size, 0);
			assert.deepEqual(await get('empty/zero'), Buffer.alloc(0));
			assert.deepEqual(await listKeys(storage, 'empty/'), ['empty/zero']);
		});

		test('takes a size that is not known', async () => {
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

		for (const [which, length] of [
			['small', 100],
			['large', large],
		] as const) {
			test(`a ${which} source that ends early fails and shows nothing`, async () => {
				const bytes = randomBytes(length);
				const source = {size: length + 1, read: (offset: number) => chunked(bytes.subarray(offset), 65_536)};
				await assert.rejects(put(`early-${which}/it`, source), error => isStorageFailure(error, 'ended after'));
				await assertNothing(`early-${which}/it`);
			});

			test(`a ${which} source with more than it said fails and shows nothing`, async () => {
				const bytes = randomBytes(length);
				const source = {size: length - 1, read: (offset: number) => chunked(bytes.subarray(offset), 65_536)};
				await assert.rejects(put(`longer-${which}/it`, source), error => isStorageFailure(error, 'more than'));
				await assertNothing(`longer-${which}/it`);
			});

			for (const size of [length, undefined]) {
				const knows = size === undefined ? 'unknown' : 'known';
				test(`a ${which} source of ${knows} size that fails is the error of the upload and shows nothing`, async () => {
					const boom = new PgBackError('DUMP_FAILED', 'the dump died');
					const source: PutSource = {size, read: () => failing(randomBytes(length - 10), boom)};
					await assert.rejects(put(`fails-${which}-${knows}/it`, source), error => error === boom);
					await assertNothing(`fails-${which}-${knows}/it`);
				});
			}

			test(`an abort in the middle of a ${which} upload rejects with its reason and shows nothing`, async () => {
				const controller = new AbortController();
				const reason = new Error('stopped by the test');
				const bytes = randomBytes(length);
				const source = {size: length, read: () => abortingHalfway(bytes, () => controller.abort(reason))};
				await assert.rejects(put(`abort-${which}/it`, source, {signal: controller.signal}), error => error === reason);
				await assertNothing(`abort-${which}/it`);
			});
		}

		test('a failed upload leaves the object that was there', async () => {
			await put('kept/it', Buffer.from('the old one'));
			await assert.rejects(
				put('kept/it', {size: large, read: () => failing(randomBytes(large - 1), new Error('boom'))}),
			);
			assert.equal((await get('kept/it')).toString(), 'the old one');
			assert.deepEqual(await listKeys(storage, 'kept/'), ['kept/it']);
		});

		test('an operation with an aborted signal rejects with the reason', async () => {
			const reason = new Error('stopped before');
			const signal = AbortSignal.abort(reason);
			const same = (error: unknown) => error === reason;
			await assert.rejects(put('aborted/it', Buffer.from('x'), {signal}), same);
			await assert.rejects(storage.stat('aborted/it', {signal}), same);
			await assert.rejects(collect(storage.list('', {signal})), same);
			await assert.rejects(storage.remove(['aborted/it'], {signal}), same);
			await assertNothing('aborted/it');
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
			assert.deepEqual(await listKeys(storage, 'hostile/'), held.toSorted(compareKeys));
			const removed = await storage.remove(held, {signal: never});
			assert.deepEqual(
				removed,
				held.map(key => ({key})),
			);
			assert.deepEqual(await listKeys(storage, 'hostile/'), []);
		});

		test('without the right every operation fails, names the place, and is not tried again', async () => {
			const {forbidden} = place;
			assert.ok(forbidden, 'no forbidden storage given: skip this test with its reason');
			await put('forbidden/it', Buffer.from('x'));
			const check = (error: unknown) => isStorageFailure(error, '') && forbidden.isPermanent(error);
			await assert.rejects(forbidden.put('forbidden/new', bytesSource(Buffer.from('y')), {signal: never}), check);
			await assert.rejects(forbidden.put('forbidden/large', bytesSource(randomBytes(large)), {signal: never}), check);
			await assert.rejects(readAll(forbidden.get('forbidden/it', {signal: never})), check);
			await assert.rejects(forbidden.stat('forbidden/it', {signal: never}), check);
			await assert.rejects(collect(forbidden.list('forbidden/', {signal: never})), check);
			const failed = await forbidden
				.remove(['forbidden/it'], {signal: never})
				.catch((error: unknown) => [{key: 'forbidden/it', error}]);
			assert.ok(check(failed[0]?.error), 'removal fails');
			assert.deepEqual(await listKeys(storage, 'forbidden/'), ['forbidden/it']);
			if (place.everything)
				assert.deepEqual(
					(await place.everything()).filter(key => /forbidden\/(new|large)/.test(key)),
					[],
				);
		});

		test('an interrupted upload goes on where it was', async () => {
			assert.ok(traits.resumes, 'this target does not resume: skip this test with its reason');
			const bytes = randomBytes(large);
			const journals: unknown[] = [];
			const controller = new AbortController();
			const reason = new Error('the machine went down');
			const source = (limit: number): PutSource => ({
				size: large,
				async *read(offset) {
					for await (const chunk of chunked(bytes.subarray(offset, limit), 65_536)) yield chunk;
					if (limit < large) {
						await waitFor(() => confirmed > 0);
						controller.abort(reason);
						await new Promise(() => undefined);
					}
				},
			});
			let confirmed = 0;
			const options = {
				onJournal: (journal: unknown) => journals.push(journal),
				onProgress: (at: number) => (confirmed = at),
			};
			await assert.rejects(
				put('resume/it', source(large - 1), {...options, signal: controller.signal}),
				error => error === reason,
			);
			assert.equal(await stat('resume/it'), undefined);
			assert.ok(confirmed > 0);
			const journal: unknown = JSON.parse(JSON.stringify(journals.at(-1)));
			assert.ok(journal);
			const progress: number[] = [];
			await put('resume/it', source(large), {...options, journal, onProgress: at => progress.push(at)});
			assert.equal(progress.at(-1), large);
			assert.ok(bytes.equals(await get('resume/it')));
		});

		test('a resumed upload of other bytes holds the new bytes only', async () => {
			assert.ok(traits.resumes, 'this target does not resume: skip this test with its reason');
			const journals: unknown[] = [];
			const controller = new AbortController();
			const reason = new Error('the machine went down');
			let confirmed = 0;
			const first: PutSource = {
				size: large,
				async *read(offset) {
					yield Buffer.alloc(large - 1 - offset, 'a');
					await waitFor(() => confirmed > 0);
					controller.abort(reason);
					await new Promise(() => undefined);
				},
			};
			const onProgress = (at: number) => (confirmed = at);
			await assert.rejects(
				put('changed/it', first, {signal: controller.signal, onProgress, onJournal: one => journals.push(one)}),
				error => error === reason,
			);
			const bytes = randomBytes(large);
			await put('changed/it', bytesSource(bytes), {journal: journals.at(-1), onJournal: () => undefined});
			assert.ok(bytes.equals(await get('changed/it')));
		});

		test('nothing unfinished is left', async () => {
			if (!place.everything) return;
			const listed = await listKeys(storage, '');
			assert.deepEqual([...(await place.everything())].toSorted(compareKeys), listed);
		});
	});
}

function files(objects: readonly StorageObject[]): StorageObject[] {
	return objects.filter(object => !object.directory);
}

function folderOf(key: string): string {
	return key.slice(0, key.indexOf('/') + 1);
}

/** One of our errors for exit status 14, of one line, that holds `text`. */
function isStorageFailure(error: unknown, text: string): boolean {
	assert.ok(error instanceof PgBackError, String(error));
	assert.equal(error.exitCode, 14, error.message);
	assert.ok(error.message.includes(text), error.message);
	assert.doesNotMatch(error.message, /\n/);
	return true;
}

function names(error: unknown, storage: Storage, key: string): boolean {
	assert.ok(error instanceof PgBackError);
	assert.ok(error.message.includes(key) && error.message.includes(storage.location), error.message);
	assert.ok(error.hint, 'a hint');
	return true;
}

async function* failing(bytes: Buffer, error: Error): AsyncGenerator<Uint8Array> {
	yield* chunked(bytes, 65_536);
	throw error;
}

async function* abortingHalfway(bytes: Buffer, abort: () => void): AsyncGenerator<Uint8Array> {
	const half = Math.ceil(bytes.length / 2);
	yield* chunked(bytes.subarray(0, half), 65_536);
	abort();
	yield* chunked(bytes.subarray(half), 65_536);
}

async function inParallel<T>(items: readonly T[], width: number, work: (item: T) => Promise<unknown>): Promise<void> {
	const queue = items.values();
	await Promise.all(
		Array.from({length: width}, async () => {
			for (const item of queue) await work(item);
		}),
	);
}

async function waitFor(condition: () => boolean): Promise<void> {
	for (const end = Date.now() + 10_000; !condition();) {
		assert.ok(Date.now() < end, 'nothing was confirmed in 10 s');
		await new Promise(resolve => setTimeout(resolve, 5));
	}
}
