/** What pg_restore says, and what it means. */
import assert from 'node:assert/strict';
import {describe, test} from 'node:test';
import {hintFor, RestoreLog} from '../../source/restore/load.js';

test('a deadlock of the sessions of pg_restore is no reason to leave an entry out', () => {
	assert.match(hintFor('pg_restore: error: could not execute query: ERROR:  deadlock detected'), /--restore-jobs 1/);
	assert.match(hintFor('ERROR:  relation "t" already exists'), /--skip/);
});

describe('a setting that an older server does not know', () => {
	const setting =
		'pg_restore: error: could not execute query: ERROR:  unrecognized configuration parameter "transaction_timeout"';
	const ended = (jobs: number, ...lines: readonly string[]) => {
		const log = new RestoreLog({tolerant: true, jobs}, () => undefined);
		for (const line of lines) log.add(line);
		log.check('app', {exitCode: 1, signalName: null, stderr: [...lines]});
	};
	const ignored = (count: number) => `pg_restore: warning: errors ignored on restore: ${count}`;
	const ofWorkers = Array.from({length: 6}, () => setting);

	test('is no failure', () => {
		ended(1, setting, ignored(1));
		ended(4, ...ofWorkers, ignored(2));
	});

	test('hides no other failure, not even one whose line is mixed with that of another process', () => {
		assert.throws(() => ended(1, setting, ignored(2)), {code: 'FAILED'});
		const mixed = 'pg_restore: pg_restore:error:  could not execute query: ERROR:  permission denied';
		assert.throws(() => ended(4, ...ofWorkers, mixed, ignored(4)), {code: 'FAILED'});
	});
});
