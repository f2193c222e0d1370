import assert from 'node:assert/strict';
import {test} from 'node:test';
import {shareSlots} from '../../source/storage/semaphore.js';
import {never} from '../helpers/storage-tools.js';

const turn = () => new Promise(resolve => setImmediate(resolve));

/** Enters through a gate; returns whether it is inside. */
function entered(gate: {enter: (signal: AbortSignal) => Promise<() => void>}) {
	const state: {leave?: () => void} = {};
	void gate.enter(never).then(leave => (state.leave = leave));
	return state;
}

test('one that holds its slots leaves one to each of the others', async () => {
	const [a, b] = shareSlots(3, 2);
	assert.ok(a && b);
	const held = [entered(a), entered(a), entered(a)];
	await turn();
	assert.deepEqual(
		held.map(({leave}) => leave !== undefined),
		[true, true, false],
	);
	const other = entered(b);
	await turn();
	assert.ok(other.leave);
	other.leave();
	await turn();
	assert.equal(held[2]?.leave, undefined, 'the slot stays free for the other');
	held[0]?.leave?.();
	await turn();
	assert.ok(held[2]?.leave);
});

test('all holders together never have more slots than exist', async () => {
	const gates = shareSlots(2, 3);
	const held = gates.map(entered);
	await turn();
	assert.deepEqual(
		held.map(({leave}) => leave !== undefined),
		[true, true, false],
	);
	held[1]?.leave?.();
	await turn();
	assert.ok(held[2]?.leave);
});

test('a slot is wanted only by one that could take it', async () => {
	const [a, b] = shareSlots(2, 2);
	assert.ok(a && b);
	await a.enter(never);
	void b.enter(never);
	void a.enter(never, () => true);
	await turn();
	assert.equal(b.isWanted(), false, 'the place that waits has all that it may have');
	assert.equal(a.isWanted(), true);
});
