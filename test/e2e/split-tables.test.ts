/** Large tables read by several sessions: stock pg_restore brings back equal rows, in every way that it restores. */
import assert from 'node:assert/strict';
import {execFile, execFileSync} from 'node:child_process';
import {readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {promisify} from 'node:util';
import {type Cluster, realClientVersions, realServerVersions, startCluster} from '../helpers/cluster.js';
import {connectTo, type Ended, newAgeKeys, runProgram, scratchDirectory, succeeded} from '../helpers/program.js';

const majors = [...realServerVersions().keys()].filter(major => major >= 14);
/** The oldest and the newest. */
const servers = majors.filter((_, index) => index === 0 || index === majors.length - 1);
const clients = [...realClientVersions()].filter(([major]) => major >= 14);
const run = promisify(execFile);

const schema = `
	create schema "odd ""schema";
	create table "odd ""schema"."tä:HOST $$''
	ble*?" (gone int, "select" int generated always as identity, "b""\\x	" text not null, half int generated always as ("select" / 2) stored,
		wide text, also_gone text, f float8 default random(), at timestamptz default now(), bits bytea, span interval default '1 mon 3 days');
	alter table "odd ""schema"."tä:HOST $$''
	ble*?" drop column gone;
	alter table "odd ""schema"."tä:HOST $$''
	ble*?" alter wide set storage external;
	insert into "odd ""schema"."tä:HOST $$''
	ble*?" ("b""\\x	", wide, bits) select E'tab\\tline\\nback\\\\slash' || g, case when g % 50 = 0 then repeat(g::text, 2000) end, decode(md5(g::text), 'hex') from generate_series(1, 6000) g;
	alter table "odd ""schema"."tä:HOST $$''
	ble*?" drop column also_gone;
	create table parent (id int primary key, note text);
	insert into parent select g, repeat('x', 60) from generate_series(1, 9000) g;
	create table child (id int references parent, "order" int);
	insert into child select g % 9000 + 1, g from generate_series(1, 20000) g;
	create index on child ("order");
	create unlogged table fleeting as select g, repeat('u', 100) as u from generate_series(1, 5000) g;
	create table bloated as select g, repeat('e', 100) as e from generate_series(1, 5000) g;
	delete from bloated;
	create table holes as select g, repeat('h', 100) as h from generate_series(1, 8000) g;
	delete from holes where g between 1000 and 6000;
	create table heir (own int) inherits (parent);
	insert into heir select g + 100000, 'heir', g from generate_series(1, 9000) g;
	create table parted (k int, v text) partition by range (k);
	create table parted_1 partition of parted for values from (0) to (100000);
	insert into parted select g, repeat('p', 60) from generate_series(1, 9000) g;
	create table small as select 1 as one;
	create function seen() returns trigger language plpgsql as 'begin raise exception ''a trigger fired''; end';
	create trigger no_insert before insert on parent for each row execute function seen();
`;
/** The rows of each table as text, in an order of their own. */
const contents = `
	select n.nspname, c.relname, (xpath('/row/m/text()', query_to_xml(format(
		'select count(*) || '' '' || coalesce(md5(string_agg(t::text, E''\\n'' order by t::text collate "C")), '''') as m from only %I.%I t', n.nspname, c.relname),
		false, true, '')))[1]
	from pg_class c join pg_namespace n on n.oid = c.relnamespace
	where c.relkind = 'r' and n.nspname !~ '^(pg_|information_schema)' order by 1, 2`;

function dumpIn(directory: string, database: string): string {
	const name = readdirSync(directory).find(one => one.startsWith(`${database}_`) && one.endsWith('.d')) ?? '';
	return join(directory, name);
}

for (const major of servers) {
	const own = clients.filter(([client]) => client >= major);
	const skip = own.length === 0 && `no pg_dump for PostgreSQL ${major}`;
	describe(`tables of PostgreSQL ${major}`, {skip}, () => {
		let cluster: Cluster;
		let expected: string;
		before(async () => {
			cluster = await startCluster({name: 'split', version: major});
			await cluster.psql('postgres', 'create database app');
			await cluster.psql('app', schema);
			expected = await cluster.psql('app', contents);
		});
		after(async () => {
			await cluster.stop();
		});

		/** Backs up with divided tables. Returns the path of the dump. */
		async function backup(
			client: string,
			lines = '',
			...args: readonly string[]
		): Promise<{path: string; ended: Ended}> {
			const directory = scratchDirectory('split');
			const file = join(scratchDirectory('split-conf'), 'pg_back.conf');
			writeFileSync(file, `format = directory\nparallel_backup_jobs = 3\nsplit_tables_larger_than = 200K\n${lines}\n`);
			const settings = connectTo(cluster, directory).filter(word => word !== '--no-config-file');
			const ended = await runProgram(['-c', file, ...settings, '-B', client, '--dump-only', ...args, 'app']);
			succeeded(ended);
			return {path: dumpIn(directory, 'app'), ended};
		}

		async function restored(client: string, path: string, ...args: readonly string[]): Promise<string> {
			await cluster.psql('postgres', 'drop database if exists back');
			await cluster.psql('postgres', 'create database back template template0');
			await run(join(client, 'pg_restore'), ['-d', cluster.connectionString('back'), ...args, path]).catch(
				(error: unknown) => {
					// Since 17 it sets a parameter that older servers do not know.
					const {stderr} = error as {stderr: string};
					for (const line of stderr.matchAll(/error: .*/g)) assert.match(line[0], /parameter "transaction_timeout"/);
					assert.match(stderr, /errors ignored on restore: \d+\n$/);
				},
			);
			return cluster.psql('back', contents);
		}

		test('are divided, and restored to equal rows by every pg_restore', async () => {
			for (const [dumper, client] of own) {
				const {path, ended} = await backup(client);
				assert.match(ended.stderr, /app: \d tables of more than 200 KiB divided among 3 sessions/);
				const list = execFileSync(join(client, 'pg_restore'), ['-l', path], {encoding: 'utf8'});
				for (const name of ['parent', 'holes', 'bloated', 'fleeting', 'parted_1', 'heir', 'tä:HOST'])
					assert.ok((list.match(new RegExp(` TABLE DATA .* ${name}`, 'g'))?.length ?? 0) >= 3, `${name} by ${dumper}`);
				assert.equal(list.match(/ TABLE DATA .* small /g)?.length, 1);
				for (const [reader, other] of clients.filter(([one]) => one >= dumper || (one >= 15 && dumper <= 15))) {
					for (const jobs of ['1', '3'])
						assert.equal(
							await restored(other, path, '-j', jobs),
							expected,
							`dumped by ${dumper}, restored by ${reader} -j ${jobs}`,
						);
				}
				assert.equal(await restored(client, path, '--section=pre-data', '--section=data'), expected);
			}
		});

		test('are restored to equal rows without compression and with zstd, by every pg_restore that reads it', async () => {
			const [oldest = ''] = own.map(([, client]) => client);
			const {path: plain} = await backup(oldest, 'compress_level = 0');
			assert.ok(readdirSync(plain).some(name => /^table_\d+_2\.dat$/.test(name)));
			assert.equal(await restored(oldest, plain, '-j', '3'), expected, 'uncompressed');
			const modern = own.filter(([client]) => client >= 16).map(([, client]) => client);
			const [dumper] = modern;
			if (dumper === undefined) return;
			const {path} = await backup(dumper, 'compress_level = zstd:3');
			assert.ok(readdirSync(path).some(name => /^table_\d+_2\.dat\.zst$/.test(name)));
			for (const reader of modern) assert.equal(await restored(reader, path, '-j', '3'), expected, reader);
		});

		test('that change during the dump are dumped as of one moment, encrypted too', async () => {
			const [, client] = own[0] ?? [0, ''];
			const {recipient, identity} = await newAgeKeys();
			const stop = new AbortController();
			// Every transaction keeps the sum at zero and the number of rows even.
			await cluster.psql(
				'app',
				"create table ledger (amount int, note text); insert into ledger select v, repeat('l', 200) from generate_series(1, 4000) g, (values (1), (-1)) s (v)",
			);
			const writing = (async () => {
				for (let count = 0; !stop.signal.aborted; count++)
					await cluster.psql(
						'app',
						`begin; insert into ledger values (${count}, 'new'), (-${count}, 'new'); update ledger set note = note || 'u' where amount in (1, -1) and random() < 0.05; commit`,
					);
				return true;
			})();
			const {path} = await backup(
				client,
				'checksum_algorithm = sha256\nrecord_contents = exact',
				'--encrypt',
				'--cipher-public-key',
				recipient,
			).finally(() => stop.abort());
			assert.ok(await writing);
			const manifests = readdirSync(join(path, '..')).filter(name => name.endsWith('.manifest.json'));
			assert.doesNotMatch(readFileSync(join(path, '..', manifests[0] ?? ''), 'utf8'), /"rows"/, 'rows are secret');
			const key = join(scratchDirectory('split-key'), 'key');
			writeFileSync(key, identity, {mode: 0o600});
			const restore = [
				...connectTo(cluster, join(path, '..')),
				'-B',
				client,
				'--cipher-identity-file',
				key,
				'--restore',
			];
			succeeded(await runProgram([...restore, '--into', 'ours', 'app']));
			assert.equal(await cluster.psql('ours', 'select sum(amount), count(*) % 2 from ledger'), '0|0');
			await cluster.psql('postgres', 'drop database ours');
			await cluster.psql('app', 'drop table ledger');
		});

		test('have their rows in the manifest, and come back alone with their parts by --only', async () => {
			const [, client] = own[0] ?? [0, ''];
			const {path} = await backup(client, 'record_contents = exact');
			const directory = join(path, '..');
			const [name = ''] = readdirSync(directory).filter(one => one.endsWith('.manifest.json'));
			const manifest = JSON.parse(readFileSync(join(directory, name), 'utf8')) as {
				files: {plain: {members: {path: string; rows?: number}[]; tables: {name: string; rows: number}[]}}[];
			};
			const plain = manifest.files[0]?.plain;
			const oid = await cluster.psql('app', "select 'holes'::regclass::oid");
			const rows = plain?.members
				.filter(member => member.path.startsWith(`table_${oid}_`))
				.map(member => member.rows ?? 0);
			assert.ok((rows?.length ?? 0) >= 3);
			assert.equal(
				rows?.reduce((sum, count) => sum + count, 0),
				2999,
			);
			assert.equal(plain?.tables.find(table => table.name === 'public.holes')?.rows, 2999);
			await cluster.psql('postgres', 'create database part');
			succeeded(
				await runProgram([
					...connectTo(cluster, directory),
					'-B',
					client,
					'--restore',
					'--only',
					'holes',
					'--into',
					'part',
					'app',
				]),
			);
			const sums = "select count(*), md5(string_agg(t::text, ',' order by g)) from holes t";
			assert.equal(await cluster.psql('part', sums), await cluster.psql('app', sums));
			await cluster.psql('postgres', 'drop database part');
		});
	});
}
