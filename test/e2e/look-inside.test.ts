/** `--find-table` and `--diff`: what dumps and runs hold, without restoring them. */
import assert from 'node:assert/strict';
import {appendFileSync, cpSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {connectTo, type Ended, newKeyFile, runProgram, scratchDirectory, succeeded} from '../helpers/program.js';

let server: Cluster;
let directory: string;
let store: string;
let identity: string;
let recipient: string;
const runs: string[] = [];

/** `record_contents = during` counts the rows of small databases too. */
async function backup(into: string, ...args: readonly string[]): Promise<string> {
	const known = new Set(manifestsIn(into));
	const config = join(scratchDirectory('inside-conf'), 'pg_back.conf');
	writeFileSync(config, 'record_contents = during\n');
	const connection = connectTo(server, into).filter(word => word !== '--no-config-file');
	succeeded(await runProgram(['-c', config, ...connection, ...args]));
	const name = manifestsIn(into).find(one => !known.has(one)) ?? '';
	return (JSON.parse(readFileSync(join(into, name), 'utf8')) as {runId: string}).runId;
}

const manifestsIn = (path: string) => readdirSync(path).filter(name => name.endsWith('.manifest.json'));
const pg = (...args: readonly string[]) =>
	runProgram(['--no-config-file', '-b', directory, '--local-directory', store, ...args]);

before(async () => {
	server = await startCluster({name: 'inside'});
	await server.psql('postgres', 'create database app; create database gone; create database same');
	await server.psql(
		'app',
		`create table orders as select i from generate_series(1, 1000) i; create table old (i int);
		create schema "Odd schema"; create table "Odd schema"."My.Table" as select 1 as i;
		create view v as select 1 as one; create function f() returns int language sql as 'select 1'`,
	);
	await server.psql('same', 'create table t as select i from generate_series(1, 100) i');
	directory = scratchDirectory('inside');
	store = scratchDirectory('inside-store');
	({recipient, file: identity} = await newKeyFile());
	runs.push(await backup(directory));
	await server.psql('postgres', 'drop database gone; create database came');
	await server.psql(
		'app',
		`delete from orders where i > 400; drop table old; create table fresh (i int); create index on orders (i);
		drop view v; create or replace function f() returns int language sql as 'select 2'`,
	);
	runs.push(await backup(directory, '--upload', 'local', '--local-directory', store));
});
after(async () => server.stop());

describe('--find-table', () => {
	type Found = {run: string; database: string; table: string; schema: string; rows?: number; path: string};
	const found = (ended: Ended) =>
		succeeded(ended)
			.stdout.trim()
			.split('\n')
			.map(line => JSON.parse(line) as Found);

	test('lists the dumps that hold a table, newest first, with rows', async () => {
		const all = found(await pg('--find-table', 'orders', '--json'));
		assert.deepEqual(
			all.map(one => [one.run, one.database, one.schema, one.rows]),
			[
				[runs[1], 'app', 'public', 400],
				[runs[0], 'app', 'public', 1000],
			],
		);
		assert.deepEqual(
			found(await pg('--find-table', 'public.ol*', '--json')).map(one => [one.run, one.rows]),
			[[runs[0], 0]],
		);
		assert.deepEqual(
			found(await pg('--find-table', '"Odd schema"."My.Table"', '--json', '@local')).map(one => [one.run, one.rows]),
			[[runs[1], 1]],
		);
		const text = succeeded(await pg('--find-table', 'orders')).stdout;
		assert.match(text, /^\S+Z {2}app {2}public\.orders {2}400 rows, .* {2}app_\S+\.dump {2}run \S+\n/);
	});

	test('exits with 1 where there is none', async () => {
		const ended = await pg('--find-table', 'nowhere');
		assert.equal(ended.code, 1, ended.stderr);
		assert.equal(ended.stdout, '');
		assert.match(ended.stderr, /no dump at .* holds a table nowhere: looked at \d+ dumps/);
		assert.equal((await pg('--find-table', 'orders', 'mars')).code, 2);
		assert.equal((await pg('--find-table', '')).code, 2);
	});

	test('goes on behind dumps that cannot be read, and names them', async () => {
		const copy = scratchDirectory('inside-damaged');
		cpSync(directory, copy, {recursive: true});
		const [first = ''] = readdirSync(copy)
			.filter(name => /^app_.*\.dump$/.test(name))
			.sort();
		truncateSync(join(copy, first), 100);
		const ended = succeeded(await runProgram(['--no-config-file', '-b', copy, '--find-table', 'orders', '--json']));
		assert.equal(ended.stdout.trim().split('\n').length, 1);
		assert.match(ended.stderr, /WARN: app_.* was not searched: /);
	});

	for (const format of ['custom', 'tar', 'directory', 'plain'])
		test(`reads encrypted ${format} dumps with the key, and without a manifest`, async () => {
			const into = scratchDirectory('inside-encrypted');
			const id = await backup(into, '--format', format, '--encrypt', '--cipher-public-key', recipient, 'app');
			const find = (...args: readonly string[]) =>
				runProgram(['--no-config-file', '-b', into, '--find-table', 'fresh', '--json', ...args]);
			assert.deepEqual(
				found(await find('--cipher-identity-file', identity)).map(one => [one.run, one.rows]),
				[[id, 0]],
			);
			const without = await find();
			assert.equal(without.code, 1, without.stderr);
			assert.match(without.stderr, /was not searched|could not be searched/);
			if (format === 'plain') return;
			for (const name of manifestsIn(into)) rmSync(join(into, name));
			assert.equal(found(await find('--cipher-identity-file', identity)).length, 1);
		});
});

describe('--diff', () => {
	type Diff = {
		equal: boolean;
		databases: {
			database: string;
			change: string;
			tables: {name: string; change: string; before?: {rows?: number}; after?: {rows?: number}}[];
			objects: {kind: string; name: string; change: string}[];
		}[];
	};

	test('says what came, went and changed, and exits with 1', async () => {
		const ended = await pg('--diff', runs[0] ?? '', runs[1]?.slice(0, 13) ?? '', '--json');
		assert.equal(ended.code, 1, ended.stderr);
		const {equal, databases} = JSON.parse(ended.stdout) as Diff;
		assert.equal(equal, false);
		assert.deepEqual(
			databases.map(one => [one.database, one.change]),
			[
				['app', 'changed'],
				['came', 'added'],
				['gone', 'removed'],
				['postgres', 'equal'],
				['same', 'equal'],
			],
		);
		const app = databases[0];
		assert.deepEqual(
			app?.tables.map(one => [one.name, one.change, one.before?.rows, one.after?.rows]),
			[
				['fresh', 'added', undefined, 0],
				['old', 'removed', 0, undefined],
				['orders', 'changed', 1000, 400],
			],
		);
		assert.deepEqual(
			app.objects.map(one => [one.kind, one.name, one.change]),
			[
				['FUNCTION', 'f()', 'changed'],
				['INDEX', 'orders_i_idx', 'added'],
				['VIEW', 'v', 'removed'],
			],
		);
		const text = (await pg('--diff', `${runs[0]}@backup`, `${runs[1]}@local`)).stdout;
		assert.match(text, /^- database gone: .*$/m);
		assert.match(text, /^ {4}~ table public\.orders: 1.000 rows → 400 rows \(-60 %\), /m);
		assert.match(text, /the runs differ in 3 databases; 2 equal\n$/);
	});

	test('exits with 0 for runs that are equal, at two places too', async () => {
		const [, second = ''] = runs;
		const same = succeeded(await pg('--diff', `${second}@backup`, `${second}@local`));
		assert.match(same.stdout, /the runs are equal: 4 databases\n$/);
		for (const format of ['custom', 'directory', 'tar', 'plain']) {
			const into = scratchDirectory('inside-equal');
			const one = await backup(into, '--format', format);
			const two = await backup(into, '--format', format);
			succeeded(await runProgram(['--no-config-file', '-b', into, '--diff', one, two]));
		}
	});

	test('needs the key of what is encrypted', async () => {
		const into = scratchDirectory('inside-diff-key');
		const args = ['--encrypt', '--cipher-public-key', recipient, 'app'] as const;
		const [one, two] = [await backup(into, ...args), await backup(into, ...args)];
		const diff = (...more: readonly string[]) =>
			runProgram(['--no-config-file', '-b', into, '--diff', one, two, ...more]);
		assert.equal((await diff()).code, 16);
		assert.match(succeeded(await diff('--cipher-identity-file', identity)).stdout, /the runs are equal/);
	});

	test('refuses what it cannot compare', async () => {
		const [first = '', second = ''] = runs;
		for (const [args, code, text] of [
			[[first], 2, /--diff takes two runs/],
			[[first, second, 'third'], 2, /--diff takes two runs/],
			[[first, 'nonsense'], 1, /there is no run nonsense/],
			[[first, '20'], 2, /names \d runs|there is no run/],
			[[first, second, '@local'], 1, /there is no run/],
		] as const) {
			const ended = await pg('--diff', ...args);
			assert.equal(ended.code, code, ended.stderr);
			assert.match(ended.stderr, text);
		}
		const copy = scratchDirectory('inside-diff-damaged');
		cpSync(directory, copy, {recursive: true});
		const [dump = ''] = readdirSync(copy).filter(name => /^app_.*\.dump$/.test(name));
		writeFileSync(join(copy, dump), 'PGDMP');
		appendFileSync(join(copy, dump), Buffer.alloc(4000, 0xff));
		const damaged = await runProgram(['--no-config-file', '-b', copy, '--diff', first, second]);
		assert.equal(damaged.code, 17, damaged.stderr);
	});
});
