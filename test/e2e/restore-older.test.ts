/**
 * Dumps of a newer server or client into an older server: restored, or refused before anything is created, with
 * everything that the server lacks.
 */
import assert from 'node:assert/strict';
import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {type Cluster, realClientVersions, realServerVersions, startCluster} from '../helpers/cluster.js';
import {databasesOf, dropDatabases} from '../helpers/databases.js';
import {connectTo, runProgram, scratchDirectory, succeeded} from '../helpers/program.js';

const clients = [...realClientVersions()].filter(([major]) => major >= 17);
const versions = [...realServerVersions().keys()].filter(major => major >= 13);
const servers = new Map<number, Cluster>();
const [newest = 0] = versions.slice(-1);

/** By the first version that has it: what is refused by older ones, and its name in the table of contents. */
const objects: readonly (readonly [number, string, string])[] = [
	[14, 'create type mr as range (subtype = int4)', 'type public.mr'],
	[14, 'create function atomic(a int) returns int begin atomic select a + 1; end', 'function public.atomic(integer)'],
	[14, 'create function returned(a int) returns int return a + 1', 'function public.returned(integer)'],
	[14, "create procedure outs(in a int, out b int) language sql as 'select 1'", 'procedure public.outs(integer)'],
	[14, 'create table compressed (t text compression pglz)', 'table public.compressed'],
	[14, 'create table multi (m int4multirange)', 'table public.multi'],
	[14, 'create table st (a int, b int); create statistics st_s on (a + b), b from st', 'statistics public.st_s'],
	[15, 'create table nnd (i int, unique nulls not distinct (i))', 'constraint public.nnd nnd_i_key'],
	[15, 'create view invoker with (security_invoker=true) as select 1 as i', 'view public.invoker'],
	[15, 'create publication schemas for tables in schema public', 'publication tables in schema public.schemas public'],
	[
		15,
		'create table pubt (a int primary key); create publication pubc for table pubt (a) where (a > 5)',
		'publication table public.pubc pubt',
	],
	[
		15,
		'create table two (a int, b int, primary key (a, b)); create table fks (a int, b int, foreign key (a, b) references two on delete set null (b))',
		'fk constraint public.fks fks_a_b_fkey',
	],
	[15, 'create unlogged sequence unlogged', 'sequence public.unlogged'],
	[16, "create collation ruled (provider = icu, locale = 'und', rules = '&a < g')", 'collation public.ruled'],
	[17, "create collation built (provider = builtin, locale = 'C.UTF-8')", 'collation public.built'],
	[17, 'create table granted (i int); grant maintain on granted to pg_monitor', 'acl public.TABLE granted'],
	[
		17,
		"create function evf() returns event_trigger language plpgsql as 'begin end'; create event trigger logins on login execute function evf()",
		'event trigger logins',
	],
	[
		18,
		'create table virt (a int, b int generated always as (a * (2 + 1)) virtual, c int generated always as (a) stored)',
		'table public.virt',
	],
	[18, 'create table enforced (a int check (a > 0) not enforced)', 'check constraint public.enforced enforced_a_check'],
	[
		18,
		'create table valid (a int); alter table valid add constraint nn not null a not valid',
		'constraint public.valid nn',
	],
	[
		18,
		'create table without (id int4range, v tsrange, primary key (id, v without overlaps))',
		'constraint public.without without_pkey',
	],
	[18, 'create publication generated with (publish_generated_columns = stored)', 'publication generated'],
	[
		18,
		'alter default privileges grant select on large objects to pg_monitor',
		'default acl DEFAULT PRIVILEGES FOR LARGE OBJECTS',
	],
	[18, 'create table options (a int) with (vacuum_max_eager_freeze_failure_rate=0.1)', 'table public.options'],
];

/** Restored by every server: what looks like something newer and is not. */
const harmless = `
	create table "NOT ENFORCED" (enforced boolean, a int constraint nn not null, check (not enforced), b int generated always as (a * 2) stored);
	create function "begin atomic"() returns text language sql as 'select ''nulls not distinct''::text';
	create view texts as select 'generated always as (x) virtual'::text as "maintain"; grant select on texts to pg_monitor;
	create table period (period int unique, compression text, multirange text); create statistics s on period, compression from period`;

const subscription = (name: string, options = '') =>
	`create subscription ${name} connection 'host=nowhere' publication p with (connect = false, slot_name = ${name}${options})`;

