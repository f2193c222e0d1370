/** Operations that make no progress end; the time of our own source and reader does not count. */
import assert from 'node:assert/strict';
import {randomBytes} from 'node:crypto';
import {describe, it} from 'node:test';
import {withIdleTimeout} from '../../../source/storage/decorators/idle.js';
import {StorageError} from '../../../source/storage/errors.js';
import type {Storage} from '../../../source/storage/storage.js';
import {createMemoryStorage} from '../../helpers/memory-storage.js';
import {chunked, collect, never, putBytes, readAll} from '../../helpers/storage-tools.js';

const bytes = randomBytes(300_000);
const put = (storage: Storage, key: string) => putBytes(storage, key, bytes);

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
