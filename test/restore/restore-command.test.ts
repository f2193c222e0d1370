import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import type {RestoreRequest} from '../../source/core/restore.js';
import {commandOf} from '../../source/restore/restore-command.js';
import {runContext} from '../helpers/run-context.js';

const {configuration} = await runContext(['-h', 'db1', '-b', '/var/backups/my dumps']);
const plain: RestoreRequest = {
	location: 'backup',
	databases: ['app'],
	server: {host: 'db1', port: 0, user: ''},
	into: '',
	replace: false,
	owner: '',
	roles: 'needed',
	restoreJobs: 0,
	compare: 'auto',
	locale: '',
	skip: [],
};
const command = (request: Partial<RestoreRequest>) => commandOf(configuration, {...plain, ...request});

describe('the command line of a restore', () => {
	it('repeats what leads to the dumps and the server, and nothing that is as it would be anyway', () => {
		const text = command({});
		assert.match(text, /^pg_back -h db1 .*--restore backup/);
		assert.match(text, / -b '\/var\/backups\/my dumps'/);
		assert.doesNotMatch(text, /--(?:into|owner|roles|compare|locale|skip|restore-jobs|replace|no-data)/);
		assert.match(text, / app$/);
	});

	it('has every choice, with lists as one word', () => {
		const text = command({
			...{run: 'r1', into: "app's", replace: true, owner: '-x', roles: 'none', restoreJobs: 3, compare: 'rows'},
			...{noData: true, skip: ['extension postgis', 'a,b'], only: ['sales."Odd"']},
		});
		assert.match(text, /--run r1/);
		assert.match(text, /--into 'app'\\''s'/);
		assert.match(text, /--replace /);
		assert.match(text, /--owner=-x/);
		assert.match(text, /--roles none/);
		assert.match(text, /--restore-jobs 3/);
		assert.match(text, /--compare rows/);
		assert.match(text, /--no-data/);
		assert.match(text, /--skip 'extension postgis,"a,b"'/);
		assert.match(text, /--only '"sales\.""Odd"""'/);
	});

	it('names databases that begin with a dash behind --, and another server than the given one', () => {
		const text = command({databases: ['-a'], server: {host: 'db2', port: 5433, user: 'me'}});
		assert.match(text, /-h db2 -p 5433 -U me/);
		assert.match(text, / -- -a$/);
	});

	it('holds no secret', () => {
		assert.doesNotMatch(command({secrets: {passphrase: 'hunter2'}}), /hunter2/);
	});
});
