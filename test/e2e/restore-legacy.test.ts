/** Restores from directories that pg_back 2.6 wrote, with hostile plain dumps among them. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {existsSync, readFileSync, renameSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {gzipSync} from 'node:zlib';
import {clientDirectory, type Cluster, startCluster} from '../helpers/cluster.js';
import {databasesOf, dropDatabases} from '../helpers/databases.js';
import {connectTo, type Ended, runProgram, scratchDirectory, succeeded} from '../helpers/program.js';

let source: Cluster;
let target: Cluster;

before(async () => {
	source = await startCluster({name: 'legacy-from'});
	target = await startCluster({name: 'legacy-to'});
	await source.psql('postgres', "create database app; alter database app set work_mem = '5MB'");
	await source.psql(
		'app',
		"create table t as select i, repeat(md5(i::text), 10) as text from generate_series(1, 3000) as i; create index on t (i); select lo_from_bytea(0, '\\x0011')",
	);
});
after(async () => {
	await source.stop();
	await target.stop();
});

const summary = 'select count(*), sum(i), md5(string_agg(text, null order by i)) from t';

function restoreFrom(directory: string, ...args: readonly string[]): Promise<Ended> {
	return runProgram([...connectTo(target, directory), '--restore', 'backup', ...args]);
}

/** A file as pg_dump of a crontab with pg_back 2.6 left it. */
function dumpTo(database: string, path: string, ...args: readonly string[]): void {
	execFileSync(join(clientDirectory(source.major), 'pg_dump'), [
		'-d',
		source.connectionString(database),
		'-f',
		path,
		...args,
	]);
}

describe('runs of pg_back 2.6, without a manifest', () => {
	for (const [suffix, args, time] of [
		['dump', ['-Fc'], '2024-03-01T04:00:07Z'],
		['tar', ['-Ft'], '2024-03-01T04:00:07+05:30'],
		['d', ['-Fd'], '2024-03-01_04-00-07'],
		['sql', [], '2024-03-01T04:00:07Z'],
		['sql.gz', ['-Z', '6'], '2024-03-01_04-00-07'],
	] as const) {
		test(`.${suffix} of ${time}`, async () => {
			const directory = scratchDirectory('legacy');
			dumpTo('app', join(directory, `app_${time}.${suffix}`), ...args);
			writeFileSync(
				join(directory, `app_${time}.createdb.sql`),
				'--\n-- Database creation\n--\n\nCREATE DATABASE "app" WITH TEMPLATE = template0 OWNER = "postgres" ENCODING = \'UTF8\' LC_COLLATE = \'C.UTF-8\' LC_CTYPE = \'C.UTF-8\';\n\nALTER DATABASE "app" SET "work_mem" TO \'5MB\';\n',
			);
			writeFileSync(
				join(directory, `pg_globals_${time}.sql`),
				'CREATE ROLE postgres;\nALTER ROLE postgres WITH SUPERUSER;\n',
			);
			const {stderr} = succeeded(await restoreFrom(directory, 'app'));
			assert.match(stderr, /no manifest/);
			assert.equal(await target.psql('app', summary), await source.psql('app', summary));
			assert.equal(await target.psql('app', 'show work_mem'), '5MB');
			await dropDatabases(target, 'app');
			succeeded(await restoreFrom(directory));
			await dropDatabases(target, 'app');
			assert.deepEqual(await databasesOf(target), []);
		});
	}

	test('are taken last: a run with a manifest counts first, and --as-of reaches behind it', async () => {
		const directory = scratchDirectory('legacy-last');
		succeeded(await runProgram([...connectTo(source, directory), 'app']));
		dumpTo('app', join(directory, 'app_2099-01-01T00:00:00Z.dump'), '-Fc');
		dumpTo('app', join(directory, 'app_2020-01-01T00:00:00Z.dump'), '-Fc');
		const {stderr} = succeeded(await restoreFrom(directory, 'app', '--into', 'newest'));
		assert.doesNotMatch(stderr, /no manifest/);
		const old = succeeded(await restoreFrom(directory, 'app', '--into', 'old', '--as-of', '2021-01-01'));
		assert.match(old.stderr, /WARN.*no manifest/);
		const named = succeeded(await restoreFrom(directory, 'app', '--into', 'named', '--run', '2099-01-01T00:00:00Z'));
		assert.match(named.stderr, /WARN.*no manifest/);
		await dropDatabases(target, 'newest', 'old', 'named');
		assert.deepEqual(await databasesOf(target), []);
	});
});

