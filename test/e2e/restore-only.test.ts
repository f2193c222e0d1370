/** `--only` after DROP … CASCADE: what it took comes back, with its rows. */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {textOf} from '../helpers/databases.js';
import {connectTo, runProgram, scratchDirectory} from '../helpers/program.js';

let server: Cluster;
let directory: string;

before(async () => {
	server = await startCluster({name: 'restore-only'});
	directory = scratchDirectory('restore-only');
	await server.psql('postgres', 'create database app');
	await server.psql(
		'app',
		`create table parent (id serial primary key, x int); insert into parent (x) values (1), (2);
		create table child (note text default 'a INHERITS (b)') inherits (parent); insert into child (x) values (3);
		create table grandchild () inherits (child); insert into grandchild (x) values (4); create index on grandchild (x);
		create view all_of_them as select * from parent; create table uses (p parent)`,
	);
	const backup = await runProgram([...connectTo(server, directory), 'app']);
	assert.equal(backup.code, 0, backup.stderr);
});
after(async () => server.stop());

/** In any order, because pg_dump orders by the age of objects, too. */
function linesOf(): string[] {
	return textOf(server, 'app').split('\n').sort();
}

const restore = (...args: readonly string[]) =>
	runProgram([...connectTo(server, directory), '--restore', 'backup', 'app', ...args]);

test('tables that inherit from it; not those that only use its row type', async () => {
	await server.psql('app', 'drop table uses');
	const before = linesOf();
	await server.psql('app', 'drop table parent cascade');
	const restored = await restore('--only', 'parent');
	assert.equal(restored.code, 0, restored.stderr);
	assert.match(restored.stderr, /comes back too: .*table public\.child.*table public\.grandchild/);
	assert.deepEqual(linesOf(), before);
});

test('without dependents: the table alone', async () => {
	await server.psql('app', 'drop table parent cascade');
	const restored = await restore('--only', 'parent', '--no-dependents');
	assert.equal(restored.code, 0, restored.stderr);
	assert.equal(await server.psql('app', "select to_regclass('child'), count(*) from parent"), '|2');
});

test('what DROP … CASCADE took of other relations and schemas, and privileges of other grantors', async () => {
	await server.psql(
		'app',
		`create role owner_; create role grantor; create role reader; create schema util; grant usage on schema util, public to owner_, grantor;
		create function util.norm(text) returns text language sql immutable as 'select lower($1)'; create domain util.short as text check (length(value) < 9);
		create domain longer as util.short; create function util.note() returns event_trigger language plpgsql as 'begin end';
		create event trigger noted on ddl_command_end when tag in ('COMMENT') execute function util.note();
		create extension hstore schema util; create table other (a text); create index other_norm on other (util.norm(a));
		create table base (id int primary key, n int); insert into base values (1, 2); alter table base owner to owner_;
		create view grouped as select id, n, count(*) from base group by id; create view written as select 1 as a;
		create rule into_base as on insert to written do instead insert into base values (new.a, 1);
		create table part (a int, b int) partition by list (a); create table part_1 partition of part for values in (1);
		create index on part (b); insert into part values (1, 1);
		create function fired() returns trigger language plpgsql as 'begin return new; end';
		create trigger fires after insert on part for each row execute function fired(); alter table part_1 disable trigger fires;
		set role owner_; grant select on base to grantor with grant option; set role grantor; grant select on base to reader`,
	);
	const backup = await runProgram([...connectTo(server, directory), 'app']);
	assert.equal(backup.code, 0, backup.stderr);
	const before = linesOf();
	for (const [drop, ...args] of [
		['schema util', '--only-schema', 'util'],
		['table base', '--only', 'base'],
		['table part_1', '--only', 'part_1'],
	] as const) {
		await server.psql('app', `drop ${drop} cascade`);
		assert.notDeepEqual(linesOf(), before);
		const restored = await restore(...args);
		assert.equal(restored.code, 0, restored.stderr);
		assert.deepEqual(linesOf(), before);
	}
});

