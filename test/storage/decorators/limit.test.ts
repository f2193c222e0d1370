/** How many transfers run at once, which one is next, and how fast they are together. */
import assert from 'node:assert/strict';
import {randomBytes} from 'node:crypto';
import {describe, it} from 'node:test';
import {GrowingFile} from '../../../source/stages/growing-file.js';
import {createBucket, withBandwidth} from '../../../source/storage/decorators/bandwidth.js';
import {withLimit} from '../../../source/storage/decorators/limit.js';
import {type Fault, StorageError} from '../../../source/storage/errors.js';
import {createSemaphore} from '../../../source/storage/semaphore.js';
import {bytesSource} from '../../../source/storage/source.js';
import type {PutSource, Storage} from '../../../source/storage/storage.js';
import {createMemoryStorage} from '../../helpers/memory-storage.js';
import {fastClock, never, putBytes, readAll} from '../../helpers/storage-tools.js';

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
const put = (storage: Storage, key: string) => putBytes(storage, key, bytes);

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
		const growing = storage.put('growing', sourceOf(file), {signal: never, onSlot: has => turns.push(has)});
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

	it('an idle bucket allows a burst of at most a tenth of a second', async () => {
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
