import assert from 'node:assert/strict';
import {test} from 'node:test';
import {TaskQueue} from '../../source/lib/task-queue.js';

test('a few at a time, in order; idle when all have ended', async () => {
	const ends: (() => void)[] = [];
	const started: number[] = [];
	const queue = new TaskQueue<number>(2, async item => {
		started.push(item);
		await new Promise<void>(resolve => ends.push(resolve));
	});
	for (const item of [1, 2, 3, 4]) queue.add(item);
	assert.deepEqual([started, queue.size], [[1, 2], 4]);
	const idle = queue.idle();
	while (queue.size > 0) {
		ends.shift()?.();
		await new Promise(setImmediate);
	}
	await idle;
	assert.deepEqual(started, [1, 2, 3, 4]);
});

test('the first failure ends it, once what runs has ended', async () => {
	let end = () => {};
	const started: string[] = [];
	const queue = new TaskQueue<string>(2, async item => {
		started.push(item);
		if (item === 'bad') throw new Error('first');
		await new Promise<void>(resolve => (end = resolve));
	});
	for (const item of ['good', 'bad', 'never']) queue.add(item);
	let isOver = false;
	const idle = assert.rejects(queue.idle(), /first/).then(() => (isOver = true));
	await new Promise(setImmediate);
	assert.equal(isOver, false);
	assert.throws(() => queue.throwIfFailed(), /first/);
	queue.add('later');
	queue.stop(new Error('second'));
	end();
	await idle;
	assert.deepEqual(started, ['good', 'bad']);
	assert.equal(queue.size, 0);
});