test('columns and defaults of existing tables, which no archive brings back, are named', async () => {
	await server.psql('postgres', 'create database columns');
	await server.psql(
		'columns',
		`create schema util; create type util.mood as enum ('ok'); create function util.three() returns int language sql as 'select 3';
		create table "T" (id int, "m, x" util.mood, n int default util.three(), constraint c check (id > 0), kept int default 1);
		create table other (m util.mood[]); create table untouched (id int default 1)`,
	);
	const backup = await runProgram([...connectTo(server, directory), 'columns']);
	assert.equal(backup.code, 0, backup.stderr);
	await server.psql('columns', 'drop schema util cascade');
	const {code, stderr} = await runProgram([
		...connectTo(server, directory),
		...['--restore', 'backup', 'columns', '--only-schema', 'util'],
	]);
	assert.equal(code, 0, stderr);
	const warnings = stderr
		.split('\n')
		.flatMap(line => /WARN: .*?(table .* exists, but.*) \(restore the database beside/.exec(line)?.[1] ?? []);
	assert.deepEqual(warnings.sort(), [
		'table public.T exists, but its column n has lost its default, which does not come back',
		'table public.T exists, but not its column m, x, which does not come back',
		'table public.other exists, but not its column m, which does not come back',
	]);
});

test('default privileges of the database: objects get the privileges of the dump, and they stay as they were', async () => {
	await server.psql(
		'app',
		`create role insider; create schema pay; create table pay.salaries (id serial, amount int); insert into pay.salaries (amount) values (1);
		create function pay.sum() returns bigint language sql as 'select sum(amount) from pay.salaries'; create type pay.kind as enum ('a');
		create view pay.all as select * from pay.salaries; grant select on pay.all to insider; create table pay.outer (i int);
		alter default privileges grant select on tables to public; alter default privileges revoke execute on functions from public;
		alter default privileges grant usage on types to insider with grant option; alter default privileges revoke all on sequences from current_user;
		alter default privileges in schema pay grant all on tables to insider; alter default privileges in schema public grant execute on functions to insider`,
	);
	const backup = await runProgram([...connectTo(server, directory), 'app']);
	assert.equal(backup.code, 0, backup.stderr);
	const before = linesOf();
	assert.equal(await server.psql('app', 'select count(*) from pg_default_acl'), '6');
	await server.psql('app', 'drop table pay.salaries cascade');
	const one = await restore('--only', 'pay.salaries');
	assert.equal(one.code, 0, one.stderr);
	assert.deepEqual(linesOf(), before);
	await server.psql('app', 'drop schema pay cascade');
	const all = await restore('--only-schema', 'pay');
	assert.equal(all.code, 0, all.stderr);
	assert.deepEqual(linesOf(), before);
	await server.psql('app', 'drop table pay.outer');
	assert.equal((await restore('--only', 'pay.outer', '--no-privileges')).code, 0);
	const granted = "select has_table_privilege('insider', 'pay.outer', 'delete')";
	assert.equal(await server.psql('app', granted), 't', 'without privileges of the dump those of the database count');
});

test('a partition with partitions of its own, and a foreign key to their rows', async () => {
	await server.psql(
		'app',
		`create table p (k int, d int, primary key (k, d)) partition by range (d); create index on p (k);
		create table p_1 partition of p for values from (0) to (9) partition by list (k); create table p_1_a partition of p_1 for values in (1);
		create table "p_1 b" partition of p_1 default; create table p_2 partition of p for values from (9) to (99);
		insert into p values (1, 1), (2, 2), (3, 33); create table refers (k int, d int, foreign key (k, d) references p);
		insert into refers select * from p`,
	);
	const backup = await runProgram([...connectTo(server, directory), 'app']);
	assert.equal(backup.code, 0, backup.stderr);
	const before = linesOf();
	for (const name of ['p_1', 'p_1_a', '"p_1 b"', 'p_2', 'p']) {
		await server.psql('app', `drop table ${name} cascade`);
		const restored = await restore('--only', name);
		assert.equal(restored.code, 0, restored.stderr);
		assert.deepEqual(linesOf(), before, name);
	}
});