test('a plain dump: each table in its tablespace, in the default one if the target lacks it', async t => {
	if (source.major < 15) return t.skip('PostgreSQL 15 or newer has tablespaces without a directory of their own');
	const create = (name: string) => `set allow_in_place_tablespaces = on; create tablespace ${name} location ''`;
	for (const cluster of [source, target]) await cluster.psql('postgres', create(`"it's "" 1"`));
	await source.psql('postgres', `create database placed; ${create('only_here')}`);
	await source.psql(
		'placed',
		`create table a (i int) tablespace "it's "" 1"; create table b (i int); create index on b (i) tablespace "it's "" 1";
		create table c (i int) tablespace only_here; create table d (i int)`,
	);
	const directory = scratchDirectory('legacy-tablespaces');
	dumpTo('placed', join(directory, 'placed_2024-03-01T04:00:07Z.sql'));
	const {stderr} = succeeded(await restoreFrom(directory, 'placed'));
	assert.match(stderr, /tablespace only_here does not exist in the target: the default one is used/);
	assert.equal(
		await target.psql(
			'placed',
			`select string_agg(relname || ': ' || coalesce(spcname, 'default'), ', ' order by relname) from pg_class c
			left join pg_tablespace t on t.oid = reltablespace where relnamespace = 'public'::regnamespace`,
		),
		`a: it's " 1, b: default, b_i_idx: it's " 1, c: default, d: default`,
	);
	await dropDatabases(target, 'placed');
	await source.psql('postgres', 'drop database placed');
});

describe('a plain dump with commands of psql', () => {
	const planted = [
		String.raw`\! touch MARK`,
		String.raw`\copy t to program 'touch MARK'`,
		String.raw`select 1; \! touch MARK`,
		String.raw`select 'MARK' \g |touch MARK`,
		'\\setenv PAGER x\n',
		String.raw`\i /etc/passwd`,
		'\\o |touch MARK',
		'select $x$ \\! $x$ \\! touch MARK',
		"select E'\\'' \\! touch MARK\n;",
		'/* /* */ \\! */ \\! touch MARK',
	];
	for (const [form, line] of planted.map((text, index) => [index === 0 ? 'sql.gz' : 'sql', text] as const)) {
		test(`.${form}: ${JSON.stringify(line)}`, async () => {
			const directory = scratchDirectory('legacy-hostile');
			const mark = join(directory, 'mark');
			const path = join(directory, 'app_2024-03-01T04:00:07Z.sql');
			dumpTo('app', path);
			const lines = readFileSync(path, 'utf8').split('\n');
			const at = lines.findIndex(text => text.startsWith('CREATE TABLE'));
			const text = [...lines.slice(0, at), ...line.replaceAll('MARK', mark).split('\n'), ...lines.slice(at)].join('\n');
			writeFileSync(path, form === 'sql' ? text : gzipSync(text));
			if (form === 'sql.gz') renameSync(path, `${path}.gz`);
			const ended = await restoreFrom(directory, 'app', '--into', 'x');
			assert.equal(ended.code, 17, ended.stderr);
			assert.match(ended.stderr, new RegExp(`line ${at + 1}\\b`), ended.stderr);
			assert.ok(!existsSync(mark));
			assert.deepEqual(await databasesOf(target), []);
		});
	}
});
