/** Directory dumps that are loaded table by table while they are fetched: equal to what pg_restore -j makes of them, and nothing of them on disk. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {mkdirSync, readdirSync, statSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {setTimeout} from 'node:timers/promises';
import {
	clientDirectory,
	type Cluster,
	realClientVersions,
	realServerVersions,
	startCluster,
} from '../helpers/cluster.js';
import {assertSameText, databasesOf, fixture, textOf} from '../helpers/databases.js';
import {type KeyFile, newKeyFile, scratchDirectory, succeeded} from '../helpers/program.js';
import {type DirectoryDump, type Pair, restore, withShipped} from './directory-dumps.js';

/** What the fixture lacks: much data, large objects, keys whose partitions differ after a restore, an owner without rights. */
const more = `
	create table bulk as select i, md5(i::text) || md5((i * 7)::text) as text from generate_series(1, 150000) i;
	create index on bulk (text);
	create type color as enum ('red', 'green', 'blue');
	create table tree (id int, c color) partition by list (c);
	create table tree_red partition of tree for values in ('red');
	create table tree_rest partition of tree default;
	insert into tree select i, (array['red', 'green', 'blue']::color[])[i % 3 + 1] from generate_series(1, 999) i;
	create table "weird; --""'
name" ("a\\b" text, "ü" text);
	insert into "weird; --""'
name" values (E'\\\\.\\n', E'\\t'), ('', null);
	create table mine (i int); insert into mine values (1);
	alter table mine owner to fixture_owner; revoke all on mine from fixture_owner;
	create sequence counter; select setval('counter', 4711);
	select lo_from_bytea(0, ''), lo_from_bytea(0, '\\x001122'), lo_from_bytea(4000000000, decode(repeat('ab', 600000), 'hex'));
	comment on large object 4000000000 is 'a large one'; grant select on large object 4000000000 to fixture_reader;
	create materialized view sums as select count(*), sum(i) from bulk;
`;

/** Its rows are in other partitions after a restore, because the hash is of the OID: pg_dump 16 and newer know that. */
const hashed = `
	create table hashed (c color) partition by hash (c);
	create table hashed_0 partition of hashed for values with (modulus 2, remainder 0);
	create table hashed_1 partition of hashed for values with (modulus 2, remainder 1);
	insert into hashed select c from tree`;

/** An extension with tables whose contents belong to the dump. */
const extension = `
	create table config_parent (id int primary key, name text);
	create table config_child (id int primary key, parent int references config_parent, user_made boolean default true);
	insert into config_parent values (1, 'of the extension');
	select pg_catalog.pg_extension_config_dump('config_parent', 'where id > 1');
	select pg_catalog.pg_extension_config_dump('config_child', '');
`;

const versions = [...realServerVersions().keys()].filter(major => realClientVersions().has(major));
const [oldest, newest] = [versions[0] ?? 0, versions.at(-1) ?? 0];
const pairs = new Map<number, Pair>();
let keys: KeyFile;

before(async () => {
	keys = await newKeyFile();
	const share = scratchDirectory('members-share');
	mkdirSync(join(share, 'extension'));
	writeFileSync(join(share, 'extension/configured.control'), "default_version = '1'\nrelocatable = true\n");
	writeFileSync(join(share, 'extension/configured--1.sql'), extension);
	for (const version of new Set([oldest, newest])) {
		const hasExtension = version >= 18;
		const settings: Record<string, string> = {};
		if (hasExtension) settings['extension_control_path'] = `$system:${share}`;
		const source = await startCluster({name: 'members-from', version, settings});
		const target = await startCluster({name: 'members-to', version, settings});
		pairs.set(version, {source, target});
		await source.psql('postgres', 'create database app');
		await source.psql('app', fixture);
		await source.psql('app', more);
		if (version >= 16) await source.psql('app', hashed);
		if (hasExtension)
			await source.psql(
				'app',
				"create extension configured; insert into config_parent values (2, 'ours'), (3, 'ours'); insert into config_child values (1, 1), (2, 3)",
			);
	}
});
after(async () => {
	for (const {source, target} of pairs.values()) {
		await source.stop();
		await target.stop();
	}
});

/** The rows of the table in `hashed` move to other partitions. */
function textWithoutHashed(cluster: Cluster, database: string): string {
	return textOf(cluster, database, '--exclude-table-data=hashed*');
}

