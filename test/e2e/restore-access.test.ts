/** Restores without superuser rights of tables whose owners may not read them, or not all of their rows. */
import assert from 'node:assert/strict';
import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, test} from 'node:test';
import {clientDirectory, type Cluster, realServerVersions, startCluster} from '../helpers/cluster.js';
import {databasesOf, textOf} from '../helpers/databases.js';
import {connectTo, runProgram, scratchDirectory} from '../helpers/program.js';

/** 16 and newer have other rules for members of roles. */
const versions = [15, 18].filter(version => realServerVersions().has(version));
const clusters = new Map<number, Cluster>();

async function prepare(version: number): Promise<void> {
	const server = await startCluster({name: 'restore-access', version});
	clusters.set(version, server);
	await server.psql('postgres', 'create role owning; create role maker login createdb in role owning');
	await server.psql('postgres', 'create database app owner owning');
	await server.psql(
		'app',
		`grant all on schema public to owning; create schema closed authorization owning; set role owning;
		create table own (i int, j int, k int); insert into own values (1, 1, 1); revoke all on own from owning;
		grant select (i), insert (k) on own to owning; grant select (j) on own to owning with grant option;
		create table closed.t (i int primary key); insert into closed.t select generate_series(1, 5); revoke all on schema closed from owning;
		create table parts (i int) partition by list (i); create table part1 partition of parts for values in (1);
		insert into parts values (1); revoke all on parts, part1 from owning, public;
		create table limited (i int); insert into limited select generate_series(1, 10);
		alter table limited enable row level security, force row level security; create policy few on limited using (i < 3)`,
	);
}

before(async () => {
	for (const version of versions) await prepare(version);
});
after(async () => {
	for (const server of clusters.values()) await server.stop();
});

const cases = versions.flatMap(version =>
	(['custom exact', 'custom none', 'plain exact'] as const).map(one => [version, ...one.split(' ')] as const),
);

for (const [version, format = '', recorded = ''] of cases) {
	test(`${version}, ${format}, contents recorded: ${recorded}: all rows are compared, and the rights are as in the dump`, async () => {
		const server = clusters.get(version) ?? assert.fail();
		const directory = scratchDirectory('access');
		const config = join(directory, 'pg_back.conf');
		const options = ['-B', clientDirectory(version)];
		writeFileSync(config, `record_contents = ${recorded}\ndump_statistics = no\n`);
		const dumped = await runProgram([
			...['-c', config, ...connectTo(server, directory).slice(1), ...options, '--format', format, 'app'],
		]);
		assert.equal(dumped.code, 0, dumped.stderr);
		const name = `${format}_${recorded}`;
		const restored = await runProgram([
			...[...connectTo(server, directory, 'maker'), ...options, '-d', 'postgres', '--roles', 'none'],
			...['--restore', 'backup', 'app', '--into', name],
		]);
		assert.equal(restored.code, 0, restored.stderr);
		assert.match(
			restored.stderr,
			recorded === 'none' ? /17 rows in 4 tables match/ : /the rows of \d tables .*as recorded/,
		);
		assert.equal(textOf(server, name), textOf(server, 'app'));
	});
}

for (const format of ['custom', 'plain'])
	test(`${format}: privileges of other grantors are refused in the plan, unless they are left out`, async () => {
		const server = clusters.get(versions[0] ?? 0) ?? assert.fail();
		const [name, directory] = [`chain_${format}`, scratchDirectory('chain')];
		if (format === 'custom') await server.psql('postgres', 'create role "a b"');
		await server.psql('postgres', `create database ${name} owner owning`);
		await server.psql(
			name,
			`set role owning; create table t (i int); insert into t values (1); grant select on t to "a b" with grant option;
			reset role; set role "a b"; grant select on t to public`,
		);
		const tools = ['-B', clientDirectory(server.major)];
		const dumped = await runProgram([...connectTo(server, directory), ...tools, '--format', format, name]);
		assert.equal(dumped.code, 0, dumped.stderr);
		const restore = (...args: readonly string[]) =>
			runProgram([
				...[...connectTo(server, directory, 'maker'), ...tools, '-d', 'postgres', '--roles', 'none'],
				...['--restore', 'backup', name, '--into', `${name}_again`, ...args],
			]);
		const before = await databasesOf(server);
		const refused = await restore();
		assert.equal(refused.code, 18, refused.stderr);
		assert.match(
			refused.stderr,
			/ERROR: only a superuser can restore the privileges that a b has granted \(use a superuser/,
		);
		assert.deepEqual(await databasesOf(server), before);
		const restored = await restore('--no-privileges');
		assert.equal(restored.code, 0, restored.stderr);
		assert.equal(await server.psql(`${name}_again`, 'select i from t'), '1');
	});
