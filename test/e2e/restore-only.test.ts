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
