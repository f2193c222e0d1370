import assert from 'node:assert/strict';
import {test} from 'node:test';
import fc from 'fast-check';
import {timeLeft} from '../../source/progress/eta.js';

test('the queue is played through, not divided', () => {
	assert.equal(timeLeft([], [], 2), 0);
	assert.equal(timeLeft([10], [], 4), 10);
	assert.equal(timeLeft([10, 4], [5, 5], 2), 14);
	// One that is big and last is what the end waits for.
	assert.equal(timeLeft([1, 1, 1], [1, 1, 100], 3), 101);
	assert.equal(timeLeft([], [3, 3, 3], 2), 6);
	// More run than the slots there are: jobs that only upload.
	assert.equal(timeLeft([5, 6, 7], [1], 1), 7);
	// As many slots as there are jobs, not as many as there could be: --jobs 2147483648 ran for hours.
	assert.equal(timeLeft([10], [5, 5], Number.MAX_SAFE_INTEGER), 10);
	assert.equal(timeLeft([], [3, 3, 3], Infinity), 3);
});

test('it agrees with a clock that ticks', () => {
	const seconds = fc.array(fc.integer({min: 1, max: 30}), {maxLength: 12});
	fc.assert(
		fc.property(seconds, fc.integer({min: 1, max: 5}), (waiting, concurrency) => {
			const queue = [...waiting];
			let running: number[] = [];
			let clock = 0;
			while (queue.length + running.length > 0) {
				while (running.length < concurrency && queue.length > 0) running.push(queue.shift() ?? 0);
				clock++;
				running = running.map(left => left - 1).filter(left => left > 0);
			}
			assert.equal(timeLeft([], waiting, concurrency), clock);
		}),
	);
});
