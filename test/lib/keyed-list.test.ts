import assert from 'node:assert/strict';
import {test} from 'node:test';
import fc from 'fast-check';
import {KeyedList} from '../../source/lib/keyed-list.js';

type Thing = {readonly id: string; readonly value: number};
const things = fc.array(fc.record({id: fc.nat(300).map(String), value: fc.nat()}), {maxLength: 400});

test('it is what a Map would be, and what came of it before does not change', () => {
	fc.assert(
		fc.property(things, things, (first, changes) => {
			let list = KeyedList.of<Thing>(first);
			const map = new Map(first.map(thing => [thing.id, thing]));
			for (const change of changes) {
				if (!map.has(change.id)) {
					assert.throws(() => list.with(change), RangeError);
					continue;
				}
				const before = list.get(change.id);
				const next = list.with(change);
				map.set(change.id, change);
				assert.equal(list.get(change.id), before);
				list = next;
				assert.equal(list.get(change.id), change);
			}
			assert.deepEqual([...list.values()], [...map.values()]);
			assert.deepEqual([...list.keys()], [...map.keys()]);
			assert.equal(list.size, map.size);
			assert.equal(list.get('no such'), undefined);
		}),
	);
});
