/** Dumps with options of pg_dump that change what they contain are restored like others. */
import assert from 'node:assert/strict';
import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, afterEach, before, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {assertSameText, dropDatabases, textOf} from '../helpers/databases.js';
import {connectTo, runProgram, scratchDirectory, succeeded} from '../helpers/program.js';

let server: Cluster;
let directory: string;

before(async () => {
	server = await startCluster({name: 'dump-options'});
	directory = scratchDirectory('dump-options');
	await server.psql('postgres', 'create role reader; create database app');
	await server.psql(
		'app',
		`create table t (a int primary key, b text default ' drop constraint "x"', constraint drop_default check (b <> ' alter drop default '));
		insert into t values (1); create table u (a int references t); create domain d as int constraint c check (value > 0);
		create foreign data wrapper w; create server s foreign data wrapper w; create user mapping for public server s;
		create table part (a int) partition by range (a); create table part_1 partition of part for values from (0) to (9);
		create foreign table part_2 partition of part for values from (9) to (99) server s; insert into part select generate_series(1, 5);
		grant select on t to public; create policy p on t to public using (true); grant connect on database app to reader;
		alter database app set work_mem = '5MB'; alter role reader in database app set work_mem = '6MB'`,
	);
});
afterEach(() => dropDatabases(server, 'again'));
after(() => server.stop());

for (const format of ['custom', 'plain'])
	for (const options of [
		'--create --clean --if-exists',
		'--clean',
		'--quote-all-identifiers',
		'--load-via-partition-root',
	])
		test(`${format}: ${options}`, async () => {
			const place = join(directory, `${format} ${options}`);
			const config = join(scratchDirectory('config'), 'pg_back.conf');
			writeFileSync(config, `pg_dump_options = ${options}\n`);
			const [, ...connection] = connectTo(server, place);
			const before = await server.psql(
				'postgres',
				"select datname, oid from pg_database where datname <> 'again' order by 1",
			);
			succeeded(await runProgram(['-c', config, ...connection, '--format', format, 'app']));
			const {stderr} = succeeded(
				await runProgram([...connectTo(server, place), '--restore', 'app', '--into', 'again']),
			);
			assert.match(stderr, /6 rows in \d tables/);
			const text = textOf(server, 'again', '--create').replaceAll(/\bagain\b/g, 'app');
			assertSameText(text, textOf(server, 'app', '--create'));
			assert.equal(
				await server.psql('postgres', "select datname, oid from pg_database where datname <> 'again' order by 1"),
				before,
			);
		});
