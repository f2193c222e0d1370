import assert from 'node:assert/strict';
import {randomBytes} from 'node:crypto';
import {describe, it} from 'node:test';
import fc from 'fast-check';
import {GrowingFile} from '../../source/stages/growing-file.js';
import {systemClock} from '../../source/storage/clock.js';
import {createBucket, withBandwidth} from '../../source/storage/decorators/bandwidth.js';
import {withIdleTimeout} from '../../source/storage/decorators/idle.js';
import {withLimit} from '../../source/storage/decorators/limit.js';
import {withRetry} from '../../source/storage/decorators/retry.js';
import {type Fault, StorageError} from '../../source/storage/errors.js';
import {wrapStorage} from '../../source/storage/open.js';
import {backoff} from '../../source/storage/retrying.js';
import {createSemaphore} from '../../source/storage/semaphore.js';
import {bytesSource} from '../../source/storage/source.js';
import type {PutSource, Storage} from '../../source/storage/storage.js';
import {createMemoryStorage} from '../helpers/memory-storage.js';
import {storageSuite} from '../helpers/storage-suite.js';
import {chunked, collect, fastClock, listKeys, never, readAll, testContext} from '../helpers/storage-tools.js';

const turn = () => new Promise(resolve => setImmediate(resolve));

/** Zeros, as many as `file` has been told of. */
function sourceOf(file: GrowingFile): PutSource {
	return {
		async *read(offset, signal) {
			for (let at = offset; ;) {
				const end = await file.beyond(at, signal);
				if (end === undefined) return;
				yield Buffer.alloc(end - at);
				at = end;
			}
		},
		growing: {
			isComplete: () => file.isComplete,
			isReady: offset => file.isReady(offset),
			async wait(offset, signal) {
				await file.beyond(offset, signal);
			},
		},
	};
}

const fault = (kind: Fault, retryAfter?: number) => new StorageError(kind, `could not do it: ${kind}`, {retryAfter});
const bytes = randomBytes(300_000);
const put = (storage: Storage, key: string, content: Uint8Array = bytes) =>
	storage.put(key, bytesSource(content), {signal: never});

storageSuite(
	'memory behind every decorator',
	() => {
		const storage = wrapStorage(createMemoryStorage(), testContext({clock: systemClock}), {
			jobs: 3,
			bandwidth: 1e9,
		});
		return Promise.resolve({storage, close: () => Promise.resolve()});
	},
	{
		metadata: true,
		resumes: false,
		skip: {
			'without the right every operation fails, names the place, and is not tried again': 'memory has no rights',
			'an interrupted upload goes on where it was': 'memory does not resume',
			'a resumed upload of other bytes holds the new bytes only': 'memory does not resume',
		},
	},
);

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

