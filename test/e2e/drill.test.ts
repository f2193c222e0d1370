/** Restore drills: what was dumped is restored into a server of its own, and only what is really the same counts as proven. */
import assert from 'node:assert/strict';
import {
	chmodSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	renameSync,
	rmdirSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {clientDirectory, type Cluster, startCluster} from '../helpers/cluster.js';
import {connectTo, filesIn, newAgeKeys, runProgram, scratchDirectory} from '../helpers/program.js';

type Manifest = {
	files: {
		path: string;
		role: string;
		database?: string;
		plain?: {
			tables?: {name: string; rows: number}[];
			schema?: {kind: string; count: number; definitions: string}[];
			uncounted?: number;
			databaseSize?: number;
		};
	}[];
};

let server: Cluster;
let keys: {readonly recipient: string; readonly file: string};

before(async () => {
	const {recipient, identity} = await newAgeKeys();
	keys = {recipient, file: join(scratchDirectory('drill'), 'identity')};
	writeFileSync(keys.file, identity, {mode: 0o600});
	server = await startCluster({name: 'drill', settings: {max_connections: '40'}});
	await server.psql(
		'postgres',
		`create role "app owner" login; create database shop owner "app owner"; create database "odd ""name"""`,
	);
	await server.psql(
		'shop',
		`set role "app owner"; create schema s; create type s.color as enum ('red', 'green'); create table s.parent (id int primary key, name varchar(20) check (name in ('a', 'b', 'c')));
		create table s.child (extra s.color) inherits (s.parent); insert into s.parent select i, 'a' from generate_series(1, 1000) as i; insert into s.child values (1, 'b', 'red');
		create view s.v as select * from s.parent where name in ('a', 'b'); create index on s.parent (lower(name)) where name = any (array['a', 'b']);
		create function s.f(i int) returns int language sql as 'select $1 + 1'; reset role; select lo_create(0)`,
	);
});
after(async () => server.stop());

const backup = async (directory: string, more: readonly string[] = []) => {
	const config = join(scratchDirectory('config'), 'pg_back.conf');
	writeFileSync(config, 'record_contents = exact\n');
	const [, ...connection] = connectTo(server, directory);
	const run = await runProgram(['-c', config, ...connection, ...more]);
	assert.equal(run.code, 0, run.stderr);
};
const drill = async (directory: string, more: readonly string[] = []) =>
	runProgram(['--no-config-file', '-b', directory, '--restore-drill', ...more]);
const manifestOf = (directory: string): {path: string; manifest: Manifest} => {
	const path = join(
		directory,
		filesIn(directory, {manifests: true}).find(name => name.endsWith('.manifest.json')) ?? assert.fail('no manifest'),
	);
	return {path, manifest: JSON.parse(readFileSync(path, 'utf8')) as Manifest};
};
const proofsIn = (directory: string) =>
	filesIn(directory, {manifests: true}).filter(name => name.endsWith('.proven.json'));
describe('a drill proves', () => {
	for (const format of ['custom', 'plain', 'tar', 'directory']) {
		test(`an encrypted run in the ${format} format, fetched from a store`, async () => {
			const [directory, store] = [scratchDirectory('backups'), scratchDirectory('store')];
			await backup(directory, [
				'-F',
				format,
				'--encrypt',
				'--cipher-public-key',
				keys.recipient,
				'--upload',
				'local',
				'--local-directory',
				store,
			]);
			const scratch = mkdtempSync(join(tmpdir(), 'pgb-drill-'));
			chmodSync(scratch, 0o755); // the scratch server runs as another user
			const config = join(scratchDirectory('config'), 'pg_back.conf');
			writeFileSync(config, `cipher_identity_file = ${keys.file}\n`);
			const run = await runProgram([
				'-c',
				config,
				'-b',
				directory,
				'--local-directory',
				store,
				'--restore-drill',
				'local',
				'--drill-directory',
				scratch,
			]);
			assert.equal(run.code, 0, run.stderr);
			assert.match(
				run.stderr,
				/shop: restored into a scratch server \S+: \d+ objects and [\d\s]+ rows in 2 tables match the dump; the rows of 3 tables and the schema are as recorded/,
			);
			assert.match(run.stderr, /odd "name"?: restored/);
			assert.deepEqual(readdirSync(scratch), [], 'nothing is left of the scratch server');
			rmdirSync(scratch);
			assert.equal(proofsIn(directory).length, 0, 'what was proved stands where it was proved');
			const [proof = ''] = proofsIn(store);
			const {databases} = JSON.parse(readFileSync(join(store, proof), 'utf8')) as {
				databases: {database: string; tables: number; schema: string}[];
			};
			assert.deepEqual(databases.map(({database, tables, schema}) => [database, tables, schema]).sort(), [
				['odd "name"', 1, 'definitions'],
				['postgres', 1, 'definitions'],
				['shop', 3, 'definitions'],
			]);
		});
	}

	test('what was in the snapshot of the dump, while others write', async () => {
		const directory = scratchDirectory('backups');
		const writing = new AbortController();
		const writer = (async () => {
			while (!writing.signal.aborted)
				await server.psql(
					'shop',
					'insert into s.parent select max(id) + 1, null from s.parent; create table if not exists s.t (i int); insert into s.t values (1)',
				);
		})();
		try {
			await backup(directory, ['shop']);
		} finally {
			writing.abort();
			await writer;
		}
		const run = await drill(directory);
		assert.equal(run.code, 0, run.stderr);
		assert.match(run.stderr, /match the dump; the rows of \d tables and the schema are as recorded/);
		await server.psql('shop', 'drop table s.t');
	});

	test('one database that is chosen by its name, and no more', async () => {
		const directory = scratchDirectory('backups');
		await backup(directory);
		const run = await drill(directory, ['here', 'shop']);
		assert.equal(run.code, 0, run.stderr);
		assert.doesNotMatch(run.stderr, /restoring postgres/);
		const proof = JSON.parse(readFileSync(join(directory, proofsIn(directory)[0] ?? ''), 'utf8')) as {
			databases: {database: string}[];
		};
		assert.deepEqual(
			proof.databases.map(one => one.database),
			['shop'],
		);
	});

	test('dumps of pg_back 2.x by restoring them, and says that there was nothing to compare with', async () => {
		const directory = scratchDirectory('backups');
		await backup(directory, ['shop']);
		rmSync(manifestOf(directory).path);
		const run = await drill(directory);
		assert.equal(run.code, 0, run.stderr);
		assert.match(
			run.stderr,
			/shop: restored into a scratch server \S+: \d+ objects and [\d\s]+ rows in 2 tables match the dump; no contents were recorded to compare it with/,
		);
		assert.deepEqual(proofsIn(directory), []);
	});

	test('a run without globals, without its owners', async () => {
		for (const format of ['custom', 'plain']) {
			const directory = scratchDirectory('backups');
			await backup(directory, ['--dump-only', '-F', format, 'shop']);
			const run = await drill(directory);
			assert.equal(run.code, 0, run.stderr);
			assert.match(run.stderr, /WARN: this run has no globals/);
		}
	});
});

describe('without anything recorded', () => {
	for (const format of ['custom', 'plain', 'tar', 'directory']) {
		test(`the ${format} format: restored, with all that the dump holds, and not called proven`, async () => {
			const directory = scratchDirectory('backups');
			const made = await runProgram([...connectTo(server, directory), '-F', format, 'shop']);
			assert.equal(made.code, 0, made.stderr);
			const run = await drill(directory);
			assert.equal(run.code, 0, run.stderr);
			assert.match(run.stderr, /shop +restored .* [\d\s]+ rows in 2 tables match the dump; no contents were recorded/);
			const proof = JSON.parse(readFileSync(join(directory, proofsIn(directory)[0] ?? ''), 'utf8')) as {
				databases: {verdict: string; schema: string; held: {objects: number; tables: number; rows: number}}[];
			};
			const [{verdict, schema, held} = assert.fail()] = proof.databases;
			const rows = Number(await server.psql('shop', 'select count(*) from s.parent'));
			assert.deepEqual([verdict, schema, held.tables, held.rows], ['restored', 'none', 2, rows]);
			assert.ok(held.objects >= 8, `${held.objects} objects`);
		});
	}
});

describe('a drill finds', () => {
	test('another number of rows, another definition, a table that is missing', async () => {
		const directory = scratchDirectory('backups');
		await backup(directory, ['shop']);
		const {path, manifest} = manifestOf(directory);
		const change = async (edit: (plain: NonNullable<Manifest['files'][number]['plain']>) => void) => {
			const copy = structuredClone(manifest);
			edit(copy.files.find(file => file.role === 'dump')?.plain ?? assert.fail('nothing was recorded'));
			writeFileSync(path, JSON.stringify(copy));
			const run = await drill(directory);
			assert.equal(run.code, 17, run.stderr);
			return run.stderr;
		};
		assert.match(
			await change(plain => (plain.tables = plain.tables?.map(table => ({...table, rows: table.rows + 1})))),
			/s\.parent has [\d\s]+ rows instead of \d+/,
		);
		assert.match(await change(plain => plain.tables?.push({name: 's.lost', rows: 0})), /s\.lost is missing/);
		assert.match(
			await change(
				plain =>
					(plain.schema = plain.schema?.map(part =>
						part.kind === 'relations' ? {...part, definitions: '0'.repeat(64)} : part,
					)),
			),
			/relations have different definitions/,
		);
		assert.match(
			await change(
				plain => (plain.schema = plain.schema?.map(part => (part.kind === 'functions' ? {...part, count: 7} : part))),
			),
			/1 functions instead of 7/,
		);
		assert.deepEqual(proofsIn(directory), []);
	});

	test('a damaged dump, a missing one, an encrypted one without its key', async () => {
		const directory = scratchDirectory('backups');
		await backup(directory, ['shop']);
		const dump = join(directory, filesIn(directory).find(name => name.endsWith('.dump')) ?? '');
		const bytes = readFileSync(dump);
		writeFileSync(dump, bytes.with(bytes.length - 100, (bytes.at(-100) ?? 0) ^ 1));
		const damaged = await drill(directory);
		assert.equal(damaged.code, 17, damaged.stderr);
		assert.match(damaged.stderr, /is damaged: its sha256 does not match the manifest/);
		writeFileSync(dump, bytes);
		await backup(directory, ['postgres', 'shop']);
		const second =
			filesIn(directory)
				.filter(name => /^shop_.*\.dump$/.test(name))
				.at(-1) ?? '';
		renameSync(join(directory, second), join(directory, 'elsewhere'));
		const missing = await drill(directory);
		assert.notEqual(missing.code, 0, missing.stderr);
		assert.match(missing.stderr, /shop_\S+ is missing: the manifest of its run names it/);
		const encrypted = scratchDirectory('backups');
		await backup(encrypted, ['--encrypt', '--cipher-public-key', keys.recipient, 'shop']);
		assert.notEqual((await drill(encrypted)).code, 0);
	});
});

describe('a server that is made for drills', () => {
	let other: Cluster;
	before(async () => {
		other = await startCluster({name: 'other'});
	});
	after(async () => other.stop());

	test('gets the databases, and loses them again; roles may be there already', async () => {
		const directory = scratchDirectory('backups');
		await backup(directory, ['shop']);
		for (let time = 0; time < 2; time++) {
			const run = await drill(directory, ['--drill-dbname', other.connectionString('postgres')]);
			assert.equal(run.code, 0, run.stderr);
			assert.match(run.stderr, /shop: restored into the server at .*: .*; the rows of 3 tables/);
		}
		assert.equal(await other.psql('postgres', "select count(*) from pg_database where datname = 'shop'"), '0');
		await other.psql('postgres', 'create database shop');
		await other.psql('shop', 'create table mine ()');
		const run = await drill(directory, ['--drill-dbname', other.connectionString('postgres')]);
		assert.equal(run.code, 0, run.stderr);
		assert.equal(await other.psql('shop', "select to_regclass('mine')"), 'mine', 'what is not of the drill stays');
	});

	test('shows what a restore loses without an error, though nothing was recorded', async () => {
		const directory = scratchDirectory('backups');
		const made = await runProgram([...connectTo(server, directory), 'shop']);
		assert.equal(made.code, 0, made.stderr);
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
		await backup(directory, ['shop']);
		const run = await drill(directory, ['--drill-dbname', server.connectionString('postgres')]);
		assert.equal(run.code, 10, run.stderr);
		assert.match(run.stderr, /is the server that was backed up/);
	});
});

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
			const run = await runProgram(['-c', config, ...connection, '-d', 'postgres', 'shop']);
			assert.equal(run.code, 0, run.stderr);
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
			const run = await runProgram([...connectTo(server, directory), '-Z', '1', 'large', 'shop']);
			assert.equal(run.code, 0, run.stderr);
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
		await backup(directory, ['--encrypt', '--cipher-public-key', keys.recipient, 'shop']);
		assert.doesNotMatch(readFileSync(manifestOf(directory).path, 'utf8'), /s\.parent|definitions|uncounted/);
	});
});
