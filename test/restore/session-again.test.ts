/** What a restore undoes over another session when its own has ended. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {connectionError} from '../../source/postgres/connection-error.js';
import type {Session} from '../../source/postgres/session.js';
import {onSession} from '../../source/restore/restore-target.js';

const ended = {alive: false} as Session;
const session = {alive: true, close: async () => Promise.resolve()} as Session;

/** Returns the number of attempts, and the failure. */
async function attempts(errors: readonly string[]): Promise<readonly [number, unknown]> {
	const left = [...errors];
	let count = 0;
	const open = async () => {
		count++;
		const error = left.shift();
		if (error !== undefined) throw connectionError([error], false);
		return Promise.resolve(session);
	};
	const failure = await onSession({session: ended, maintenance: 'postgres', open}, async one => {
		assert.equal(one, session);
		return Promise.resolve();
	}).catch((error: unknown) => error);
	return [count, failure];
}

test('a server that recovers from a crash is waited for', async () => {
	const recovery = 'psql: error: FATAL:  the database system is in recovery mode';
	assert.deepEqual(await attempts([recovery, 'psql: error: FATAL:  the database system is starting up']), [
		3,
		undefined,
	]);
});

test('one that is down is not', async () => {
	const [count, error] = await attempts(['psql: error: connection to server failed: Connection refused']);
	assert.equal(count, 1);
	assert.match(String(error), /Connection refused/);
});