describe('limits', () => {
	it('a gate lets so many in, in order, and forgets who gave up', async () => {
		const {enter} = createSemaphore(2);
		const first = await enter(never);
		const second = await enter(never);
		const controller = new AbortController();
		const lost = enter(controller.signal);
		const order: number[] = [];
		const third = enter(never).then(leave => (order.push(3), leave));
		const fourth = enter(never).then(leave => (order.push(4), leave));
		controller.abort(new Error('gave up'));
		await assert.rejects(lost, /gave up/);
		first();
		first();
		(await third)();
		second();
		(await fourth)();
		assert.deepEqual(order, [3, 4]);
	});

	it('at most so many transfers run at once, failed ones included', async () => {
		let running = 0;
		let most = 0;
		const memory = createMemoryStorage();
		const slow: Storage = {
			...memory,
			async put(key, source, options) {
				most = Math.max(most, ++running);
				await new Promise(resolve => setImmediate(resolve));
				running--;
				if (key.endsWith('3')) throw fault('invalid');
				return memory.put(key, source, options);
			},
		};
		const storage = withLimit(slow, 3);
		const results = await Promise.allSettled(Array.from({length: 20}, (_, at) => put(storage, `k${at}`)));
		assert.equal(most, 3);
		assert.equal(results.filter(one => one.status === 'fulfilled').length, 18);
		for await (const _ of storage.get('k1', {signal: never})) break; // leaves although it was not read to its end
		for (let at = 0; at < 4; at++) assert.ok(bytes.equals(await readAll(storage.get('k1', {signal: never}))));
	});

	it('a growing source holds a slot only while it has bytes, and complete ones go first', async () => {
		const sent: string[] = [];
		const memory = createMemoryStorage();
		const line: Storage = {
			...memory,
			async put(key, source, options) {
				for await (const chunk of source.read(0, options.signal)) sent.push(`${key} ${chunk.length}`);
				return memory.put(key, bytesSource(Buffer.from(key)), options);
			},
		};
		const storage = withLimit(line, 1);
		const file = new GrowingFile('part', 'final');
		const turns: boolean[] = [];
		const growing = storage.put('growing', sourceOf(file), {signal: never, onTurn: has => turns.push(has)});
		await put(storage, 'before the first byte');
		file.grow(10);
		await turn();
		assert.deepEqual(turns, [false, true, false], 'it sent what there was, and gave its slot up');
		await put(storage, 'while it waits');
		file.grow(5);
		file.end(undefined);
		await growing;
		assert.deepEqual(sent, [
			`before the first byte ${bytes.length}`,
			'growing 10',
			`while it waits ${bytes.length}`,
			'growing 5',
		]);
		assert.equal(turns.at(-1), false);
		await put(storage, 'the slot is free again');
	});

	it('a growing source that always has bytes makes room for a complete one between two reads', async () => {
		const order: string[] = [];
		const memory = createMemoryStorage();
		const file = new GrowingFile('part', 'final');
		file.grow(1);
		let others: Promise<unknown> | undefined;
		const line: Storage = {
			...memory,
			async put(key, source, options) {
				if (key !== 'growing') order.push(key);
				else
					for await (const chunk of source.read(0, options.signal)) {
						order.push(`${key} ${chunk.length}`);
						others ??= Promise.all([put(storage, 'a'), put(storage, 'b')]);
						await turn();
						if (order.length > 4) file.end(undefined);
						else file.grow(1);
					}
				return memory.put(key, bytesSource(Buffer.from(key)), options);
			},
		};
		const storage = withLimit(line, 1);
		await storage.put('growing', sourceOf(file), {signal: never});
		await others;
		assert.deepEqual(order.slice(0, 4), ['growing 1', 'a', 'b', 'growing 1']);
	});

	it('a source that fails while it waits for bytes, or an abort in the queue, leaves the slot free', async () => {
		const storage = withLimit(createMemoryStorage(), 1);
		const file = new GrowingFile('part', 'final');
		const failed = storage.put('x', sourceOf(file), {signal: never});
		file.fail(new Error('the dump failed'));
		await assert.rejects(failed, /the dump failed/);
		const {promise, resolve} = Promise.withResolvers<undefined>();
		const held = storage.put(
			'slow',
			{
				async *read() {
					await promise;
					yield Buffer.from('x');
				},
			},
			{signal: never},
		);
		const abort = new AbortController();
		const waits = new GrowingFile('part', 'final');
		waits.grow(3);
		const queued = storage.put('y', sourceOf(waits), {signal: abort.signal});
		abort.abort(new Error('stop'));
		await assert.rejects(queued, /stop/);
		resolve(undefined);
		await held;
		await put(storage, 'z');
	});

	it('all transfers together stay under the bandwidth', async () => {
		const clock = fastClock();
		const storage = withBandwidth(createMemoryStorage(), 100_000, clock);
		await Promise.all([put(storage, 'a'), put(storage, 'b')]);
		assert.ok(clock.now() >= 5800, `${clock.now()} ms for 600,000 bytes`);
		const before = clock.now();
		await readAll(storage.get('a', {signal: never}));
		assert.ok(clock.now() - before >= 2800 && clock.now() - before < 3200, `${clock.now() - before} ms`);
	});

	it('a bucket that was left alone gives no more than a tenth of a second at once', async () => {
		let time = 0;
		let waited = 0;
		const take = createBucket(1000, {
			now: () => time,
			random: () => 0,
			sleep: ms => ((waited += ms), (time += ms), Promise.resolve()),
		});
		time += 60_000;
		await take(100, never);
		assert.equal(waited, 0);
		await take(100, never);
		assert.ok(Math.abs(waited - 100) < 1, String(waited));
	});
});

describe('idle time-outs', () => {
	const silent: Storage = {
		...createMemoryStorage(),
		put: (_key, _source, {signal}) =>
			new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
		stat: () => new Promise(() => undefined),
		async *get() {
			yield bytes;
			await new Promise(() => undefined);
		},
		async *list() {
			await new Promise(() => undefined);
			yield {key: 'x', size: 0};
		},
	};
	const storage = withIdleTimeout(silent, {milliseconds: 40, grace: 20});

	it('end what says nothing, whether it listens or not', async () => {
		const check = (error: unknown) =>
			error instanceof StorageError &&
			error.fault === 'timeout' &&
			!storage.isPermanent(error) &&
			/no progress/.test(error.message);
		await assert.rejects(put(storage, 'x'), check);
		await assert.rejects(storage.stat('x', {signal: never}), check);
		await assert.rejects(readAll(storage.get('x', {signal: never})), check);
		await assert.rejects(collect(storage.list('x', {signal: never})), check);
	});

	it('do not count the time of our own source or of whoever reads', async () => {
		const memory = createMemoryStorage();
		const patient = withIdleTimeout(memory, {milliseconds: 40});
		const pause = () => new Promise(resolve => setTimeout(resolve, 120));
		const source = {
			async *read() {
				for await (const chunk of chunked(bytes, 200_000)) {
					await pause();
					yield chunk;
				}
			},
		};
		await patient.put('slow', source, {signal: never});
		let size = 0;
		for await (const chunk of patient.get('slow', {signal: never})) {
			if (size === 0) await pause();
			size += chunk.length;
		}
		assert.equal(size, bytes.length);
	});
});
