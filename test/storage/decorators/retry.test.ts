/** Which operations are tried again, how long that takes, and what an interrupted transfer continues with. */
import assert from 'node:assert/strict';
import {randomBytes} from 'node:crypto';
import {describe, it} from 'node:test';
import fc from 'fast-check';
import {withRetry} from '../../../source/storage/decorators/retry.js';
import {type Fault, StorageError} from '../../../source/storage/errors.js';
import {backoff} from '../../../source/storage/retrying.js';
import {bytesSource} from '../../../source/storage/source.js';
import type {Storage} from '../../../source/storage/storage.js';
import {createMemoryStorage} from '../../helpers/memory-storage.js';
import {collect, fastClock, listKeys, never, putBytes, readAll} from '../../helpers/storage-tools.js';

const fault = (kind: Fault, retryAfter?: number) => new StorageError(kind, `could not do it: ${kind}`, {retryAfter});
const bytes = randomBytes(300_000);
const put = (storage: Storage, key: string) => putBytes(storage, key, bytes);

describe('retries', () => {
	it('damage that shows at the end of a download is not hidden by asking for the rest', async () => {
		const memory = createMemoryStorage();
		await put(memory, 'x');
		const damaged: Storage = {
			...memory,
			async *get(key, options) {
				yield* memory.get(key, options);
				if ((options.offset ?? 0) < bytes.length) throw fault('corrupt');
			},
		};
		await assert.rejects(readAll(withRetry(damaged, {clock: fastClock()}).get('x', {signal: never})), /corrupt/);
	});

	it('a byte for each connection does not go on for ever', {timeout: 30_000}, async () => {
		const memory = createMemoryStorage();
		await put(memory, 'x');
		let connections = 0;
		const slow: Storage = {
			...memory,
			async *get(_key, {offset = 0}) {
				connections++;
				await Promise.resolve();
				yield bytes.subarray(offset, offset + 1);
				throw fault('network');
			},
			put(_key, _source, {onProgress}) {
				onProgress?.(++connections);
				return Promise.reject(fault('network'));
			},
		};
		const storage = withRetry(slow, {clock: fastClock(), budget: 60_000});
		await assert.rejects(readAll(storage.get('x', {signal: never})), /gave up after \d+ attempts/);
		await assert.rejects(put(storage, 'y'), /gave up after \d+ attempts/);
		assert.ok(connections < 100, `${connections} connections`);
	});

	it('a listing without an order is not resumed at its last key', async () => {
		const memory = createMemoryStorage();
		const unsorted: Storage = {
			...memory,
			async *list(_prefix, {after}) {
				await Promise.resolve();
				const left = ['c', 'a', 'd', 'b'].filter(key => after === undefined || key > after);
				for (const [index, key] of left.entries()) {
					if (index === 3) throw fault('network');
					yield {key, size: 1};
				}
			},
		};
		const storage = withRetry(unsorted, {clock: fastClock()});
		await assert.rejects(collect(storage.list('', {signal: never})), /network/);
	});

	/** Memory of which every second step fails. */
	const shaky = (kind: Fault = 'network') => {
		const memory = createMemoryStorage();
		let countdown = 2;
		const step = () => {
			if (--countdown > 0) return;
			countdown = 3;
			throw fault(kind);
		};
		const storage: Storage = {
			...memory,
			async *list(prefix, options) {
				for await (const one of memory.list(prefix, options)) {
					step();
					yield one;
				}
			},
			async *get(key, options) {
				for await (const one of memory.get(key, options)) {
					step();
					yield one;
				}
			},
			async put(key, source, options) {
				step();
				return memory.put(key, source, options);
			},
			async stat(key, options) {
				step();
				return memory.stat(key, options);
			},
			async remove(keys, options) {
				step();
				return memory.remove(keys, options);
			},
		};
		return {memory, storage: withRetry(storage, {clock: fastClock()})};
	};

	it('give every key and every byte once, in order', async () => {
		const {memory, storage} = shaky();
		const keys = Array.from({length: 50}, (_, at) => `k${String(at).padStart(2, '0')}`);
		for (const key of keys) await put(memory, key);
		assert.deepEqual(
			(await collect(storage.list('k', {signal: never}))).map(one => one.key),
			keys,
		);
		assert.ok(bytes.equals(await readAll(storage.get('k01', {signal: never}))));
		assert.ok(bytes.subarray(1000).equals(await readAll(storage.get('k01', {signal: never, offset: 1000}))));
		await put(storage, 'new');
		assert.equal((await storage.stat('new', {signal: never}))?.size, bytes.length);
		await storage.remove(['new'], {signal: never});
		await put(storage, 'new2');
		assert.deepEqual(await listKeys(memory, 'new'), ['new2']);
	});

	it('do not try what cannot help', async () => {
		const clock = fastClock();
		for (const kind of ['missing', 'forbidden', 'exists', 'invalid', 'full', 'unsupported'] as const) {
			const storage = withRetry({...createMemoryStorage(), stat: () => Promise.reject(fault(kind))}, {clock});
			await assert.rejects(storage.stat('x', {signal: never}), {fault: kind});
		}
		const storage = withRetry({...createMemoryStorage(), stat: () => Promise.reject(new TypeError('a bug'))}, {clock});
		await assert.rejects(storage.stat('x', {signal: never}), /a bug/);
		assert.deepEqual(clock.slept, []);
	});

	it('end within their budget, and say how often', async () => {
		const clock = fastClock();
		let tries = 0;
		const dead: Storage = {
			...createMemoryStorage(),
			stat: () => {
				tries++;
				return Promise.reject(fault('timeout'));
			},
		};
		const storage = withRetry(dead, {clock, budget: 60_000});
		await assert.rejects(storage.stat('x', {signal: never}), error => {
			assert.ok(error instanceof StorageError && error.exhausted && storage.isPermanent(error));
			return error.message.includes(`gave up after ${tries} attempts`);
		});
		assert.ok(tries > 5 && clock.now() <= 60_000, `${tries} tries, ${clock.now()} ms`);
	});

	it('wait longer each time, jittered, never less than asked, never more than 30 s otherwise', () => {
		fc.assert(
			fc.property(
				fc.integer({min: 1, max: 40}),
				fc.double({min: 0, max: 1, noNaN: true}),
				fc.nat(100_000),
				(attempt, chance, asked) => {
					const clock = {...fastClock(), random: () => chance};
					const delay = backoff(attempt, fault('throttled'), clock);
					assert.ok(delay <= Math.min(30_000, 500 * 2 ** (attempt - 1)) && delay >= 0);
					assert.ok(backoff(attempt, fault('throttled', asked), clock) >= asked);
				},
			),
		);
	});

	it('give the journal of a failed attempt to the next, and stop when aborted', async () => {
		const journals: unknown[] = [];
		let attempt = 0;
		const target: Storage = {
			...createMemoryStorage(),
			put(_key, _source, options) {
				journals.push(options.journal);
				options.onJournal?.(++attempt);
				return attempt < 3
					? Promise.reject(fault('network'))
					: Promise.resolve({size: 1, proof: {by: 'size'} as const});
			},
		};
		const kept: unknown[] = [];
		await withRetry(target, {clock: fastClock()}).put('x', bytesSource(bytes), {
			signal: never,
			journal: 0,
			onJournal: one => kept.push(one),
		});
		assert.deepEqual(journals, [0, 1, 2]);
		assert.deepEqual(kept, [1, 2, 3]);
		const controller = new AbortController();
		const reason = new Error('stop');
		const waiting = withRetry(
			{...target, stat: () => Promise.reject(fault('network'))},
			{onRetry: () => controller.abort(reason)},
		);
		await assert.rejects(waiting.stat('x', {signal: controller.signal}), error => error === reason);
	});
});
