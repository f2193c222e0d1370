/** What a backup records of the contents of databases, for drills to compare with. */
import assert from 'node:assert/strict';
import {readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import type {Cluster} from '../helpers/cluster.js';
import {connectTo, type KeyFile, newKeyFile, runProgram, scratchDirectory, succeeded} from '../helpers/program.js';
import {backup, drill, manifestOf, startShop} from './drill-site.js';

let server: Cluster;
let keys: KeyFile;

before(async () => {
	keys = await newKeyFile();
	server = await startShop();
});
after(async () => server.stop());

describe('what is recorded', () => {
	test('nothing unless it is asked for, for a filtered dump, or where connections are limited', async () => {
		await server.psql('postgres', 'create role limited superuser login connection limit 5');
		const config = join(scratchDirectory('config'), 'pg_back.conf');
		for (const [text, user] of [
			['record_contents = none\n', 'postgres'],
			['[shop]\nexclude_tables = s.child\n', 'postgres'],
			['', 'limited'],
		] as const) {
			const directory = scratchDirectory('backups');
			writeFileSync(config, text);
			const [, ...connection] = connectTo(server, directory, user);
			succeeded(await runProgram(['-c', config, ...connection, '-d', 'postgres', 'shop']));
			const {plain} = manifestOf(directory).manifest.files.find(file => file.role === 'dump') ?? {};
			assert.deepEqual([plain?.tables, plain?.schema], [undefined, undefined], text);
			assert.equal(plain?.databaseSize === undefined, text.startsWith('[shop]'), 'only for a whole dump');
		}
	});

	test('by default of a database from 64 MiB on: the schema, and the rows of small tables; a drill proves it', async () => {
		await server.psql('postgres', 'create database large');
		await server.psql(
			'large',
			`create table few as select i from generate_series(1, 7) as i;
			create table many as select i, repeat(md5((i / 1000)::text), 20) as text from generate_series(1, 110000) as i`,
		);
		try {
			const directory = scratchDirectory('backups');
			succeeded(await runProgram([...connectTo(server, directory), '-Z', '1', 'large', 'shop']));
			const size = Number(await server.psql('large', 'select pg_database_size(current_database())'));
			const of = (name: string) =>
				manifestOf(directory).manifest.files.find(file => file.role === 'dump' && file.database === name)?.plain;
			assert.deepEqual(of('large')?.tables, [
				{name: 'large objects', rows: 0},
				{name: 'public.few', rows: 7},
			]);
			const recorded = of('large')?.databaseSize ?? 0;
			assert.ok(Math.abs(recorded - size) < size / 5, `${recorded} bytes recorded of ${size}`);
			assert.deepEqual([of('large')?.uncounted, of('large')?.schema?.length, of('shop')?.schema], [1, 10, undefined]);
			const found = await drill(directory, ['here', 'large']);
			assert.equal(found.code, 0, found.stderr);
			assert.match(
				found.stderr,
				/large +proven .*110 007 rows in 2 tables match the dump; the rows of 2 tables and the schema/,
			);
		} finally {
			await server.psql('postgres', 'drop database large');
		}
	});

	test('never in the clear part of an encrypted run', async () => {
		const directory = scratchDirectory('backups');
		await backup(server, directory, ['--encrypt', '--cipher-public-key', keys.recipient, 'shop']);
		assert.doesNotMatch(readFileSync(manifestOf(directory).path, 'utf8'), /s\.parent|definitions|uncounted/);
	});
});
