/** `--only` by a user without superuser rights: what is missing is found in the plan, with what to grant. */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {textOf} from '../helpers/databases.js';
import {connectTo, runProgram, scratchDirectory, succeeded} from '../helpers/program.js';

let server: Cluster;
let directory: string;

before(async () => {
	server = await startCluster({name: 'only-access'});
	directory = scratchDirectory('only-access');
	await server.psql(
		'postgres',
		'create role "app owner"; create role bob login in role "app owner"; create database app',
	);
	await server.psql(
		'app',
		`create schema "Sales"; create schema hr; create table hr.person (id int primary key);
		create table "Sales".orders (id int primary key, seller int references hr.person);
		insert into hr.person values (1); insert into "Sales".orders values (1, 1);
		alter table "Sales".orders owner to "app owner"; create table hr.bill (o int references "Sales".orders)`,
	);
	succeeded(await runProgram([...connectTo(server, directory), 'app']));
});
after(async () => server.stop());

/** Returns the statements of all hints of a refused restore. */
async function refused(...args: readonly string[]): Promise<readonly string[]> {
	const log = server.log().length;
	const ended = await runProgram([...connectTo(server, directory, 'bob'), '--restore', 'backup', 'app', ...args]);
	assert.equal(ended.code, 18, ended.stderr);
	assert.doesNotMatch(server.log().slice(log), /ERROR/);
	return [...ended.stderr.matchAll(/ERROR: .*\(run in the database, as a superuser or its owner: (.*)\)$/gm)].map(
		([, grant = '']) => grant,
	);
}

test('each finding says what to grant, until it is restored', async () => {
	await server.psql('app', 'drop table "Sales".orders cascade');
	const reading = await refused('--only', '"Sales".orders');
	assert.deepEqual(reading, [
		'GRANT USAGE ON SCHEMA "hr" TO "bob"; GRANT SELECT ON ALL TABLES IN SCHEMA "hr" TO "bob"',
	]);
	await server.psql('app', reading.join(';'));
	const creating = await refused('--only', '"Sales".orders');
	assert.deepEqual(creating, [
		'GRANT USAGE, CREATE ON SCHEMA "Sales" TO "bob"',
		'GRANT CREATE ON SCHEMA "Sales" TO "app owner"',
		'GRANT REFERENCES ON "hr"."person" TO "bob"',
		'GRANT "postgres" TO "bob"',
	]);
	await server.psql('app', creating.slice(0, 3).join(';'));
	assert.deepEqual(await refused('--only', '"Sales".orders'), creating.slice(3));
	const alone = ['--only', '"Sales".orders', '--no-dependents'];
	const grants =
		'grant usage on schema hr, "Sales" to "app owner"; grant references, select on hr.person to "app owner"';
	await server.psql('app', grants);
	succeeded(await runProgram([...connectTo(server, directory, 'bob'), '--restore', 'backup', 'app', ...alone]));
	assert.match(textOf(server, 'app'), /ALTER TABLE "Sales"\.orders OWNER TO "app owner"/);
});

test('a schema needs CREATE on the database', async () => {
	await server.psql('app', 'drop schema "Sales" cascade');
	assert.deepEqual(await refused('--only-schema', '"Sales"', '--no-dependents', '--owner', 'bob'), [
		'GRANT CREATE ON DATABASE "app" TO "bob"',
	]);
});
