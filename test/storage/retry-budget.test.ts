import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import {withRetry} from '../../source/storage/decorators/retry.js';
import {createRetryBudget, withRetryBudget} from '../../source/storage/decorators/retry-budget.js';
import {StorageError} from '../../source/storage/errors.js';
import {bytesSource} from '../../source/storage/source.js';
import {createMemoryStorage} from '../helpers/memory-storage.js';
import {fastClock, never} from '../helpers/storage-tools.js';

describe('patience', () => {
	const put = {signal: never};
	const setUp = () => {
		const clock = fastClock();
		const memory = createMemoryStorage();
		const patience = createRetryBudget(60_000);
		const state = {gone: true, attempts: 0};
		const target = {
			...memory,
			put: (async (...args) => {
				state.attempts++;
				if (state.gone) throw new StorageError('network', 'could not upload: nobody is there');
				return memory.put(...args);
			}) satisfies typeof memory.put,
		};
		const retried = withRetry(target, {
			clock,
			get budget() {
				return patience.remaining;
			},
		});
		return {storage: withRetryBudget(retried, patience), state, clock};
	};

	it('a remote that is gone costs the budget once; then each thing has one attempt', async () => {
		const {storage, state, clock} = setUp();
		await assert.rejects(storage.put('a', bytesSource(Buffer.from('x')), put), /gave up after/);
		assert.ok(state.attempts > 3);
		for (const key of ['b', 'c']) {
			const [attempts, now] = [state.attempts, clock.now()];
			await assert.rejects(storage.put(key, bytesSource(Buffer.from('x')), put), /nobody is there/);
			assert.deepEqual([state.attempts - attempts, clock.now() - now], [1, 0]);
		}
	});

	it('an answer gives the budget back, a refusal too', async () => {
		for (const refusal of [false, true]) {
			const {storage, state} = setUp();
			await assert.rejects(storage.put('a', bytesSource(Buffer.from('x')), put));
			state.gone = false;
			await storage.put('a', bytesSource(Buffer.from('x')), put);
			if (refusal)
				await assert.rejects(storage.put('a', bytesSource(Buffer.from('x')), {...put, ifAbsent: true}), /exists/);
			state.gone = true;
			const {attempts} = state;
			await assert.rejects(storage.put('b', bytesSource(Buffer.from('x')), put));
			assert.ok(state.attempts - attempts > 3);
		}
	});
});
