/** A backup as pg_back 2.6 makes it: tools of every age, what they inherit, old files, first runs. */
import assert from 'node:assert/strict';
import {mkdirSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {type Cluster, startCluster, startStandby} from '../helpers/cluster.js';
import {connectTo, filesIn, type RunOptions, runProgram, scratchDirectory, shapesIn} from '../helpers/program.js';
import {type Call, recordingTools} from '../helpers/recorder.js';

let server: Cluster;

before(async () => {
	server = await startCluster({name: 'dropin'});
	await server.psql(
		'postgres',
		`create database a; create database b; create database "b 1"; create role owner login; create database own owner owner;
		create role helper; alter database a set work_mem = '8MB'; alter role helper in database a set search_path = x, "y z";
		grant create on database a to helper`,
	);
});
after(async () => server.stop());

async function backup(directory: string, args: readonly string[], options: RunOptions & {readonly code?: number} = {}) {
	const ended = await runProgram([...connectTo(server, directory), ...args], options);
	assert.equal(ended.code, options.code ?? 0, ended.stderr);
	return ended;
}

/** Tools that print `version` and write something where a dump is expected. */
function fakes(version: string) {
	const script = (tool: string) => `# VERSION
if [ "$1" = --version ]; then echo "${tool} ${version}"; exit; fi
for word in "$@"; do [ "$last" = -f ] && echo toc >"$word/toc.dat"; last=$word; done
echo dumped`;
	return recordingTools({pg_dump: script('pg_dump'), pg_dumpall: script('pg_dumpall')});
}

describe('tools of every age, named by their directory', () => {
	const words = ({args}: Call) =>
		args.filter(
			(word, at) => word !== '-f' && args[at - 1] !== '-f' && args[at - 1] !== '-d' && !word.startsWith('--snapshot'),
		);
	type Case = {
		readonly version: string;
		readonly options?: readonly string[];
		readonly words?: readonly string[];
		readonly byEnvironment?: true;
		readonly says?: RegExp;
		readonly code?: number;
	};
	const cases: readonly Case[] = [
		{version: '(PostgreSQL) 8.3.23', code: 13, says: /is 8\.3\.23: pg_dump 8\.4 or newer is needed/},
		{version: 'of some kind', code: 13, says: /pg_dump 8\.4 or newer is needed/},
		{version: '(PostgreSQL) 8.4.22', words: ['-Fc', '-w'], byEnvironment: true},
		{version: '(PostgreSQL) 9.0.23', options: ['-F', 'd'], code: 13, says: /does not support directory format/},
		{
			version: '(PostgreSQL) 9.2.24',
			options: ['-F', 'd', '-J', '3'],
			words: ['-Fd', '-w'],
			byEnvironment: true,
			says: /WARN: .*does not support parallel jobs/,
		},
		{version: '(PostgreSQL) 9.3.25', options: ['-F', 'd', '-J', '3'], words: ['-Fd', '-w', '-j', '3', '-d']},
		{version: '(PostgreSQL) 9.6beta1', words: ['-Fc', '-w', '-d'], says: /WARN: .* is 9\.6\.0, older than the server/},
		{version: '(PostgreSQL) 10devel', options: ['-Z', '3'], words: ['-Fc', '-w', '-Z', '3', '--no-sync', '-d']},
		{version: '(EnterpriseDB) 97.2.0', words: ['-Fc', '-w', '--no-sync', '-d']},
		{version: '(PostgreSQL) 98rc1 (Debian 98~rc1)', words: ['-Fc', '-w', '--no-sync', '-d']},
	];
	for (const {version, options = [], code, says, byEnvironment, ...expected} of cases) {
		test(`${version} ${options.join(' ')}`, async () => {
			const tools = fakes(version);
			const directory = scratchDirectory('out');
			const run = await backup(directory, ['--dump-only', '-B', tools.directory, '-d', 'b', ...options, 'a'], {code});
			if (says) assert.match(run.stderr, says);
			const [call] = tools.calls();
			assert.deepEqual(call && words(call), expected.words);
			if (!call) return;
			assert.equal(call.environment.get('PGDATABASE'), byEnvironment && 'a');
			assert.equal(call.environment.get('PGHOST'), byEnvironment && server.socketDirectory);
			assert.equal(call.environment.get('PGUSER'), byEnvironment && 'postgres');
			assert.equal(/older than the server/.test(run.stderr), /\) (?:8|9\.|10)/.test(version));
		});
	}

	test('pg_dumpall: by the environment before 9.3, and without --no-role-passwords before 10', async () => {
		const old = fakes('(PostgreSQL) 9.2.24');
		await backup(scratchDirectory('out'), ['-B', old.directory, '-d', 'b', 'a']);
		const globals = old.calls().find(({tool}) => tool === 'pg_dumpall');
		assert.deepEqual(globals?.args, ['-g', '-w', '-l', 'b']);
		assert.equal(globals.environment.get('PGHOST'), server.socketDirectory);
		const run = await backup(
			scratchDirectory('out'),
			['-B', fakes('(PostgreSQL) 9.6.24').directory, '--without-role-passwords', 'a'],
			{code: 13},
		);
		assert.match(run.stderr, /pg_dumpall does not support --no-role-passwords, use pg_dumpall >= 10/);
	});

	test('createdb.sql beside every format before 11, beside plain ones from 11 on', async () => {
		for (const [version, format, expected] of [
			['10.23', 'c', true],
			['97.1', 'c', false],
			['97.1', 'p', true],
		] as const) {
			const directory = scratchDirectory('out');
			await backup(directory, ['-B', fakes(`(PostgreSQL) ${version}`).directory, '-F', format, 'a']);
			const name = filesIn(directory).find(one => one.endsWith('.createdb.sql'));
			assert.equal(name !== undefined, expected, version);
			if (name === undefined) continue;
			assert.equal(
				readFileSync(join(directory, name), 'utf8'),
				`--
-- Database creation
--

CREATE DATABASE "a" WITH TEMPLATE = template0 OWNER = "postgres" ENCODING = 'UTF8' LC_COLLATE = 'C.UTF-8' LC_CTYPE = 'C.UTF-8';

--
-- Database privileges${' '}
--

GRANT CREATE ON DATABASE "a" TO "helper";

ALTER ROLE "helper" IN DATABASE "a" SET "search_path" TO 'x', 'y z';
ALTER DATABASE "a" SET "work_mem" TO '8MB';
`,
			);
		}
	});

	test('they inherit the environment, without our secrets', async () => {
		const tools = recordingTools();
		const env = {
			DOCKER_HOST: 'tcp://h',
			PGOPTIONS: '-c work_mem=1MB',
			PGBK_CIPHER_PASS: 'x',
			AWS_SECRET_ACCESS_KEY: 'x',
		};
		await backup(scratchDirectory('out'), ['--dump-only', '-B', tools.directory, 'a'], {env});
		const inherited = tools.calls()[0]?.environment;
		assert.deepEqual(
			Object.keys(env).map(name => inherited?.get(name)),
			['tcp://h', '-c work_mem=1MB', undefined, undefined],
		);
	});
});

