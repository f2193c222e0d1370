import assert from 'node:assert/strict';
import {describe, test} from 'node:test';
import {PartMemory} from '../../../source/storage/s3/part-memory.js';

const {signal} = new AbortController();
const turn = () => new Promise(resolve => setImmediate(resolve));

describe('the memory of parts', () => {
	test('one each, and so many more of all uploads together', async () => {
		const memory = new PartMemory(2);
		const [first, second, third] = [memory.acquirer(4), memory.acquirer(2), memory.acquirer(4)];
		const leaves = [await first(signal), await first(signal), await first(signal)];
		const entered: string[] = [];
		const enter = (door: typeof first, name: string) => {
			void door(signal).then(leave => {
				entered.push(name);
				leaves.push(leave);
			});
		};
		enter(first, 'first again');
		enter(second, 'second');
		enter(third, 'third');
		await turn();
		assert.deepEqual(entered, ['second', 'third'], 'who has none never waits');
		enter(second, 'second again');
		await turn();
		leaves[0]?.();
		leaves[0]?.();
		await turn();
		assert.deepEqual(entered.slice(2), ['first again'], 'who came first, and one place for one that left');
		leaves[1]?.();
		await turn();
		assert.deepEqual(entered.slice(3), ['second again']);
		enter(second, 'over its own limit');
		for (const leave of leaves.slice(2, 3)) leave();
		await turn();
		assert.deepEqual(entered.slice(4), []);
	});

	test('an upload that has none left enters before all places are free', async () => {
		const memory = new PartMemory(1);
		const [one, other] = [memory.acquirer(4), memory.acquirer(4)];
		const leave = await one(signal);
		await other(signal);
		await other(signal);
		const waits = one(signal);
		leave();
		await waits;
	});

	test('who gives up waiting takes no place', async () => {
		const memory = new PartMemory(1);
		const door = memory.acquirer(4);
		const [, leave] = [await door(signal), await door(signal)];
		const stop = new AbortController();
		const waits = door(stop.signal);
		stop.abort(new Error('no more'));
		await assert.rejects(waits, /no more/);
		await assert.rejects(door(stop.signal), /no more/);
		leave();
		await door(signal);
	});

	test('buffers are reused, and at most the allowed number is kept', () => {
		const memory = new PartMemory(2);
		const given = [memory.take(100), memory.take(100), memory.take(100)];
		for (const buffer of given) memory.give(buffer);
		const taken = [memory.take(100), memory.take(100), memory.take(100)];
		assert.equal(taken[0], given[0]);
		assert.equal(taken[1], given[1]);
		assert.ok(taken[2] && !given.includes(taken[2]));
		assert.equal(memory.take(200).length, 200);
	});
});