/** What pg_dump does not write: which partition a row is in, whether indexes are usable, and whether triggers fire. */
const catalog = `
	select 'rows', relid::regclass::text, (xpath('/row/n/text()', query_to_xml('select count(*) as n from ' || relid::regclass, false, true, '')))[1]::text
		from pg_partition_tree(to_regclass('hashed')) where level = 0
	union all select 'class', relkind::text || relpersistence::text, count(*)::text from pg_class where relnamespace::regnamespace::text !~ '^pg_' group by 2
	union all select 'valid', indisvalid::text, count(*)::text from pg_index group by 2
	union all select 'trigger', tgenabled::text, count(*)::text from pg_trigger group by 2
	union all select 'populated', relispopulated::text, count(*)::text from pg_class where relkind = 'm' group by 2
	union all select 'large', loid::text, md5(string_agg(data, null order by pageno)) from pg_largeobject group by 2
	union all select 'empty', oid::text, lomacl::text from pg_largeobject_metadata
	order by 1, 2, 3`;

/** Empty when a directory is removed while it is read. */
function namesBelow(directory: string): readonly string[] {
	try {
		return readdirSync(directory, {recursive: true, encoding: 'utf8'});
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
		throw error;
	}
}

/** Bytes of the largest file that is in a directory at any time until `ended`. */
async function largestIn(directory: string, ended: Promise<unknown>): Promise<number> {
	let [largest, isOver] = [0, false];
	const over = ended.finally(() => (isOver = true));
	while (!isOver) {
		for (const name of namesBelow(directory))
			largest = Math.max(largest, statSync(join(directory, name), {throwIfNoEntry: false})?.size ?? 0);
		// Not all the time: the server from which the program fetches is in this process.
		await Promise.race([over, setTimeout(20)]);
	}
	await over;
	return largest;
}

type Case = {
	readonly store: 's3' | 'local';
	readonly compression: string;
	readonly isEncrypted: boolean;
	readonly version: number;
	readonly options?: string;
};

const cases: readonly Case[] = [
	{store: 's3', compression: '6', isEncrypted: true, version: oldest},
	{store: 's3', compression: '0', isEncrypted: false, version: oldest, options: '--load-via-partition-root'},
	{store: 'local', compression: '0', isEncrypted: true, version: newest},
	{store: 'local', compression: 'gzip', isEncrypted: false, version: newest, options: '--load-via-partition-root'},
	{store: 's3', compression: 'zstd', isEncrypted: true, version: newest},
	{store: 'local', compression: 'lz4', isEncrypted: true, version: newest},
];

function dumpOf({store, compression, isEncrypted, options}: Case, database: string): DirectoryDump {
	return {store, database, compression, ...(isEncrypted && {keys}), ...(options !== undefined && {options})};
}

function withKey(): readonly string[] {
	return ['--cipher-identity-file', keys.file];
}

type Plain = {readonly text: string; readonly catalog: string};
const plain = new Map<string, Promise<Plain>>();

/** What pg_restore makes of a dump by pg_dump, in the server that was dumped, which has the roles. */
function plainOf(one: Pick<Case, 'version' | 'options'>): Promise<Plain> {
	const known = plain.get(plainKey(one)) ?? restorePlain(one);
	plain.set(plainKey(one), known);
	return known;
}

function plainKey({version, options = ''}: Pick<Case, 'version' | 'options'>): string {
	return `${version} ${options}`;
}

async function restorePlain({version, options = ''}: Pick<Case, 'version' | 'options'>): Promise<Plain> {
	const {source} = pairs.get(version) ?? assert.fail();
	const dump = join(scratchDirectory('members-plain'), 'dump');
	const connection = ['-d', source.connectionString('app'), ...options.split(' ').filter(Boolean)];
	execFileSync(join(clientDirectory(source.major), 'pg_dump'), ['-Fd', '-f', dump, ...connection]);
	await source.psql('postgres', 'create database plain');
	execFileSync(join(clientDirectory(source.major), 'pg_restore'), [
		// In parallel it does not know of foreign keys between an extension's tables.
		...['-j', version >= 18 ? '1' : '2', '-e', '-d', source.connectionString('plain'), dump],
	]);
	const made = {text: textWithoutHashed(source, 'plain'), catalog: await source.psql('plain', catalog)};
	await source.psql('postgres', 'drop database plain');
	return made;
}

