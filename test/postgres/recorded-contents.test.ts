import assert from 'node:assert/strict';
import {after, afterEach, before, describe, test} from 'node:test';
import {countRows} from '../../source/postgres/recorded-contents.js';
import type {Session} from '../../source/postgres/session.js';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {sessionOn} from '../helpers/postgres.js';

describe('counting the rows of many tables', () => {
	const tables = 250;
	let cluster: Cluster;
	const open: Session[] = [];
	before(async () => {
		cluster = await startCluster({name: 'counts'});
		await cluster.psql(
			'postgres',
			`do $$ begin for i in 1..${tables} loop
				execute format('create table t%s (id int primary key)', i);
				execute format('insert into t%s select generate_series(1, %s)', i, i);
			end loop; end $$`,
		);
	});
	afterEach(async () => {
		for (const session of open.splice(0)) await session.close();
	});
	after(() => cluster.stop());
	const begin = async (user = 'postgres') => {
		const session = await sessionOn(cluster, {user});
		open.push(session);
		await session.query('begin isolation level repeatable read read only');
		return session;
	};

	test('counts each of them, and keeps no lock', async () => {
		const session = await begin();
		const {tables: counted, uncounted} = await countRows(session);
		assert.equal(uncounted, 0);
		const rows = new Map(counted.map(one => [one.name, one.rows]));
		assert.deepEqual([rows.size, rows.get('public.t1'), rows.get(`public.t${tables}`)], [tables + 1, 1, tables]);
		// pg_dump locks every table too, and the server has room for a limited number of locks.
		const locks = await session.query(
			`select c.relname from pg_locks l join pg_class c on c.oid = l.relation where l.pid = pg_backend_pid() and c.relname ~ '^t[0-9]'`,
		);
		assert.deepEqual(locks, []);
	});

	test('leaves out only the table that it may not read', async () => {
		await cluster.psql(
			'postgres',
			'create role reader login; grant select on all tables in schema public to reader; revoke select on t7 from reader',
		);
		const session = await begin('reader');
		const {tables: counted, uncounted} = await countRows(session);
		assert.deepEqual([counted.length, uncounted], [tables, 1]);
		assert.ok(counted.every(({name}) => name !== 'public.t7'));
	});

	test('stops at the limit, and when it is told to', async () => {
		const session = await begin();
		// One page each, a fifth more, and 64 KiB for the statement.
		const limited = await countRows(session, {limit: 100 * (Math.ceil(8192 * 1.2) + 65_536)});
		assert.deepEqual([limited.tables.length, limited.uncounted], [101, tables - 100]);
		let asked = 0;
		const stopped = await countRows(session, {stopped: () => ++asked > 1});
		assert.deepEqual([stopped.tables.length, stopped.uncounted], [100, tables - 99]);
	});

	test('leaves out only the table that another session has locked', async () => {
		const [holder, session] = [
			await sessionOn(cluster, {user: 'postgres'}),
			await sessionOn(cluster, {user: 'postgres'}),
		];
		open.push(holder, session);
		await holder.query('begin');
		await holder.query('lock table public.t9');
		await session.query("set lock_timeout = '100ms'");
		await session.query('begin isolation level repeatable read read only');
		for (const limit of [undefined, 1 << 30]) {
			const {tables: counted, uncounted} = await countRows(session, limit === undefined ? {} : {limit});
			assert.deepEqual([counted.length, uncounted], [tables, 1]);
			assert.ok(counted.every(({name}) => name !== 'public.t9'));
		}
	});

	test('within a limit, leaves out a table that is larger than the catalog says', async () => {
		await cluster.psql('postgres', 'create database grown');
		await cluster.psql(
			'grown',
			`create table kept (n int) with (autovacuum_enabled = false); create table grown (n int) with (autovacuum_enabled = false);
			insert into kept values (1); insert into grown values (1); vacuum analyze;
			insert into grown select generate_series(1, 10000)`,
		);
		const session = await sessionOn(cluster, {user: 'postgres', database: 'grown'});
		open.push(session);
		await session.query('begin isolation level repeatable read read only');
		const counted = async (limit?: number) =>
			(await countRows(session, limit === undefined ? {} : {limit})).tables.map(({name, rows}) => [name, rows]);
		const all = [
			['large objects', 0],
			['public.grown', 10_001],
			['public.kept', 1],
		];
		assert.deepEqual((await counted()).toSorted(), all);
		assert.deepEqual((await counted(1 << 30)).toSorted(), [all[0], all[2]]);
	});
});
