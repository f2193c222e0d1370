import assert from 'node:assert/strict';
import {test} from 'node:test';
import {toolEnvironment} from '../../source/postgres/environment.js';
import {secretVariables} from '../../source/storage/definitions.js';

test('tools inherit everything but secrets', () => {
	const kept = [
		'PATH',
		'HOME',
		'PGPASSWORD',
		'PGSSLKEY',
		'PGPASSFILE',
		'DOCKER_HOST',
		'SSH_AUTH_SOCK',
		'COMPASS',
		'KEYBOARD',
		'RECORD',
	];
	const dropped = [
		'PGBK_CIPHER_PASS',
		'AWS_PROFILE',
		'AWS_SECRET_ACCESS_KEY',
		'AZURE_STORAGE_KEY',
		'B2_APPLICATION_KEY',
		'GOOGLE_APPLICATION_CREDENTIALS',
		'GITHUB_TOKEN',
		'MY_PASSWORD',
		'DB_PASS',
		'SECRET_SAUCE',
		'OPENAI_API_KEY',
	];
	const environment = Object.fromEntries([...kept, ...dropped].map(name => [name, 'x']));
	assert.deepEqual(Object.keys(toolEnvironment({...environment, UNSET: undefined}, secretVariables)), kept);
});
