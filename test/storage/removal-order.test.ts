/** The check of removals in a listing: where the service lists in order, only what may have the removed keys is read. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {withConfirmedRemoval} from '../../source/storage/decorators/confirm-removal.js';
import {removalWaits} from '../../source/storage/removal-check.js';
import {bytesSource} from '../../source/storage/source.js';
import type {Storage, StorageObject} from '../../source/storage/storage.js';
import {createMemoryStorage} from '../helpers/memory-storage.js';
import {fastClock, never} from '../helpers/storage-tools.js';

const removed = Array.from({length: 40}, (_, index) => `pre/${String(index).padStart(4, '0')}`);
const beyond = Array.from({length: 2500}, (_, index) => `pre/009${String(index).padStart(4, '0')}`);

/** A service that confirms removals and removes nothing. Returns the keys that are still there, and how many were listed. */
async function checked(reorder: (found: readonly StorageObject[]) => readonly StorageObject[]) {
	const memory = createMemoryStorage();
	for (const key of [...removed, ...beyond]) await memory.put(key, bytesSource(Buffer.from('x')), {signal: never});
	let listed = 0;
	const service: Storage = {
		...memory,
		listsRanges: true,
		async *list(prefix, options) {
			const found: StorageObject[] = [];
			for await (const one of memory.list(prefix, options)) found.push(one);
			for (const one of reorder(found)) {
				listed++;
				yield one;
			}
		},
		remove: keys => Promise.resolve(keys.map(key => ({key}))),
	};
	const results = await withConfirmedRemoval(service, fastClock()).remove(removed, {signal: never});
	return {listed, there: results.filter(({error}) => error !== undefined).map(({key}) => key)};
}

test('a listing in order is read a page beyond the last key', async () => {
	const {listed, there} = await checked(found => found);
	assert.deepEqual(there, removed);
	assert.ok(listed <= (removalWaits.length + 1) * (removed.length + 1001), `${listed}`);
});

test('a listing without an order is read to its end', async () => {
	for (const reorder of [
		(found: readonly StorageObject[]) => found.toReversed(),
		(found: readonly StorageObject[]) => [...found.slice(100), ...found.slice(0, 100)].toReversed(),
		(found: readonly StorageObject[]) => [...found.slice(60, 90), ...found.slice(0, 60), ...found.slice(90)],
	]) {
		const {there} = await checked(reorder);
		assert.deepEqual(there, removed);
	}
});