test('without superuser: one warning for each thing that may not be read, and exit status 0', async () => {
	const directory = scratchDirectory('out');
	const tools = recordingTools();
	const run = await runProgram([...connectTo(server, directory, 'owner'), '-B', tools.directory, '-d', 'own', 'own']);
	assert.equal(run.code, 0, run.stderr);
	const warnings = run.stderr.split('\n').filter(line => line.includes(' WARN: '));
	for (const what of [
		/role passwords .*pg_authid/,
		/settings .*pg_show_all_file_settings/,
		/hba_file .*lacks/,
		/ident_file .*lacks/,
	])
		assert.equal(warnings.filter(line => what.test(line)).length, 1, `${String(what)} in ${warnings.join('\n')}`);
	assert.equal(warnings.length, 4);
	assert.ok(
		tools
			.calls()
			.find(({tool}) => tool === 'pg_dumpall')
			?.args.includes('--no-role-passwords'),
	);
	assert.deepEqual(shapesIn(directory), ['own_T.dump', 'pg_globals_T.sql']);
});

test('the purge takes what 2.x wrote under the names of the database, and nothing that others made', async () => {
	const directory = scratchDirectory('out');
	const goes = [
		'a_2019-01-01_00-00-00.dump',
		'a_2019-01-01_00-00-00.dump.sha256',
		'a_2020-01-01T00:00:00Z.sql.gz',
		'a_2020-01-01T00:00:00+05:30.tar.age',
		'a_2020-01-01T00:00:00+05:30.tar.sha1.age.sha1',
		'a_2018-01-01_00-00-00.createdb.sql',
		'b 1_2020-01-01T00:00:00Z.dump',
		'pg_globals_2020-01-01_00-00-00.sql',
		'hba_file_2020-01-01T00:00:00Z.out',
	];
	const stays = [
		'a_2020-01-01_00-00-00.draft',
		'a_2020-01-01_00-00-00.tar.gz',
		'a_2020-01-01_00-00-00.sql.orig',
		'a_2020-01-01_00-00-00',
		'a_2020-13-01_00-00-00.dump',
		'a_2020-02-30T00:00:00Z.dump',
		'a_x_2020-01-01_00-00-00.dump',
		'a_2020-01-01T00:00:00+0530.dump',
		'b_2020-01-01T00:00:00Z.dump',
		'b_1_2020-01-01T00:00:00Z.dump',
	];
	for (const name of [...goes, ...stays]) writeFileSync(join(directory, name), 'x');
	const run = await backup(directory, ['a', 'b 1']);
	const left = new Set(readdirSync(directory));
	assert.deepEqual(
		goes.filter(name => left.has(name)),
		[],
	);
	assert.deepEqual(
		stays.filter(name => !left.has(name)),
		[],
	);
	for (const name of goes) assert.ok(run.stderr.includes(`removing ${join(directory, name)}`), name);
});

