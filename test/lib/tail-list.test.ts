import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import fc from 'fast-check';
import {TailList} from '../../source/lib/tail-list.js';

describe('the last items of a list', () => {
	it('are those of an array that is copied, in every list that was made', () => {
		fc.assert(
			fc.property(
				fc.array(fc.tuple(fc.nat(30), fc.array(fc.nat(), {maxLength: 4})), {maxLength: 40}),
				fc.integer({min: 1, max: 6}),
				(steps, most) => {
					const made: [TailList<number>, readonly number[]][] = [[TailList.of<number>([]), []]];
					for (const [from, added] of steps) {
						const [list, model] = made[from % made.length]!;
						made.push([list.with(added, most), [...model, ...added].slice(-most)]);
					}
					for (const [list, model] of made) {
						assert.deepEqual([...list], model);
						assert.deepEqual(list.slice(-2), model.slice(-2));
						assert.deepEqual(list.slice(1), model.slice(1));
						assert.deepEqual([list.length, list.at(0), list.at(-1)], [model.length, model.at(0), model.at(-1)]);
					}
				},
			),
			{numRuns: 500},
		);
	});

	it('keep no more than twice as many in memory', () => {
		let list = TailList.of<number>([]);
		let slowest = 0;
		for (let number = 0; number < 100_000; number++) {
			const before = list;
			list = list.with([number], 1000);
			if (before.length === 1000 && list.at(0) !== number - 999) slowest++;
		}
		assert.deepEqual([list.length, list.at(-1), slowest], [1000, 99_999, 0]);
	});
});
