/** What programs of PostgreSQL find around them: no secret in their environment, and a directory that exists. */
import assert from 'node:assert/strict';
import {mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, test} from 'node:test';
import {clientDirectory, type Cluster, startCluster} from '../helpers/cluster.js';
import {connectTo, runProgram, scratchDirectory, shapesIn} from '../helpers/program.js';
import {configFile} from './remote-places.js';

let server: Cluster;
before(async () => {
	server = await startCluster({name: 'environment'});
});
after(async () => server.stop());

test('no tool gets the secrets of pg_back or of a store; all get the rest', async () => {
	const notes = scratchDirectory('environment');
	const programs = scratchDirectory('tools');
	const names = ['pg_dump', 'pg_dumpall', 'pg_restore', 'psql'];
	for (const name of names) {
		const script = `#!/bin/sh\nenv >> '${join(notes, name)}'\nexec '${join(clientDirectory(), name)}' "$@"\n`;
		writeFileSync(join(programs, name), script, {mode: 0o755});
	}
	const secrets = {
		PGBK_CIPHER_PASS: 'swordfish',
		AWS_PROFILE: 'swordfish',
		AZURE_STORAGE_ACCOUNT: 'swordfish',
		B2_APPLICATION_KEY_ID: 'swordfish',
		GCLOUD_PROJECT: 'swordfish',
		GITHUB_TOKEN: 'swordfish',
	};
	const [, ...connection] = connectTo(server, scratchDirectory('out'));
	const ended = await runProgram(['-c', configFile(['verify = full']), ...connection, '-B', programs, 'postgres'], {
		env: {...secrets, WRAPPER_HOST: 'db1'},
	});
	assert.equal(ended.code, 0, ended.stderr);
	for (const name of names) {
		const seen = readFileSync(join(notes, name), 'utf8');
		assert.doesNotMatch(seen, /swordfish/, name);
		assert.match(seen, /^WRAPPER_HOST=db1$/m, name);
	}
});

test('a current directory that was removed: everything is dumped, and a relative path is refused', async () => {
	const removed = join(scratchDirectory('cwd'), 'removed');
	mkdirSync(removed);
	const wrapper = ['sh', '-c', 'cd "$0" && rmdir "$0" && exec "$@"', removed];
	const directory = scratchDirectory('out');
	const {code, stderr} = await runProgram([...connectTo(server, directory), 'postgres'], {wrapper});
	assert.equal(code, 0, stderr);
	assert.ok(shapesIn(directory).includes('pg_globals_T.sql'));
	mkdirSync(removed);
	const relative = await runProgram([...connectTo(server, 'dumps'), 'postgres'], {wrapper});
	assert.equal(relative.code, 1);
	assert.match(
		relative.stderr,
		/FATAL: the current directory cannot be used: .*\n.* HINT: cd to a directory that exists/,
	);
});
