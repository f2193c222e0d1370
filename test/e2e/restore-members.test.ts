/** Directory dumps that are loaded table by table while they are fetched: equal to what pg_restore -j makes of them, and nothing of them on disk. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {setTimeout} from 'node:timers/promises';
import {type Cluster, realClientVersions, realServerVersions, startCluster} from '../helpers/cluster.js';
import {waitFor} from '../helpers/postgres.js';
import {connectTo, type Ended, newAgeKeys, scratchDirectory, startProgram} from '../helpers/program.js';
import {configFile, impatient, type Place, placeKinds, runConfigured} from './remote-places.js';

const fixture = readFileSync(new URL('../../testdata/fixture.sql', import.meta.url), 'utf8').replace(
	/^\\set .*$/gm,
	'',
);
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
const clusters = new Map<number, {source: Cluster; target: Cluster}>();
let keys: {readonly recipient: string; readonly identity: string};
let identity: string;

before(async () => {
	keys = await newAgeKeys();
	identity = join(scratchDirectory('members-key'), 'identity');
	writeFileSync(identity, keys.identity, {mode: 0o600});
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
		clusters.set(version, {source, target});
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
	for (const {source, target} of clusters.values()) {
		await source.stop();
		await target.stop();
	}
});

function succeeded(ended: Ended): Ended {
	assert.equal(ended.code, 0, ended.stderr);
	return ended;
}

function clientOf(cluster: Cluster): string {
	return realClientVersions().get(cluster.major) ?? '';
}

/** The output of pg_dump, without what differs between any two dumps. */
function textOf(cluster: Cluster, database: string): string {
	const args = ['--exclude-table-data=hashed*', '-d', cluster.connectionString(database)];
	return execFileSync(join(clientOf(cluster), 'pg_dump'), args, {
		encoding: 'utf8',
		maxBuffer: 1 << 28,
	}).replace(/^\\(un)?restrict .*$/gm, '');
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

/** Shows only where they begin to differ: they are long. */
function equalTexts(actual: string, expected: string): void {
	if (actual === expected) return;
	const [lines, others] = [actual.split('\n'), expected.split('\n')];
	const at = lines.findIndex((line, index) => line !== others[index]);
	assert.deepEqual(lines.slice(at - 5, at + 5), others.slice(at - 5, at + 5));
}

async function databasesOf(cluster: Cluster): Promise<readonly string[]> {
	return (
		await cluster.psql(
			'postgres',
			"select datname from pg_database where datname !~ '^(postgres|template.)$' order by 1",
		)
	).split('\n');
}

async function empty(cluster: Cluster): Promise<void> {
	for (const name of await databasesOf(cluster))
		if (name !== '') await cluster.psql('postgres', `drop database "${name.replaceAll('"', '""')}" with (force)`);
}

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
	/** `app` by default. */
	readonly database?: string;
};

const cases: readonly Case[] = [
	{store: 's3', compression: '6', isEncrypted: true, version: oldest},
	{store: 's3', compression: '0', isEncrypted: false, version: oldest, options: '--load-via-partition-root'},
	{store: 'local', compression: '0', isEncrypted: true, version: newest},
	{store: 'local', compression: 'gzip', isEncrypted: false, version: newest, options: '--load-via-partition-root'},
	{store: 's3', compression: 'zstd', isEncrypted: true, version: newest},
	{store: 'local', compression: 'lz4', isEncrypted: true, version: newest},
];

async function shipped(
	place: Place,
	{compression, isEncrypted, version, options, database = 'app'}: Case,
): Promise<void> {
	const {source} = clusters.get(version) ?? assert.fail();
	const encryption = isEncrypted ? ['--encrypt', '--cipher-public-key', keys.recipient] : [];
	const extra = options === undefined ? [] : [`pg_dump_options = ${options}`];
	succeeded(
		await runConfigured(
			source,
			[...place.settings, `upload = ${place.store}`, ...extra],
			['-B', clientOf(source), '--format', 'directory', '-Z', compression, ...encryption, database],
			{env: place.env},
		),
	);
}

function argumentsFor(place: Place, target: Cluster, ...args: readonly string[]): string[] {
	const [, ...connection] = connectTo(target, scratchDirectory('members-none'));
	return [
		...['-c', configFile([...impatient, ...place.settings]), ...connection, '-B', clientOf(target)],
		...[
			'--restore',
			place.store,
			'--cipher-identity-file',
			identity,
			'--restore-jobs',
			'2',
			'--stream',
			'yes',
			...args,
		],
	];
}

function restore(place: Place, target: Cluster, ...args: readonly string[]): Promise<Ended> {
	return startProgram(argumentsFor(place, target, ...args), {env: place.env}).then(({ended}) => ended);
}