test('a first run into a directory with {dbname} that does not exist yet, uploaded and listed', async () => {
	const base = scratchDirectory('first');
	const remote = join(base, 'remote');
	mkdirSync(remote);
	const store = ['--upload', 'local', '--local-directory', remote, '--upload-prefix', 'pre'];
	const directory = join(base, 'new/{dbname}/dumps');
	await backup(directory, ['--dump-only', ...store, '-F', 'd', 'a']);
	assert.match(shapesIn(join(base, 'new')).join(' '), /a\/dumps\/a_T\.d\/toc\.dat/);
	const list = async (...patterns: string[]) =>
		(
			await runProgram(['--no-config-file', '-b', directory, '--list-remote', 'local', ...store.slice(2), ...patterns])
		).stdout
			.split('\n')
			.slice(0, -1);
	const all = await list();
	assert.ok(all.every(key => key.startsWith('pre/')) && all.some(key => key.endsWith('.d/toc.dat')), all.join(' '));
	assert.deepEqual(await list('*/toc.dat'), []);
	assert.deepEqual(await list('toc.dat'), []);
	assert.deepEqual(
		await list('*/*/*/toc.dat'),
		all.filter(key => key.endsWith('toc.dat')),
	);
});

test('a failed hook: its lines are errors, which a quiet log shows', async () => {
	const hook = join(scratchDirectory('hook'), 'hook');
	writeFileSync(hook, '#!/bin/sh\necho one\necho two >&2\nexit 4\n', {mode: 0o755});
	const {stderr} = await backup(scratchDirectory('out'), ['-q', '--dump-only', '--pre-backup-hook', hook, 'a'], {
		code: 1,
	});
	assert.match(stderr, /ERROR: pre-backup: one\n/);
	assert.match(stderr, /ERROR: pre-backup: two\n/);
	assert.match(stderr, /FATAL: hook command failed: exit status 4/);
	assert.doesNotMatch(stderr, /INFO/);
	const {stderr: missing} = await backup(
		scratchDirectory('out'),
		['--dump-only', '--pre-backup-hook', '/dev/null/none', 'a'],
		{code: 1},
	);
	assert.match(missing, /FATAL: hook command failed: cannot run \/dev\/null\/none: not a directory\n/);
	assert.doesNotMatch(missing, /setpriv/);
});

test('a standby, dumped into a directory that does not exist yet: paused for the dump only', async () => {
	const standby = await startStandby(server, {name: 'dropin'});
	try {
		const base = scratchDirectory('standby');
		const run = await runProgram([...connectTo(standby, join(base, 'new/{dbname}')), '--dump-only', 'a']);
		assert.equal(run.code, 0, run.stderr);
		assert.match(run.stderr, /pausing replication\n[^]*replication paused\n[^]*resuming replication\n/);
		assert.equal(await standby.psql('postgres', 'select pg_is_wal_replay_paused()'), 'f');
		assert.deepEqual(
			shapesIn(base).filter(name => name.includes('replication')),
			[],
		);
	} finally {
		await standby.stop();
	}
});
