/** What a backup says of settings that mean something else than one may expect, and what it does not say. */
import assert from 'node:assert/strict';
import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {connectTo, filesIn, newAgeKeys, runProgram, scratchDirectory} from '../helpers/program.js';

let server: Cluster;
let recipient: string;
before(async () => {
	server = await startCluster({name: 'warnings', auth: 'scram-sha-256'});
	({recipient} = await newAgeKeys());
	await server.psql('postgres', 'create database "-x"; create table t as select generate_series(1, 1000)');
});
after(() => server.stop());

async function backup(settings: string, more: readonly string[] = [], password = 'secret') {
	const directory = scratchDirectory('backups');
	const config = join(scratchDirectory('config'), 'pg_back.conf');
	writeFileSync(config, settings, {mode: 0o600});
	const [, ...connection] = connectTo(server, directory);
	const run = await runProgram(['-c', config, ...connection.map(word => word.replace(/ password=\S+/, '')), ...more], {
		env: {PGPASSWORD: password},
	});
	return {...run, directory};
}

test('a tar archive is in the clear on its way, the files of a directory dump for a while', async () => {
	const encrypt = ['--encrypt', '--cipher-public-key', recipient, 'postgres'];
	const tar = await backup('format = tar\n', encrypt);
	assert.equal(tar.code, 0, tar.stderr);
	assert.match(
		tar.stderr,
		/WARN: postgres: with format = tar, pg_dump writes each table unencrypted.*use format = custom/,
	);
	const directory = await backup('format = directory\n', encrypt);
	assert.equal(directory.code, 0, directory.stderr);
	assert.match(directory.stderr, /WARN: postgres: with format = directory, each file is on disk unencrypted until/);
	assert.doesNotMatch(directory.stderr, /could not open file|could not fsync/);
	const verbose = await backup('format = directory\n', [...encrypt, '-v']);
	assert.match(verbose.stderr, /--no-sync/);
	assert.doesNotMatch((await backup('format = custom\n', encrypt)).stderr, /WARN/);
});

test('record_contents = exact with pg_dump_options records nothing, and warns', async () => {
	const run = await backup('record_contents = exact\npg_dump_options = --no-comments\n', ['postgres']);
	assert.equal(run.code, 0, run.stderr);
	assert.match(run.stderr, /WARN: postgres: record_contents = exact has no effect/);
});

test('--enable-row-security omits rows, and warns', async () => {
	const run = await backup('pg_dump_options = --enable-row-security\n', ['postgres']);
	assert.match(
		run.stderr,
		/WARN: postgres: --enable-row-security: the dump omits rows that the user is not allowed to see/,
	);
});

test('a wrong password is not blamed on a file that is ours', async () => {
	const run = await backup('', [], 'wrong');
	assert.equal(run.code, 12, run.stderr);
	assert.match(run.stderr, /password authentication failed/);
	assert.doesNotMatch(run.stderr, /retrieved from file|pgpass"/);
});

test('a leading - stays in a name; hba and ident have one time', async () => {
	const run = await backup('');
	assert.equal(run.code, 0, run.stderr);
	assert.match(run.stderr, /using pg_dump \S+ at \S+: matches the server's major/);
	const names = filesIn(run.directory);
	assert.ok(
		names.some(name => /^-x_.*\.dump$/.test(name)),
		names.join(' '),
	);
	const times = names.flatMap(name => /^(?:hba|ident)_file_(.*)\.out$/.exec(name)?.[1] ?? []);
	assert.equal(times.length, 2);
	assert.equal(times[0], times[1]);
});
