import assert from 'node:assert/strict';
import {test} from 'node:test';
import {inParallel} from '../../source/lib/in-parallel.js';

test('all items are worked on, at most four at a time', async () => {
	let running = 0;
	let most = 0;
	const done: number[] = [];
	await inParallel(
		Array.from({length: 50}, (_, index) => index),
		async item => {
			most = Math.max(most, ++running);
			await new Promise(resolve => setImmediate(resolve));
			running--;
			done.push(item);
		},
	);
	assert.deepEqual(
		done.toSorted((a, b) => a - b),
		Array.from({length: 50}, (_, index) => index),
	);
	assert.equal(most, 4);
	await inParallel([], () => assert.fail('there is nothing'));
});

test('after a failure nothing is started, what runs is awaited, and the first error is thrown', async () => {
	let running = 0;
	const started: number[] = [];
	const work = inParallel(
		Array.from({length: 50}, (_, index) => index),
		async item => {
			started.push(item);
			running++;
			await new Promise(resolve => setImmediate(resolve));
			running--;
			if (item === 5) throw new Error('five');
			if (item > 5) throw new Error('later');
		},
	);
	await assert.rejects(work, /five/);
	assert.equal(running, 0);
	assert.ok(started.length < 10, String(started));
});
