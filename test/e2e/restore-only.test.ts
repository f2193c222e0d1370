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