async function withPlace(one: Case, act: (place: Place, target: Cluster) => Promise<void>): Promise<void> {
	const place = await placeKinds.find(({store}) => store === one.store)?.start();
	assert.ok(place);
	const {target} = clusters.get(one.version) ?? assert.fail();
	try {
		await shipped(place, one);
		await act(place, target);
	} finally {
		await place.stop();
		await empty(target);
	}
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
	const {source} = clusters.get(version) ?? assert.fail();
	const dump = join(scratchDirectory('members-plain'), 'dump');
	const connection = ['-d', source.connectionString('app'), ...options.split(' ').filter(Boolean)];
	execFileSync(join(clientOf(source), 'pg_dump'), ['-Fd', '-f', dump, ...connection]);
	await source.psql('postgres', 'create database plain');
	execFileSync(join(clientOf(source), 'pg_restore'), [
		// In parallel it does not know of foreign keys between an extension's tables.
		...['-j', version >= 18 ? '1' : '2', '-e', '-d', source.connectionString('plain'), dump],
	]);
	const made = {text: textOf(source, 'plain'), catalog: await source.psql('plain', catalog)};
	await source.psql('postgres', 'drop database plain');
	return made;
}

describe('the restored database is as pg_restore -j makes it', () => {
	// Tests of their own: with them, the others would take longer than a test may on a busy machine.
	for (const one of new Map(cases.map(each => [plainKey(each), each])).values())
		test(`pg_restore restores what was dumped, PostgreSQL ${plainKey(one)}`, async () => {
			const {source} = clusters.get(one.version) ?? assert.fail();
			equalTexts((await plainOf(one)).text, textOf(source, 'app'));
		});

	for (const one of cases) {
		const {store, compression, isEncrypted, version} = one;
		const skip = compression.length > 1 && version < 16 ? {skip: 'pg_dump 16 or newer compresses so'} : {};
		const name = `${store}, ${compression}, ${isEncrypted ? 'age' : 'clear'}, PostgreSQL ${plainKey(one)}`;
		test(name, skip, () =>
			withPlace(one, async (place, target) => {
				const directory = scratchDirectory('members-work');
				const rows = ['--compare', compression === 'lz4' ? 'none' : 'rows'];
				const ended = restore(place, target, '--restore-directory', directory, ...rows);
				const largest = await largestIn(directory, ended);
				const {stderr} = succeeded(await ended);
				assert.match(stderr, /streamed table by table, 2 jobs/);
				assert.match(stderr, compression === 'lz4' ? /not compared/ : /\d{3} rows in \d+ tables match the dump/);
				assert.ok(largest > 10_000 && largest < 1e6, `a file of ${largest} bytes`);
				const expected = await plainOf(one);
				equalTexts(textOf(target, 'app'), expected.text);
				assert.equal(await target.psql('app', catalog), expected.catalog);
				assert.deepEqual(await databasesOf(target), ['app']);
			}),
		);
	}
});

/** A small database in which loading waits for as long as it has another name. */
const waiting = `
	create function waits() returns boolean language sql as
		$$ select current_database() = 'slow' or pg_catalog.pg_sleep(3600) is not null $$;
	create table fast as select i from generate_series(1, 100) i;
	create table slow (i int check (waits())); insert into slow values (1);
`;

const small: Case = {store: 'local', compression: '0', isEncrypted: false, version: oldest, database: 'slow'};

async function withSmall(one: Case, act: (place: Place, target: Cluster) => Promise<void>): Promise<void> {
	const {source} = clusters.get(oldest) ?? assert.fail();
	await source.psql('postgres', 'drop database if exists slow; create database slow');
	await source.psql('slow', waiting);
	await withPlace(one, act);
}

describe('what cannot be loaded so is a file first, and the plan says why', () => {
	type Preview = {databases: {road: string}[]; findings: {text: string}[]};
	const planned = async (place: Place, target: Cluster, ...args: readonly string[]) => {
		const {stdout} = succeeded(await restore(place, target, '--dry-run', '--json', ...args));
		const {databases, findings} = JSON.parse(stdout) as Preview;
		return [
			databases[0]?.road,
			findings
				.map(({text}) => text)
				.filter(text => text.includes('fetched before'))
				.join(),
		];
	};

	test('INSERT statements; only some objects', () =>
		withSmall({...small, options: '--inserts'}, async (place, target) => {
			assert.deepEqual(await planned(place, target), [
				'file',
				'the dump of slow is fetched before it is loaded: its rows are INSERT statements',
			]);
			await target.psql('postgres', 'create database slow');
			assert.deepEqual(await planned(place, target, '--only', 'fast'), [
				'file',
				'the dump of slow is fetched before it is loaded: some of its objects are restored in one transaction',
			]);
		}));

	test('a dump that there is room for, unless a stream is asked for', () =>
		withSmall(small, async (place, target) => {
			assert.deepEqual(await planned(place, target, '--stream', 'auto'), ['file', '']);
			assert.deepEqual(await planned(place, target), ['members', '']);
		}));
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
		const {source, target} = clusters.get(version) ?? assert.fail();
		for (const cluster of [source, target])
			await cluster.psql('postgres', 'create role maker login createdb; create role reader login');
		await source.psql('postgres', 'create database owned owner maker connection limit 9');
		await source.psql(
			'postgres',
			"grant create on database owned to reader; alter database owned set work_mem = '7MB'",
		);
		await source.psql('owned', `grant all on schema public to maker; ${owned}`);
		const one: Case = {store: 'local', compression: '6', isEncrypted: true, version, database: 'owned'};
		await withPlace(one, async place => {
			const {stderr} = succeeded(await restore(place, target, '-U', 'maker', '-d', 'postgres', '--roles', 'none'));
			assert.match(stderr, /streamed table by table/);
			assert.match(stderr, /rows in \d+ tables match the dump/);
			equalTexts(textOf(target, 'owned'), textOf(source, 'owned'));
			assert.equal(await target.psql('owned', privileges), await source.psql('owned', privileges));
			assert.equal(await target.psql('owned', 'show work_mem'), '7MB');
		});
	});

