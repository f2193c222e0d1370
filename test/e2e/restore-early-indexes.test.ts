/** Restores that stream build the indexes of a table while the data of others still arrives. */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {waitFor} from '../helpers/postgres.js';
import {connectTo, runProgram, scratchDirectory, startProgram, succeeded} from '../helpers/program.js';

let source: Cluster;
let target: Cluster;
before(async () => {
	source = await startCluster({name: 'early-source'});
	target = await startCluster({name: 'early-target'});
	await source.psql('postgres', 'create database app');
	// Rows of two tables wait as long as there is a database hold. Each table is larger than those that are loaded at once.
	await source.psql(
		'app',
		`create function public.waits() returns boolean language plpgsql as $$begin
			while exists (select from pg_catalog.pg_database where datname = 'hold') loop perform pg_catalog.pg_sleep(0.05); end loop;
			return true; end$$;
		create table a_first (id int primary key, body text);
		create table m_waits (id int primary key check (id > 1 or public.waits()), body text);
		create table z_waits (id int primary key check (id > 1 or public.waits()), body text)`,
	);
	const fill = (table: string, rows: number) =>
		`insert into ${table} select n, repeat(md5(n::text), 4) from generate_series(1, ${rows}) n`;
	await source.psql('app', `${fill('m_waits', 54_000)}; ${fill('a_first', 48_000)}; ${fill('z_waits', 42_000)}`);
	await source.psql(
		'app',
		'create index first_body on a_first (body); create index last_body on z_waits (body); alter table z_waits add foreign key (id) references a_first',
	);
});
after(() => Promise.all([source.stop(), target.stop()]));

const objects = `select conname from pg_constraint where connamespace = 'public'::regnamespace
	union all select relname from pg_class where relkind = 'i' and relnamespace = 'public'::regnamespace order by 1`;

for (const format of ['custom', 'directory']) {
	test(format, async () => {
		const [directory, store] = [scratchDirectory('early'), scratchDirectory('store')];
		const place = ['--upload', 'local', '--local-directory', store];
		succeeded(await runProgram([...connectTo(source, directory), ...place, '-F', format, '-Z', '0', 'app']));
		await target.psql('postgres', 'create database hold');
		const running = await startProgram([
			...[...connectTo(target, scratchDirectory('empty')), '--local-directory', store],
			...['--restore', 'local', '--stream', 'yes', '--restore-jobs', '2', 'app'],
		]);
		try {
			const hidden = await waitFor(
				async () =>
					(await target.psql('postgres', "select datname from pg_database where datname ~ '^app.pgbk' limit 1")) ||
					undefined,
				'the hidden database',
				60,
			);
			const built = await waitFor(
				async () => {
					const names = await target.psql(
						hidden,
						'select indexrelid::regclass from pg_index where indisready and indexrelid >= 16384 order by 1',
					);
					return names.includes('first_body') && names.includes('a_first_pkey') ? names : undefined;
				},
				'the indexes of the first table',
				60,
			);
			assert.doesNotMatch(built, /waits/);
		} finally {
			await target.psql('postgres', 'drop database hold');
		}
		succeeded(await running.ended);
		assert.equal(await target.psql('app', objects), await source.psql('app', objects));
		await target.psql('postgres', 'drop database app');
	});
}
