/** Rows of hash partitions by an enum come back in other partitions: an enum has another hash in each database. */
import assert from 'node:assert/strict';
import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, test} from 'node:test';
import {type Cluster, realClientVersions, startCluster} from '../helpers/cluster.js';
import {connectTo, runProgram, scratchDirectory} from '../helpers/program.js';

/** Since version 16 pg_dump loads such partitions by way of their table. */
const client = [...realClientVersions()].find(([major]) => major >= 16)?.[1];
let server: Cluster;
before(async () => {
	server = await startCluster({name: 'hash-partitions'});
	await server.psql('postgres', 'create database app');
	await server.psql(
		'app',
		`create type color as enum ('red', 'green', 'blue', 'black', 'white');
		create table p (c color, n int) partition by hash (c);
		create table p1 partition of p for values with (modulus 4, remainder 0); create table p2 partition of p for values with (modulus 4, remainder 1);
		create table p3 partition of p for values with (modulus 4, remainder 2); create table p4 partition of p for values with (modulus 4, remainder 3);
		insert into p select c, n from unnest(enum_range(null::color)) c, generate_series(1, 10) n`,
	);
});
after(async () => server.stop());

const counts = 'select tableoid::regclass, count(*) from p group by 1 order by 1';

test(
	'a restore finds what was recorded',
	{skip: client === undefined && 'needs a pg_dump of version 16 or newer'},
	async () => {
		const directory = scratchDirectory('backups');
		const config = join(scratchDirectory('config'), 'pg_back.conf');
		writeFileSync(config, `record_contents = exact\nbin_directory = ${client}\n`);
		const [, ...connection] = connectTo(server, directory);
		const made = await runProgram(['-c', config, ...connection, 'app']);
		assert.equal(made.code, 0, made.stderr);
		const run = await runProgram(['-c', config, ...connection, '--restore', '--into', 'again', 'app']);
		assert.equal(run.code, 0, run.stderr);
		assert.match(run.stderr, /the rows of 5 tables and the schema are as recorded/);
		assert.notEqual(await server.psql('again', counts), await server.psql('app', counts), 'rows have moved');
	},
);
