/** The queries of the progress, on every server at hand. */
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {relationName, storedData} from '../../source/postgres/progress-inventory.js';
import {type ServerSample, takeSample} from '../../source/postgres/progress-sample.js';
import type {Session} from '../../source/postgres/session.js';
import {clientDirectory, type Cluster, realServerVersions, startCluster} from '../helpers/cluster.js';
import {sessionOn, waitFor} from '../helpers/postgres.js';

const application = "pg_back it's 1";

for (const major of realServerVersions().keys()) {
	describe(`PostgreSQL ${major}`, () => {
		let cluster: Cluster;
		let session: Session;
		before(async () => {
			cluster = await startCluster({version: major, name: 'progress'});
			await cluster.psql('postgres', 'create database shop; create role plain login');
			await cluster.psql(
				'shop',
				`create table a as select g from generate_series(1, 1000) g; create table never (i int); insert into never values (1);
				create table b (i int); analyze a; analyze b; create sequence s; create view v as select 1;
				create table parent (i int) partition by range (i); create table child partition of parent for values from (0) to (9);
				insert into parent values (1), (2); create materialized view m as select 1 with no data; create unlogged table u (i int);
				create schema "o'dd"; create table "o'dd"."T.x" (i int); create temp table gone (i int);
				create table wide (b bytea); alter table wide alter b set storage external;
				insert into wide select decode(repeat('ab', 100000), 'hex') from generate_series(1, 10); select lo_from_bytea(0, 'x')`,
			);
			session = await sessionOn(cluster);
		});
		after(async () => {
			await session.close();
			await cluster.stop();
		});

		const sample = (by = session) => takeSample(by, [application, 'none'], {now: () => 4711, timeout: 10});

		/** A session of a dump: psql that does what it is told. */
		function startSession(name: string, user = 'postgres') {
			const child = spawn(
				join(clientDirectory(), 'psql'),
				['-XAtq', '-d', cluster.connectionString('shop').replace('user=postgres', `user=${user}`)],
				{
					env: {PGAPPNAME: name, LC_ALL: 'C'},
					stdio: ['pipe', 'pipe', 'inherit'],
				},
			);
			child.stdout.pause();
			return {
				send: (sql: string) => child.stdin.write(`${sql}\n`),
				async end() {
					child.stdin.end();
					child.stdout.resume();
					await once(child, 'close');
				},
			};
		}

		test('what a dump would read', async () => {
			const inside = await sessionOn(cluster, {database: 'shop'});
			try {
				const {tables, largeObjectBytes} = await storedData(inside);
				const by = new Map(tables.map(table => [`${table.schema}.${table.name}`, table]));
				assert.deepEqual([...by.keys()].sort(), [
					"o'dd.T.x",
					'public.a',
					'public.b',
					'public.child',
					'public.never',
					'public.u',
					'public.wide',
				]);
				assert.equal(by.get('public.a')?.rows, 1000);
				assert.equal(by.get('public.never')?.rows, undefined);
				assert.equal(by.get('public.u')?.unlogged, true);
				assert.equal(by.get("o'dd.T.x")?.visible, false);
				const wide = by.get('public.wide');
				assert.ok(wide && wide.toastBytes > 900_000 && wide.toastBytes > wide.bytes * 0.95, JSON.stringify(wide));
				assert.ok(largeObjectBytes > 0);
				assert.equal(await relationName(inside, wide.oid), 'public.wide');
				assert.equal(await relationName(inside, 1), undefined);
			} finally {
				await inside.close();
			}
		});

		test('what a dump would read, also of a table that another session has locked', async () => {
			await cluster.psql('postgres', 'create table held as select generate_series(1, 10000) as i; analyze held');
			const holder = await sessionOn(cluster);
			await holder.query('begin');
			await holder.query('lock table public.held in access exclusive mode');
			const inside = await sessionOn(cluster);
			try {
				const {tables} = await storedData(inside);
				const held = tables.find(table => table.name === 'held');
				assert.ok(held && held.bytes > 300_000 && held.rows === 10_000, JSON.stringify(held));
			} finally {
				await inside.close();
				await holder.close();
				await cluster.psql('postgres', 'drop table held');
			}
		});

		test('looks at the files of a table only if it may have changed since its ANALYZE', async t => {
			if (major < 15) {
				t.skip('statistics are not in shared memory before 15');
				return;
			}
			await cluster.psql(
				'postgres',
				`create table same with (autovacuum_enabled = false) as select generate_series(1, 10000) as i;
				create table grown with (autovacuum_enabled = false) as select generate_series(1, 10000) as i`,
			);
			await cluster.psql('postgres', 'analyze same, grown');
			await cluster.psql('postgres', 'insert into grown select generate_series(1, 10000)');
			const holder = await sessionOn(cluster);
			await holder.query('begin');
			// Looking at it would fail, and all sizes would be those of the catalog.
			await holder.query('lock table public.same in access exclusive mode');
			const inside = await sessionOn(cluster);
			try {
				const {tables} = await storedData(inside);
				const rows = (name: string) => tables.find(table => table.name === name)?.rows ?? 0;
				assert.equal(rows('same'), 10_000);
				assert.ok(rows('grown') > 15_000, String(rows('grown')));
			} finally {
				await inside.close();
				await holder.close();
				await cluster.psql('postgres', 'drop table same, grown');
			}
		});

		test('a table that is copied, with bytes and rows where the server counts them', async () => {
			const dump = startSession(application);
			// More than pipes and buffers hold: it stays in the COPY while nobody reads.
			dump.send('COPY public.wide (b) TO stdout;');
			try {
				const found = await waitFor(async () => {
					const [one] = (await sample()).sessions;
					return one?.waitEvent === 'Client:ClientWrite' && one;
				}, 'the COPY');
				assert.deepEqual([found.application, found.database, found.state], [application, 'shop', 'active']);
				assert.match(found.query ?? '', /^COPY public\.wide/);
				if (major < 14) assert.equal(found.copy, undefined);
				else assert.ok((found.copy?.bytes ?? 0) > 0 && (found.copy?.relation ?? 0) > 0);
			} finally {
				await dump.end();
			}
		});

		test('shows who waits for a lock and who holds it; without a waiter no locks are read', async () => {
			assert.deepEqual((await sample()).locks, []);
			const dump = startSession(application);
			const other = startSession('migration');
			try {
				dump.send('begin; lock table public.a in access share mode;');
				await waitFor(async () => (await sample()).sessions[0]?.state === 'idle in transaction', 'the lock');
				other.send("alter table a add x text default 'secret';");
				const {locks} = await waitFor(async (): Promise<ServerSample | false> => {
					const found = await sample();
					return found.locks.length > 1 && found;
				}, 'the writer');
				const [waits] = locks.filter(lock => !lock.granted);
				assert.deepEqual(
					[waits?.application, waits?.mode, waits?.database, waits?.user],
					['migration', 'AccessExclusiveLock', 'shop', 'postgres'],
				);
				assert.match(waits?.query ?? '', /^alter table a/);
				assert.equal(waits?.waiting !== undefined, major >= 14);
				const [has] = locks.filter(lock => lock.granted);
				assert.deepEqual(
					[has?.application, has?.mode, has?.relation],
					[application, 'AccessShareLock', waits?.relation],
				);
			} finally {
				await dump.end();
				await other.end();
			}
		});

		test('a role without rights sees its own sessions, and only the names of others', async () => {
			const plain = await sessionOn(cluster, {user: 'plain'});
			const own = startSession('none', 'plain');
			const dump = startSession(application);
			try {
				own.send('select 1;');
				dump.send('select 1;');
				const sessions = await waitFor(async () => {
					const found = (await sample(plain)).sessions;
					return found.length === 2 && found.some(one => one.query?.includes('select 1')) && found;
				}, 'both sessions');
				assert.equal(sessions.find(one => one.application === application)?.query, undefined);
				assert.match(sessions.find(one => one.application === 'none')?.query ?? '', /select 1/);
			} finally {
				await plain.close();
				await own.end();
				await dump.end();
			}
		});
	});
}
