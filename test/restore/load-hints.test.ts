/** What pg_restore says, and what it means. */
import assert from 'node:assert/strict';
import {describe, test} from 'node:test';
import {hintFor, RestoreLog} from '../../source/restore/restore-log.js';

test('a deadlock of the sessions of pg_restore is no reason to leave an entry out', () => {
	const hint = (text: string) => hintFor(text) ?? '';
	assert.match(hint('pg_restore: error: could not execute query: ERROR:  deadlock detected'), /--restore-jobs 1/);
	assert.equal(hintFor('ERROR:  relation "t" already exists'), undefined);
	assert.match(hint('pg_restore: error: could not receive data from server: Connection reset by peer'), /server log/);
});

describe('a setting that an older server does not know', () => {
	const setting =
		'pg_restore: error: could not execute query: ERROR:  unrecognized configuration parameter "transaction_timeout"';
	const ended = (jobs: number, ...lines: readonly string[]) => {
		const log = new RestoreLog({tolerant: true, jobs, entries: []}, () => undefined);
		for (const line of lines) log.add(line);
		log.check('app', {exitCode: 1, signalName: null, stderr: [...lines]});
	};
	const ignored = (count: number) => `pg_restore: warning: errors ignored on restore: ${count}`;
	const ofWorkers = Array.from({length: 6}, () => setting);

	test('is no failure', () => {
		ended(1, setting, ignored(1));
		ended(4, ...ofWorkers, ignored(2));
	});

	test('is not shown as an error, and nothing else is hidden', () => {
		const log = new RestoreLog({tolerant: true, jobs: 1, entries: []}, () => undefined);
		const lines = [
			'pg_restore: while INITIALIZING:',
			setting,
			'Command was: SET transaction_timeout = 0;',
			'Command was: SET another = 0;',
			'pg_restore: warning: something else',
			ignored(1),
		];
		assert.deepEqual(
			lines.map(line => log.add(line)),
			[true, true, true, false, false, true],
		);
		const strict = new RestoreLog({tolerant: false, jobs: 1, entries: []}, () => undefined);
		assert.deepEqual(
			lines.map(line => strict.add(line)),
			lines.map(() => false),
		);
		const failing = new RestoreLog({tolerant: true, jobs: 1, entries: []}, () => undefined);
		const failure = 'pg_restore: error: could not execute query: ERROR:  permission denied';
		assert.deepEqual(
			[setting, failure, 'Command was: DROP TABLE t;', ignored(2)].map(line => failing.add(line)),
			[true, false, false, false],
		);
	});

	test('hides no other failure, not even one whose line is mixed with that of another process', () => {
		assert.throws(() => ended(1, setting, ignored(2)), {code: 'FAILED'});
		const mixed = 'pg_restore: pg_restore:error:  could not execute query: ERROR:  permission denied';
		assert.throws(() => ended(4, ...ofWorkers, mixed, ignored(4)), {code: 'FAILED'});
	});
});
