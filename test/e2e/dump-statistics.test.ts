/** The planner's statistics in dumps of PostgreSQL 18: dumped as the settings say, loaded by servers that can. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {readdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {
	clientDirectory,
	type Cluster,
	realClientVersions,
	realServerVersions,
	startCluster,
} from '../helpers/cluster.js';
import {connectTo, runProgram, scratchDirectory, succeeded} from '../helpers/program.js';

const missing = [
	...(realServerVersions().has(18) ? [] : ['PostgreSQL server 18']),
	...(realClientVersions().has(18) ? [] : ['pg_dump 18']),
];
const skip = missing.length > 0 && `not on this machine: ${missing.join(', ')}`;

describe('the statistics of the planner', {skip}, () => {
	let source: Cluster;
	let older: Cluster;
	let tools: readonly string[];

	before(async () => {
		source = await startCluster({name: 'statistics', version: 18});
		older = await startCluster({name: 'statistics-older'});
		assert.ok(older.major < 18, 'a test with an older server');
		tools = ['-B', clientDirectory(18)];
		for (const name of ['app', 'plain', 'off']) {
			await source.psql('postgres', `create database ${name}`);
			await source.psql(name, 'create table t as select i, i % 7 as k from generate_series(1, 5000) i; analyze t');
		}
	});
	after(async () => {
		await source.stop();
		await older.stop();
	});

	const backup = (directory: string, ...args: readonly string[]) =>
		runProgram([...connectTo(source, directory), ...tools, ...args]);
	const statistics = (cluster: Cluster, database: string) =>
		cluster.psql(database, "select count(*) from pg_stats where tablename = 't'");

	/** Entries of the archive, or statements of the plain dump, that hold statistics. */
	function countIn(directory: string, database: string): number {
		const name =
			readdirSync(directory).find(one => one.startsWith(`${database}_`) && /(?<!createdb)\.(dump|sql)$/.test(one)) ??
			'';
		const path = join(directory, name);
		const text = name.endsWith('.sql')
			? execFileSync('cat', [path], {encoding: 'utf8'})
			: execFileSync(join(clientDirectory(18), 'pg_restore'), ['-l', path], {encoding: 'utf8'});
		return text.match(name.endsWith('.sql') ? /pg_restore_relation_stats\(/g : /STATISTICS DATA/g)?.length ?? 0;
	}

	test('are dumped by default from 18 on, and as each database says', async () => {
		const directory = scratchDirectory('statistics');
		const file = join(scratchDirectory('statistics-conf'), 'pg_back.conf');
		writeFileSync(file, '[plain]\nformat = plain\n[off]\ndump_statistics = no\n');
		const settings = connectTo(source, directory).filter(word => word !== '--no-config-file');
		succeeded(await runProgram(['-c', file, ...settings, ...tools]));
		assert.deepEqual(
			['app', 'plain', 'off'].map(name => countIn(directory, name)),
			[1, 1, 0],
		);
		const none = scratchDirectory('statistics-none');
		succeeded(await backup(none, '--dump-statistics', 'no', 'app'));
		assert.equal(countIn(none, 'app'), 0);
	});

	test('are asked of an older server only by yes, with a warning where pg_dump cannot', async () => {
		for (const [value, count] of [
			['auto', 0],
			['yes', 1],
		] as const) {
			await older.psql('postgres', 'create table if not exists t as select 1 as i; analyze t');
			const directory = scratchDirectory('statistics-old');
			succeeded(
				await runProgram([
					...connectTo(older, directory),
					...tools,
					'--dump-statistics',
					value,
					'--dump-only',
					'postgres',
				]),
			);
			assert.equal(countIn(directory, 'postgres'), count, value);
		}
		const own = await runProgram([
			...connectTo(older, scratchDirectory('statistics-own')),
			...['-B', clientDirectory(older.major), '--dump-statistics', 'yes', '--dump-only', 'postgres'],
		]);
		succeeded(own);
		assert.match(own.stderr, /WARN: postgres: dump_statistics = yes has no effect: pg_dump 18 or newer is needed/);
	});

	for (const format of ['custom', 'plain', 'tar', 'directory']) {
		test(`of a ${format} dump are there after a restore, and left out by an older server`, async () => {
			const directory = scratchDirectory('statistics-restore');
			succeeded(await backup(directory, '--format', format, 'app'));
			const into = `restored_${format}`;
			const restore = (cluster: Cluster, more: readonly string[]) =>
				runProgram([...connectTo(cluster, directory), ...more, '--restore', '--analyze=no', '--into', into, 'app']);
			succeeded(await restore(source, tools));
			assert.equal(await statistics(source, into), '2');
			for (const major of [17, 18].filter(one => realClientVersions().has(one))) {
				succeeded(await restore(older, ['-B', clientDirectory(major)]));
				assert.equal(await older.psql(into, 'select count(*) from t'), '5000');
				assert.equal(await statistics(older, into), '0');
				await older.psql('postgres', `drop database ${into}`);
			}
		});
	}

	const before18 = realServerVersions().has(17) ? false : 'not on this machine: PostgreSQL server 17';
	test('are left out by a drill into an older server', {skip: before18}, async t => {
		const given = await startCluster({name: 'statistics-drill', version: 17});
		t.after(() => given.stop());
		const directory = scratchDirectory('statistics-drill');
		succeeded(await backup(directory, 'app'));
		succeeded(await backup(directory, '--format', 'plain', 'plain'));
		for (const name of ['app', 'plain'])
			succeeded(
				await runProgram([
					...connectTo(source, directory),
					...[...tools, '--restore-drill', '--drill-dbname', given.connectionString('postgres'), name],
				]),
			);
	});
});