before(async () => {
	for (const version of versions)
		servers.set(version, await startCluster({name: `older-${version}`, version, settings: {wal_level: 'logical'}}));
});
after(async () => {
	for (const server of servers.values()) await server.stop();
});

const on = (version: number) => servers.get(version) ?? assert.fail();

async function dumped(version: number, format: string, bin: string): Promise<string> {
	const directory = scratchDirectory('older');
	const config = join(directory, 'pg_back.conf');
	writeFileSync(config, 'dump_statistics = no\n');
	const [, ...connection] = connectTo(on(version), directory);
	succeeded(await runProgram(['-c', config, ...connection, '-B', bin, '--format', format, 'app']));
	return directory;
}

const restore = (version: number, directory: string, ...args: readonly string[]) =>
	runProgram([...connectTo(on(version), directory), '--restore', 'backup', 'app', '--into', 'copy', ...args]);

/** Creates the database, calls `act`, and drops it and its copy. */
async function withApp(version: number, sql: readonly string[], act: () => Promise<void>): Promise<void> {
	await on(version).psql('postgres', 'create database app');
	try {
		for (const one of sql) await on(version).psql('app', one);
		await act();
	} finally {
		for (const database of await databasesOf(on(version))) await dropSubscriptions(version, database);
		await dropDatabases(on(version), 'app', 'copy');
	}
}

async function dropSubscriptions(version: number, database: string): Promise<void> {
	const names = await on(version).psql(
		database,
		'select subname from pg_subscription join pg_database d on d.oid = subdbid where datname = current_database()',
	);
	for (const name of names.split('\n').filter(Boolean))
		await on(version).psql(database, `alter subscription ${name} set (slot_name = none); drop subscription ${name}`);
}

describe('of a newer server', () => {
	const [, bin = ''] = clients.at(-1) ?? [];
	const all = objects.filter(([since]) => since <= newest);

	for (const format of ['custom', 'plain']) {
		for (const target of versions.slice(0, -1)) {
			test(`${format}: ${newest} into ${target} is refused at once, with all that ${target} lacks`, async () => {
				await withApp(newest, [...all.map(([, sql]) => sql), harmless], async () => {
					const directory = await dumped(newest, format, bin);
					const refused = await restore(target, directory, '-B', bin);
					assert.equal(refused.code, 18, refused.stderr);
					assert.deepEqual(await databasesOf(on(target)), []);
					const newer = all.filter(([since]) => since > target).map(([, , name]) => name);
					const errors = [
						...refused.stderr.matchAll(/ERROR: the target is PostgreSQL \S+, without .*?: (.*) \(restore/g),
					];
					const named = errors.flatMap(([, names = '']) => names.split(', '));
					assert.equal(named.length, newer.length, refused.stderr);
					if (format === 'plain') return;
					assert.deepEqual(named.toSorted(), newer.toSorted());
					const skips = newer.flatMap(name => ['--skip', name.replace(/^.* public\./, 'public.')]);
					try {
						succeeded(await restore(target, directory, '-B', bin, ...skips));
					} finally {
						await dropDatabases(on(target), 'copy');
					}
				});
			});
		}
	}
});

describe('of a newer client', () => {
	for (const [client, bin] of clients) {
		for (const version of versions.filter(one => one < 17)) {
			for (const format of ['custom', 'plain']) {
				test(`${format}, pg_dump ${client}: subscriptions of ${version} are restored in a form that it knows`, async () => {
					const options = version >= 14 ? ', binary = true, streaming = true' : '';
					const comment = "comment on subscription one is 'it''s one'";
					await withApp(version, [subscription('one'), subscription('two', options), comment, harmless], async () => {
						const catalog = async (name: string) => {
							const sql = `select s.*, obj_description(s.oid, 'pg_subscription') from pg_subscription s
								join pg_database d on d.oid = subdbid where datname = current_database() order by subname`;
							return (await on(version).psql(name, sql)).replaceAll(/^\d+\|\d+\|/gm, '');
						};
						const directory = await dumped(version, format, bin);
						const before = await catalog('app');
						assert.match(before, /it's one/);
						const restored = succeeded(await restore(version, directory, '-B', bin));
						const note =
							/subscription one is created without (?:streaming, )?run_as_owner: the target works in the same way/;
						if (version < 16) assert.match(restored.stderr, note);
						assert.equal(await catalog('copy'), before);
					});
				});
			}
		}
	}
});
