import assert from 'node:assert/strict';
import {test} from 'node:test';
import {hintFor} from '../../source/restore/load.js';

test('a deadlock of the sessions of pg_restore is no reason to leave an entry out', () => {
	assert.match(hintFor('pg_restore: error: could not execute query: ERROR:  deadlock detected'), /--restore-jobs 1/);
	assert.match(hintFor('ERROR:  relation "t" already exists'), /--skip/);
});
