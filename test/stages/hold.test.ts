/** When pg_dump is held, and when a hold takes too long. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import fc from 'fast-check';
import {startChild} from '../../source/process/child.js';
import {areStopped} from '../../source/process/open-files.js';
import {Hold, shouldHold} from '../../source/stages/hold.js';
import type {Spool} from '../../source/stages/spool.js';
import {waitFor} from '../helpers/postgres.js';

const limit = 100;

test('held above the limit, until it is well below', () => {
	const state = {limit, canShip: true, isStopped: true};
	assert.equal(shouldHold({...state, bytes: 100, isHeld: false}), false);
	assert.equal(shouldHold({...state, bytes: 101, isHeld: false}), true);
	assert.equal(shouldHold({...state, bytes: 76, isHeld: true}), true);
	assert.equal(shouldHold({...state, bytes: 75, isHeld: true}), false);
});

test('never held for longer when the upload cannot make room', () => {
	fc.assert(
		fc.property(fc.nat(1000), fc.boolean(), (bytes, isHeld) => {
			assert.equal(shouldHold({bytes, limit, canShip: false, isHeld, isStopped: isHeld}), false);
		}),
	);
	// A process that is not stopped yet may still finish a member.
	assert.equal(shouldHold({bytes: 200, limit, canShip: false, isHeld: true, isStopped: false}), true);
});

test('a hold without progress ends with an error; a process that was continued meanwhile is held again', async () => {
	const env = {PATH: process.env['PATH']};
	const abort = new AbortController();
	const child = startChild({command: 'sleep', args: ['1000'], env, signal: abort.signal});
	const ended = assert.rejects(child.done, /over/);
	const said: string[] = [];
	let stalled = 0;
	const spool: Spool = {
		limit,
		longestHold: 1000,
		take: () => Promise.resolve(),
		takeLast: () => undefined,
		cancel: () => undefined,
		stalledFor: () => stalled,
		log: (level, text) => said.push(`${level} ${text}`),
	};
	const hold = new Hold({child, env, spool, what: 'pg_dump of app'});
	const isStopped = () => areStopped(child.pid ?? 0);
	for (let round = 0; round < 3; round++) {
		await hold.set(true, 101);
		await waitFor(isStopped, 'the stop', 60);
		assert.equal(hold.isHeld, true);
		process.kill(child.pid ?? 0, 'SIGCONT');
		await waitFor(async () => !(await isStopped()), 'the continuation', 60);
	}
	await hold.set(false, 0);
	await waitFor(async () => !(await isStopped()), 'the continuation', 60);
	await hold.set(true, 101);
	await waitFor(isStopped, 'the second stop', 60);
	stalled = Infinity;
	const failed = () =>
		hold.set(true, 101).then(
			() => false as const,
			(error: unknown) => String(error),
		);
	const error = await waitFor(failed, 'the end of the patience', 60);
	assert.match(error, /pg_dump of app was held for .* without progress of the upload/);
	abort.abort(new Error('over'));
	await ended;
	await hold.end();
	assert.deepEqual(
		said.map(text => text.replace(/for .*in/, 'for T in')),
		[
			'warn pg_dump of app is held: 101 B wait for the upload; its snapshot stays open',
			'debug pg_dump of app is held: 101 B wait for the upload',
			'info pg_dump of app was held for T in total',
		],
	);
});