describe('the restored database is as pg_restore -j makes it', () => {
	// Tests of their own: with them, the others would take longer than a test may on a busy machine.
	for (const one of new Map(cases.map(each => [plainKey(each), each])).values())
		test(`pg_restore restores what was dumped, PostgreSQL ${plainKey(one)}`, async () => {
			const {source} = pairs.get(one.version) ?? assert.fail();
			assertSameText((await plainOf(one)).text, textWithoutHashed(source, 'app'));
		});

	for (const one of cases) {
		const {store, compression, isEncrypted, version} = one;
		const skip = compression.length > 1 && version < 16 ? {skip: 'pg_dump 16 or newer compresses so'} : {};
		const name = `${store}, ${compression}, ${isEncrypted ? 'age' : 'clear'}, PostgreSQL ${plainKey(one)}`;
		test(name, skip, () => {
			const pair = pairs.get(version) ?? assert.fail();
			const {target} = pair;
			return withShipped(pair, dumpOf(one, 'app'), async place => {
				const directory = scratchDirectory('members-work');
				const rows = ['--compare', compression === 'lz4' ? 'none' : 'rows'];
				const ended = restore(place, target, ...withKey(), '--restore-directory', directory, ...rows);
				const largest = await largestIn(directory, ended);
				const {stderr} = succeeded(await ended);
				assert.match(stderr, /streamed table by table, 2 jobs/);
				assert.match(stderr, compression === 'lz4' ? /not compared/ : /\d{3} rows in \d+ tables match the dump/);
				assert.ok(largest > 10_000 && largest < 1e6, `a file of ${largest} bytes`);
				const expected = await plainOf(one);
				assertSameText(textWithoutHashed(target, 'app'), expected.text);
				assert.equal(await target.psql('app', catalog), expected.catalog);
				assert.deepEqual(await databasesOf(target), ['app']);
			});
		});
	}
});

/** By a role that may not load what it has no longer any rights to, once privileges and owners are set. */
const owned = `
	set role maker;
	create table parent (id int generated always as identity primary key, name text);
	create table child (id int, parent int references parent, part text, check (id > 0)) partition by list (part);
	create table child_a partition of child for values in ('a');
	create table child_rest partition of child default;
	insert into parent (name) select 'n' || i from generate_series(1, 500) i;
	insert into child select i, i, (array['a', 'b', 'c'])[i % 3 + 1] from generate_series(1, 500) i;
	create materialized view counts as select part, count(*) from child group by 1;
	create view top as select * from parent;
	grant select on parent to reader with grant option; grant usage on sequence parent_id_seq to reader;
	alter table parent enable row level security;
	create policy "some" on parent using (id > 100);
	select lo_from_bytea(77777, '\\x0011'); grant select on large object 77777 to reader;
`;
const privileges = `
	select c.relname, pg_get_userbyid(relowner), relacl::text from pg_class c where relnamespace = 'public'::regnamespace
	union all select 'database', pg_get_userbyid(datdba), array(select a::text from unnest(datacl) a order by 1)::text || datconnlimit from pg_database where datname = current_database()
	union all select oid::text, pg_get_userbyid(lomowner), lomacl::text from pg_largeobject_metadata order by 1`;

for (const version of new Set([oldest, newest]))
	test(`a role with CREATEDB that is no superuser, PostgreSQL ${version}`, async () => {
		const {source, target} = pairs.get(version) ?? assert.fail();
		for (const cluster of [source, target])
			await cluster.psql('postgres', 'create role maker login createdb; create role reader login');
		await source.psql('postgres', 'create database owned owner maker connection limit 9');
		await source.psql(
			'postgres',
			"grant create on database owned to reader; alter database owned set work_mem = '7MB'",
		);
		await source.psql('owned', `grant all on schema public to maker; ${owned}`);
		const dump = {store: 'local', database: 'owned', compression: '6', keys} as const;
		await withShipped({source, target}, dump, async place => {
			const maker = ['-U', 'maker', '-d', 'postgres', '--roles', 'none'];
			const {stderr} = succeeded(await restore(place, target, ...withKey(), ...maker));
			assert.match(stderr, /streamed table by table/);
			assert.match(stderr, /rows in \d+ tables match the dump/);
			assertSameText(textOf(target, 'owned'), textOf(source, 'owned'));
			assert.equal(await target.psql('owned', privileges), await source.psql('owned', privileges));
			assert.equal(await target.psql('owned', 'show work_mem'), '7MB');
		});
	});
