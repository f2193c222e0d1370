/** What a restore can be told, each option judged by the catalog and by pg_dump's text of both databases. */
import assert from 'node:assert/strict';
import {readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {textOf} from '../helpers/databases.js';
import {connectTo, type Ended, nextSecond, runProgram, scratchDirectory, succeeded} from '../helpers/program.js';

let source: Cluster;
let target: Cluster;
let directory: string;
/** Of the first run, of 10 rows; the second has 20. */
let first: {readonly runId: string; readonly start: string};

before(async () => {
	source = await startCluster({name: 'options-from'});
	target = await startCluster({name: 'options-to'});
	directory = scratchDirectory('options');
	await source.psql(
		'postgres',
		`create role app_owner login password 'x' connection limit 5; create role reader; create role unused superuser;
		create role team; grant team to reader; create database app owner app_owner`,
	);
	await source.psql(
		'app',
		`set role app_owner; create schema s; create table s.t (i int primary key, text text); create index on s.t (text);
		create sequence s.counter; select setval('s.counter', 77); create view s.v as select i from s.t;
		create function s.f() returns int language sql as 'select 1'; create type s.color as enum ('red');
		grant usage on schema s to reader; grant select on s.t to reader; alter default privileges in schema s grant select on tables to reader;
		alter table s.t enable row level security; create policy p on s.t to reader using (true); reset role; grant connect on database app to reader`,
	);
	for (const rows of [10, 20]) {
		await source.psql('app', `insert into s.t select i, 'x' from generate_series(${rows - 9}, ${rows}) i`);
		succeeded(await runProgram([...connectTo(source, directory), 'app']));
		await nextSecond();
	}
	const manifests = readdirSync(directory)
		.filter(name => name.endsWith('.manifest.json'))
		.map(name => JSON.parse(readFileSync(join(directory, name), 'utf8')) as typeof first)
		.sort((a, b) => a.start.localeCompare(b.start));
	first = manifests[0] ?? assert.fail('no manifest');
});
after(async () => {
	await source.stop();
	await target.stop();
});

function restore(...args: readonly string[]): Promise<Ended> {
	return runProgram([...connectTo(target, directory), '--restore', 'backup', 'app', ...args]);
}

const rows = () => target.psql('app', 'select count(*) from s.t');
const roles = () =>
	target.psql('postgres', "select string_agg(rolname, ' ' order by rolname) from pg_roles where rolname !~ '^pg_'");
const databases = () => target.psql('postgres', "select string_agg(datname, ' ' order by datname) from pg_database");

async function clean(): Promise<void> {
	const names = await target.psql('postgres', "select datname from pg_database where datname ~ '^app'");
	for (const name of names.split('\n').filter(Boolean))
		await target.psql('postgres', `drop database "${name}" with (force)`);
	for (const role of ['app_owner', 'reader', 'team', 'unused', 'other'])
		await target.psql('postgres', `drop role if exists ${role}`);
}

describe('which run', () => {
	test('--run takes an id, its beginning, and the time in the names of the files', async () => {
		const timeText = readdirSync(directory)
			.flatMap(name => /^app_(.*)\.dump$/.exec(name)?.[1] ?? [])
			.sort()[0];
		for (const run of [first.runId, first.runId.slice(0, 8), timeText ?? '']) {
			succeeded(await restore('--run', run));
			assert.equal(await rows(), '10', run);
			await clean();
		}
		const unknown = await restore('--run', 'no-such-run');
		assert.equal(unknown.code, 1, unknown.stderr);
		assert.match(unknown.stderr, /no run no-such-run/);
	});

	test('a beginning of several runs, and an empty value, are refused', async () => {
		const both = await restore('--run', '20');
		assert.equal(both.code, 2, both.stderr);
		assert.match(both.stderr, /FATAL: 20 names 2 runs at .*: [\w-]+ of .*, [\w-]+ of /);
		for (const option of ['--run', '--as-of', '--into', '--owner']) {
			const empty = await restore(option, '');
			assert.equal(empty.code, 2, empty.stderr);
			assert.match(empty.stderr, new RegExp(`FATAL: ${option} is empty`));
		}
		assert.doesNotMatch(await databases(), /app/);
	});

	test('--as-of takes the newest run that began by then', async () => {
		succeeded(await restore('--as-of', first.start));
		assert.equal(await rows(), '10');
		await clean();
		succeeded(await restore('--as-of', new Date().toISOString()));
		assert.equal(await rows(), '20');
		await clean();
		const early = await restore('--as-of', '2001-01-01');
		assert.equal(early.code, 1, early.stderr);
		const malformed = await restore('--as-of', 'yesterday at noon');
		assert.equal(malformed.code, 2, malformed.stderr);
		assert.doesNotMatch(await databases(), /app/);
	});
});

describe('what of it', () => {
	test('--no-data: the structure, indexes and privileges too, and no row', async () => {
		succeeded(await restore('--no-data'));
		assert.equal(await rows(), '0');
		assert.equal(textOf(target, 'app', '-s', '-C'), textOf(source, 'app', '-s', '-C'));
		await clean();
	});

	test('--no-privileges: nothing is granted, the rest is as in the dump', async () => {
		succeeded(await restore('--no-privileges'));
		assert.equal(textOf(target, 'app', '-x'), textOf(source, 'app', '-x'));
		assert.equal(
			await target.psql(
				'app',
				`select count(*) from (select relacl from pg_class where relacl is not null and relnamespace = 's'::regnamespace
				union all select nspacl from pg_namespace where nspname = 's' and nspacl is not null
				union all select defaclacl from pg_default_acl union all select datacl from pg_database where datname = 'app' and datacl is not null) a`,
			),
			'0',
		);
		await clean();
	});
});

describe('who', () => {
	test('--owner: everything belongs to that role, and the roles of the dump are not needed', async () => {
		await target.psql('postgres', 'create role other');
		// The policy names a role.
		succeeded(await restore('--owner', 'other', '--no-privileges', '--skip', 'policy *'));
		assert.equal(
			await target.psql(
				'app',
				`select string_agg(distinct o::regrole::text, ' ') from (
					select relowner from pg_class where relnamespace = 's'::regnamespace union all select proowner from pg_proc where pronamespace = 's'::regnamespace
					union all select typowner from pg_type where typnamespace = 's'::regnamespace union all select nspowner from pg_namespace where nspname = 's'
					union all select datdba from pg_database where datname = 'app') x (o)`,
			),
			'other',
		);
		assert.equal(await roles(), 'other postgres');
		assert.equal(
			textOf(target, 'app', '-O', '-x')
				.replace(/[^]*(?=CREATE SCHEMA)/, '')
				.includes('INSERT'),
			false,
		);
		assert.equal(await rows(), '20');
		await clean();
	});

	test('--roles: those that are needed, all, or none; those that exist stay as they are', async () => {
		succeeded(await restore());
		assert.equal(await roles(), 'app_owner postgres reader team', 'needed, with the groups that they are in');
		assert.equal(
			await target.psql(
				'postgres',
				"select rolpassword is not null, rolconnlimit from pg_authid where rolname = 'app_owner'",
			),
			't|5',
		);
		await clean();
		await target.psql('postgres', "create role reader createdb password 'mine'");
		const before = await target.psql(
			'postgres',
			"select rolname, rolcreatedb, rolpassword from pg_authid where rolname = 'reader'",
		);
		succeeded(await restore('--roles', 'all'));
		assert.equal(await roles(), 'app_owner postgres reader team unused');
		assert.equal(
			await target.psql('postgres', "select rolname, rolcreatedb, rolpassword from pg_authid where rolname = 'reader'"),
			before,
		);
		assert.equal(
			await target.psql('postgres', "select count(*) from pg_auth_members where member = 'reader'::regrole"),
			'0',
		);
		await clean();
		const none = await restore('--roles', 'none');
		assert.equal(none.code, 18, none.stderr);
		assert.match(none.stderr, /app_owner[^]*reader/);
		assert.equal(await roles(), 'postgres');
		assert.doesNotMatch(await databases(), /app/);
	});
});

describe('when it fails', () => {
	test('--keep: the unfinished database stays for inspection, and no cleanup takes it', async () => {
		const hook = ['--after-restore-hook', 'false'];
		const dropped = await restore(...hook);
		assert.notEqual(dropped.code, 0);
		assert.doesNotMatch(await databases(), /app/);
		const kept = await restore(...hook, '--keep');
		assert.notEqual(kept.code, 0);
		assert.match(kept.stderr, /kept the unfinished database app\.pgbk-/);
		const [name = ''] = (await databases()).match(/app\.pgbk-\w{6}/) ?? [];
		assert.equal(await target.psql(name, 'select count(*) from s.t'), '20');
		succeeded(await runProgram([...connectTo(target, directory), '--cleanup-restores']));
		assert.match(await databases(), /app\.pgbk-/);
		succeeded(await restore());
		assert.match(await databases(), /app app\.pgbk-/);
		await clean();
	});
});
