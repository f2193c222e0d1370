/** --owner with a role that is no superuser: what it may not create is reported at once, whoever connects. */
import assert from 'node:assert/strict';
import {join} from 'node:path';
import {after, before, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {databasesOf} from '../helpers/databases.js';
import {connectTo, runProgram, scratchDirectory, succeeded} from '../helpers/program.js';

let server: Cluster;
let directory: string;

before(async () => {
	server = await startCluster({name: 'restore-owner'});
	directory = scratchDirectory('restore-owner');
	await server.psql('postgres', 'create role other; create role super superuser; create database app');
	await server.psql(
		'app',
		`create extension postgres_fdw; create extension pgcrypto; create table t (a int); create publication everything for all tables;
		create function noted() returns event_trigger language plpgsql as 'begin end';
		create event trigger e on ddl_command_end execute function noted(); alter event trigger e disable; create foreign data wrapper w`,
	);
	for (const format of ['custom', 'plain'])
		succeeded(await runProgram([...connectTo(server, join(directory, format)), '--format', format, 'app']));
});
after(() => server.stop());

for (const format of ['custom', 'plain'])
	test(`${format}: extensions, event triggers, publications and wrappers in one report, and nothing is created`, async () => {
		const restore = (owner: string) =>
			runProgram([
				...connectTo(server, join(directory, format)),
				...['--restore', 'app', '--into', `by_${owner}_${format}`, '--no-privileges', '--owner', owner],
			]);
		const refused = await restore('other');
		assert.equal(refused.code, 18, refused.stderr);
		for (const what of [
			'extension postgres_fdw',
			'event trigger e',
			'publication everything',
			'foreign data wrapper w',
		])
			assert.equal(refused.stderr.split(`ERROR: only a superuser can create ${what}, and other`).length, 2, what);
		assert.doesNotMatch(refused.stderr, /create extension pgcrypto/, 'a trusted one');
		assert.doesNotMatch((await databasesOf(server)).join(' '), /by_other/);
		succeeded(await restore('super'));
	});
