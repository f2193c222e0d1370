import assert from 'node:assert/strict';
import {getEventListeners} from 'node:events';
import {test} from 'node:test';
import {GrowingFile} from '../../source/stages/growing-file.js';

const signal = new AbortController().signal;

test('waits for bytes after a position, and for the end', async () => {
	const file = new GrowingFile('part', 'final');
	const first = file.beyond(0, signal);
	file.grow(10);
	assert.equal(await first, 10);
	assert.equal(await file.beyond(4, signal), 10);
	const end = file.beyond(10, signal);
	file.end('ab');
	assert.equal(await end, undefined);
	assert.deepEqual([file.sha256, file.written], ['ab', 10]);
	file.fail(new Error('too late'));
	assert.equal(await file.beyond(10, signal), undefined);
});

test('a failure and a cancellation wake all waiters', async () => {
	const file = new GrowingFile('part', 'final');
	const waiting = file.beyond(0, signal);
	file.fail(new Error('no'));
	await assert.rejects(waiting, /no/);
	await assert.rejects(file.beyond(0, signal), /no/);
	const abort = new AbortController();
	const other = new GrowingFile('part', 'final').beyond(0, abort.signal);
	abort.abort(new Error('stop'));
	await assert.rejects(other, /stop/);
});

test('of a wait that is over nothing is left at the signal', async () => {
	const abort = new AbortController();
	const file = new GrowingFile('part', 'final');
	for (let position = 0; position < 100; position++) {
		const waiting = file.beyond(position, abort.signal);
		file.grow(1);
		await waiting;
	}
	assert.equal(getEventListeners(abort.signal, 'abort').length, 0);
});
