/** Drills of hostile and of awkward dumps, and what they leave of a server that others use too. */
import assert from 'node:assert/strict';
import {createHash} from 'node:crypto';
import {existsSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {drillLock, takeLock} from '../../source/restore/restore-locks.js';
import {type Cluster, realClientVersions, realServerVersions, startCluster} from '../helpers/cluster.js';
import {sessionOn} from '../helpers/postgres.js';
import {connectTo, filesIn, runProgram, scratchDirectory} from '../helpers/program.js';

const drill = (directory: string, more: readonly string[] = [], env: Readonly<Record<string, string>> = {}) =>
	runProgram(['--no-config-file', '-b', directory, '--restore-drill', ...more], {env});

describe('a drill in a server that others use', () => {
	let server: Cluster;
	let other: Cluster;
	before(async () => {
		server = await startCluster({name: 'source'});
		other = await startCluster({name: 'other'});
		await server.psql(
			'postgres',
			`create role app superuser login password 'dumped'; create role reader login password 'x'; create role team; grant team to reader;
			grant team to app; alter role app set work_mem = '7MB'; comment on role app is 'dumped'; create database shop owner app lc_collate 'C' template template0`,
		);
		await server.psql(
			'shop',
			'set role app; create table t as select 1 as i; grant select on t to reader; create policy p on t to team',
		);
		await other.psql('postgres', "create role app nologin; comment on role app is 'kept'; create database shop");
		await other.psql('shop', 'create table mine ()');
	});
	after(async () => {
		await server.stop();
		await other.stop();
	});
	const state = () =>
		other.psql(
			'postgres',
			`select rolname, rolsuper, rolcanlogin, rolpassword, (select setconfig from pg_db_role_setting where setrole = a.oid), shobj_description(oid, 'pg_authid') from pg_authid a where rolname !~ '^pg_'
			union all select datname, null, null, datacl::text, null, null from pg_database
			union all select member::regrole::text, null, null, roleid::regrole::text, null, null from pg_auth_members where roleid > 16000 order by 1, 4`,
		);

	for (const format of ['custom', 'plain'])
		test(`leaves it as it was, ${format} format`, async () => {
			const directory = scratchDirectory('backups');
			const made = await runProgram([...connectTo(server, directory), '-F', format, 'shop']);
			assert.equal(made.code, 0, made.stderr);
			const before = await state();
			const run = await drill(directory, ['--drill-dbname', other.connectionString('postgres')]);
			assert.equal(run.code, 0, run.stderr);
			assert.equal(await state(), before);
		});

	test('drops what a killed drill left there, and nothing that only looks like it', async () => {
		const directory = scratchDirectory('backups');
		assert.equal((await runProgram([...connectTo(server, directory), 'shop'])).code, 0);
		const before = await state();
		await other.psql(
			'postgres',
			`create database "x.pgbk-drill-abcdef"; create role left_role; comment on role left_role is 'created by pg_back drill abcdef, dropped at its end'`,
		);
		// The lock of a drill that is connected to another database.
		const active = await sessionOn(other, {database: 'shop'});
		await takeLock(active, drillLock('abcdef'));
		const during = await state();
		const options = ['--drill-dbname', other.connectionString('postgres')];
		assert.equal((await drill(directory, options)).code, 0);
		assert.equal(await state(), during);
		await active.close();
		const run = await drill(directory, options);
		assert.equal(run.code, 0, run.stderr);
		assert.match(run.stderr, /dropped database x\.pgbk-drill-abcdef: left by a drill that was killed/);
		assert.equal(await state(), before);
	});

	test('--cleanup-restores drops what a killed drill left; what it cannot drop is a failure', async () => {
		const before = await state();
		const mark = (tag: string) => `'created by pg_back drill ${tag}, dropped at its end'`;
		await other.psql(
			'postgres',
			`create database "x.pgbk-drill-abcdef"; comment on database "x.pgbk-drill-abcdef" is 'pg_back: unfinished restore of x';
			create role left_role; comment on role left_role is ${mark('abcdef')}; create role used; comment on role used is ${mark('abcdef')};
			create database "y.pgbk-drill-abcdef"; create database "z.pgbk-drill-abcdef"; comment on database "z.pgbk-drill-abcdef" is 'mine'`,
		);
		await other.psql('y.pgbk-drill-abcdef', 'create table mine ()');
		await other.psql('shop', 'create table used (); alter table used owner to used');
		const run = await runProgram([...connectTo(other, scratchDirectory('backups')), '--cleanup-restores']);
		assert.equal(run.code, 1, run.stderr);
		assert.match(run.stderr, /dropped 1 database and 1 role$/m);
		assert.match(run.stderr, /WARN: cannot drop role used, left by a drill that was killed: .*depend/);
		await other.psql('shop', 'drop table used');
		await other.psql(
			'postgres',
			'drop role used; drop database "y.pgbk-drill-abcdef"; drop database "z.pgbk-drill-abcdef"',
		);
		assert.equal(await state(), before);
	});

	test('runs no command of a plain dump, and no statement of the globals that is not of pg_dumpall', async () => {
		const directory = scratchDirectory('backups');
		assert.equal(
			(await runProgram([...connectTo(server, directory), '-F', 'plain', 'shop', '--checksum-algo', 'none'])).code,
			0,
		);
		const proof = join(scratchDirectory('proof'), 'touched');
		const files = filesIn(directory, {manifests: true});
		const manifestPath = join(directory, files.find(name => name.endsWith('.manifest.json')) ?? '');
		const manifest = readFileSync(manifestPath, 'utf8');
		rmSync(manifestPath);
		const dump = join(directory, files.find(name => /^shop_.*\.sql$/.test(name) && !name.includes('createdb')) ?? '');
		const text = readFileSync(dump, 'utf8');
		writeFileSync(dump, text.replace('CREATE TABLE', `\\! touch ${proof}\nCREATE TABLE`));
		for (const target of [[], ['--drill-dbname', other.connectionString('postgres')]]) {
			const run = await drill(directory, target);
			assert.equal(run.code, 17, run.stderr);
			assert.match(run.stderr, /shop_\S+\.sql, line \d+: the psql command \\!, which pg_dump does not write/);
			assert.equal(existsSync(proof), false);
		}
		for (const [statement, words] of [
			["ALTER SYSTEM SET work_mem = '1MB'", 'ALTER SYSTEM'],
			["alter /* a */ -- b\n system set work_mem = '1MB'", 'ALTER SYSTEM'],
			['CREATE USER intruder SUPERUSER', 'CREATE USER'],
		] as const) {
			writeFileSync(dump, text.replace('CREATE TABLE', `${statement};\nCREATE TABLE`));
			const run = await drill(directory, ['--drill-dbname', other.connectionString('postgres')]);
			assert.equal(run.code, 17, run.stderr);
			assert.match(run.stderr, new RegExp(`shop_\\S+\\.sql, line \\d+: ${words} changes the whole server`));
			assert.equal(await other.psql('postgres', "select count(*) from pg_roles where rolname = 'intruder'"), '0');
		}
		// A manifest that fits the changed dump: it is not read before it is loaded.
		const changed = text.replace('CREATE TABLE', "ALTER SYSTEM SET work_mem = '1MB';\nCREATE TABLE");
		const hash = (content: string) => createHash('sha256').update(content).digest('hex');
		writeFileSync(dump, changed);
		writeFileSync(
			manifestPath,
			manifest
				.replaceAll(hash(text), hash(changed))
				.replaceAll(`"size":${Buffer.byteLength(text)}`, `"size":${Buffer.byteLength(changed)}`)
				.replaceAll(`"size": ${Buffer.byteLength(text)}`, `"size": ${Buffer.byteLength(changed)}`),
			{mode: 0o600},
		);
		const fitting = await drill(directory, ['--drill-dbname', other.connectionString('postgres')]);
		assert.equal(fitting.code, 17, fitting.stderr);
		assert.match(fitting.stderr, /ALTER SYSTEM changes the whole server/);
		rmSync(manifestPath);
		writeFileSync(dump, text);
		const globals = join(directory, files.find(name => /^pg_globals_.*\.sql$/.test(name)) ?? '');
		const before = await state();
		writeFileSync(globals, `${readFileSync(globals, 'utf8')}\nALTER SYSTEM SET work_mem = '1MB';\n`);
		const run = await drill(directory, ['--drill-dbname', other.connectionString('postgres')]);
		assert.notEqual(run.code, 0, run.stderr);
		assert.match(run.stderr, /a statement that pg_dumpall does not write: ALTER SYSTEM/);
		assert.equal(await state(), before);
	});
});

const clients = realClientVersions();
for (const [version, binDirectory] of realServerVersions()) {
	const tools = clients.get(version);
	if (tools === undefined) continue;
	test(`a drill restores what a database can be set to, PostgreSQL ${version}`, async () => {
		const preload = {shared_preload_libraries: 'pg_stat_statements', wal_level: 'logical'};
		const server = await startCluster({version, name: 'awkward', settings: preload});
		try {
			await server.psql(
				'postgres',
				`create role "dba ""x""" superuser; create role team; create role member; grant team to member with admin option; create role other;
				set role member; grant team to other; reset role; create database app; create database "odd.name \\ x"`,
			);
			await server.psql(
				'app',
				`create extension pg_stat_statements; create materialized view seen as select count(*) from pg_stat_statements;
				create table t as select generate_series(1, 10) as i; create subscription s connection 'host=/nowhere dbname=x' publication p with (connect = false, slot_name = 'theirs')`,
			);
			await server.psql(
				'postgres',
				'alter database app set default_transaction_read_only = on; alter database app connection limit 1',
			);
			const directory = scratchDirectory('backups');
			const env = {PATH: `${tools}:${binDirectory}:/usr/bin:/bin`};
			const connection = connectTo(server, directory).filter(word => word !== '--no-config-file');
			const made = await runProgram(['--no-config-file', ...connection], {env});
			assert.equal(made.code, 0, made.stderr);
			const run = await drill(directory, [], env);
			assert.equal(run.code, 0, run.stderr);
			assert.match(run.stderr, /app: restored into/);
			assert.doesNotMatch(run.stderr, /ERROR|WARN: not on this machine/);
		} finally {
			await server.stop();
		}
	});
}
