/** Drills in a server that was made for them. */
import assert from 'node:assert/strict';
import {symlinkSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {clientDirectory, type Cluster, startCluster} from '../helpers/cluster.js';
import {connectTo, runProgram, scratchDirectory, succeeded} from '../helpers/program.js';
import {backup, drill, proofsIn, startShop} from './drill-site.js';

let server: Cluster;

before(async () => {
	server = await startShop();
});
after(async () => server.stop());

describe('a server that is made for drills', () => {
	let other: Cluster;
	before(async () => {
		other = await startCluster({name: 'other'});
	});
	after(async () => other.stop());

	test('gets the databases, and loses them again; roles may be there already', async () => {
		const directory = scratchDirectory('backups');
		await backup(server, directory, ['shop']);
		for (let time = 0; time < 2; time++) {
			const run = succeeded(await drill(directory, ['--drill-dbname', other.connectionString('postgres')]));
			assert.match(run.stderr, /shop: restored into the server at .*: .*; the rows of 3 tables/);
		}
		assert.equal(await other.psql('postgres', "select count(*) from pg_database where datname = 'shop'"), '0');
		await other.psql('postgres', 'create database shop');
		await other.psql('shop', 'create table mine ()');
		succeeded(await drill(directory, ['--drill-dbname', other.connectionString('postgres')]));
		assert.equal(await other.psql('shop', "select to_regclass('mine')"), 'mine', 'what is not of the drill stays');
	});

	test('shows what a restore loses without an error, though nothing was recorded', async () => {
		const directory = scratchDirectory('backups');
		succeeded(await runProgram([...connectTo(server, directory), 'shop']));
		await other.psql('postgres', 'drop database if exists shop');
		const tools = scratchDirectory('tools');
		for (const tool of ['pg_dump', 'pg_dumpall', 'psql']) symlinkSync(join(clientDirectory(), tool), join(tools, tool));
		const real = join(clientDirectory(), 'pg_restore');
		for (const [loss, words] of [
			['drop function s.f', /FUNCTION s\.f\(.*\) is missing/],
			['delete from only s.parent where id < 10', /s\.parent has [\d\s]+ rows, the dump [\d\s]+ rows/],
			['drop table s.child', /TABLE s\.child is missing, .*s\.child is missing/],
		] as const) {
			writeFileSync(
				join(tools, 'pg_restore'),
				`#!/bin/sh
case "$*" in *--version* | '-f - '* | '-l '* | '-C '*) exec '${real}' "$@";; esac
name=$('${join(tools, 'psql')}' -XAtq -d "${other.connectionString('postgres')}" -c "select datname from pg_database where datname like 'shop.%'")
'${real}' "$@" && exec '${join(tools, 'psql')}' -Xq -d "${other.connectionString('postgres')}" -d "$name" -h '${other.socketDirectory}' -p ${other.port} -U postgres -c '${loss}'
`,
				{mode: 0o755},
			);
			const run = await drill(directory, ['-B', tools, '--drill-dbname', other.connectionString('postgres')]);
			assert.equal(run.code, 17, run.stderr);
			assert.match(run.stderr, words);
			assert.deepEqual(proofsIn(directory), []);
		}
	});

	test('is not the one that the backup was made of', async () => {
		const directory = scratchDirectory('backups');
		await backup(server, directory, ['shop']);
		const run = await drill(directory, ['--drill-dbname', server.connectionString('postgres')]);
		assert.equal(run.code, 10, run.stderr);
		assert.match(run.stderr, /is the server that was backed up/);
	});
});
