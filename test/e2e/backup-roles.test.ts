/** Roles that are no superusers: the databases are dumped, and each thing that may not be read is one warning. */
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {connectTo, filesIn, runProgram, scratchDirectory, shapesIn} from '../helpers/program.js';

let server: Cluster;
before(async () => {
	server = await startCluster({name: 'roles'});
	await server.psql(
		'postgres',
		`create role reader login; grant pg_read_all_data to reader; create role owner login; create role witness password 'w';
		create database a; create database mine owner owner`,
	);
	await server.psql('a', 'create table t as select 1 as i');
	await server.psql('mine', 'set role owner; create table t as select 1 as i');
});
after(async () => server.stop());

for (const [user, names, missing] of [
	// pg_read_all_data includes pg_authid, and with it the passwords.
	['reader', ['a', 'mine', 'postgres'], [/configuration|settings/, /hba/, /ident/]],
	['owner', ['mine'], [/configuration|settings/, /hba/, /ident/, /passwords/]],
] as const) {
	test(`11.4.28 ${user}: exit 0, one warning for each thing left out`, async () => {
		const directory = scratchDirectory('out');
		const run = await runProgram([...connectTo(server, directory, user), '-d', 'postgres', ...names]);
		assert.equal(run.code, 0, run.stderr);
		const warnings = run.stderr.split('\n').filter(line => / WARN: /.test(line));
		assert.equal(warnings.length, missing.length, run.stderr);
		for (const what of [/configuration|settings/, /hba/, /ident/])
			assert.equal(warnings.filter(line => what.test(line)).length >= 1, true, warnings.join('\n'));
		assert.match(run.stderr, /connection user is not superuser/);
		assert.match(run.stderr, /hba_file +skipped .* lacks /);
		assert.match(run.stderr, / done, 3 skipped, /);
		assert.deepEqual(shapesIn(directory), [...names.map(name => `${name}_T.dump`), 'pg_globals_T.sql'].sort());
		const globals = filesIn(directory).find(name => name.startsWith('pg_globals')) ?? '';
		const text = readFileSync(join(directory, globals), 'utf8');
		assert.match(text, /CREATE ROLE witness;/);
		assert.equal(/PASSWORD/.test(text), user === 'reader');
	});
}

test('a superuser who asks for no passwords gets none, others see theirs', async () => {
	for (const [options, there] of [
		[[], true],
		[['--without-role-passwords'], false],
		[['--with-role-passwords=false'], false],
	] as const) {
		const directory = scratchDirectory('out');
		const run = await runProgram([...connectTo(server, directory), ...options, 'a']);
		assert.equal(run.code, 0, run.stderr);
		const globals = filesIn(directory).find(name => name.startsWith('pg_globals')) ?? '';
		assert.equal(/PASSWORD 'SCRAM/.test(readFileSync(join(directory, globals), 'utf8')), there);
	}
});