describe('damage', () => {
	for (const isEncrypted of [true, false])
		test(`a flipped byte and a cut member, ${isEncrypted ? 'age' : 'clear'}: 17, and no database`, () =>
			withPlace({store: 'local', compression: '6', isEncrypted, version: oldest}, async (place, target) => {
				const directory = scratchDirectory('members-work');
				const damaged = async () => {
					const {code, stderr} = await restore(place, target, '--restore-directory', directory);
					assert.equal(code, 17, stderr);
					assert.deepEqual(await databasesOf(target), ['']);
					assert.deepEqual(readdirSync(directory), []);
					return stderr;
				};
				const keysOf = async () => (await place.keys()).filter(key => /\/\d+\.dat/.test(key));
				const sizes = await Promise.all(
					(await keysOf()).map(async key => ({key, size: (await place.read(key)).length})),
				);
				const {key = ''} = sizes.toSorted((a, b) => b.size - a.size)[0] ?? {};
				const bytes = await place.read(key);
				const flipped = Buffer.from(bytes);
				flipped[flipped.length >> 1]! ^= 0x01;
				await place.replace(key, flipped);
				assert.match(await damaged(), new RegExp(key.replace(/^.*\//, '')));
				await place.replace(key, bytes.subarray(0, bytes.length >> 1));
				await damaged();
			}));

	test('a cut and a missing member of a dump without a manifest', () =>
		withSmall(small, async (place, target) => {
			for (const key of await place.keys()) {
				if (key.includes('manifest')) rmSync(join(place.location, key));
				if (!/\/\d+\.dat$/.test(key)) continue;
				// At the end of a line, where pg_restore takes it for the end of the data.
				const bytes = await place.read(key);
				if (bytes.includes('99\n100\n')) await place.replace(key, bytes.subarray(0, bytes.indexOf('100\n')));
			}
			const fails = async (reason: RegExp) => {
				const {code, stderr} = await restore(place, target);
				assert.equal(code, 17, stderr);
				assert.match(stderr, reason);
				assert.deepEqual(await databasesOf(target), ['']);
			};
			await fails(/truncated: the line that ends its rows is missing/);
			for (const key of await place.keys()) if (/\/\d+\.dat$/.test(key)) rmSync(join(place.location, key));
			await fails(/has no \d+\.dat, which its table of contents names/);
		}));
});

describe('interruption while a table is loaded', () => {
	const copying = "select count(*) from pg_stat_activity where query like 'COPY public.slow %' and state = 'active'";
	const started = async (place: Place, target: Cluster) => {
		const running = await startProgram(argumentsFor(place, target), {env: place.env});
		await waitFor(async () => (await target.psql('postgres', copying)) === '1', 'it copies');
		return running;
	};

	test('SIGTERM: 143, and nothing is left of it', () =>
		withSmall(small, async (place, target) => {
			const running = await started(place, target);
			process.kill(running.pid, 'SIGTERM');
			assert.equal((await running.ended).code, 143);
			assert.deepEqual(await databasesOf(target), ['']);
			assert.equal(await target.psql('postgres', copying), '0');
		}));

	test('SIGKILL: the hidden database is left, and --cleanup-restores drops it', () =>
		withSmall(small, async (place, target) => {
			const running = await started(place, target);
			process.kill(running.pid, 'SIGKILL');
			await running.ended;
			assert.match((await databasesOf(target)).join(), /^slow\.pgbk-\w{6}$/);
			const connection = connectTo(target, scratchDirectory('members-none'));
			succeeded(await (await startProgram([...connection, '--cleanup-restores'])).ended);
			assert.deepEqual(await databasesOf(target), ['']);
		}));
});
