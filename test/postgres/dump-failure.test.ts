import assert from 'node:assert/strict';
import {execFile} from 'node:child_process';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {messageOf} from '../../source/core/errors.js';
import {dumpFailure} from '../../source/postgres/dump-failure.js';
import type {ChildResult} from '../../source/process/child.js';
import {clientDirectory, type Cluster, startCluster, startStandby} from '../helpers/cluster.js';
import {connectionTo, sessionOn, waitFor} from '../helpers/postgres.js';

describe('what a failed pg_dump says', () => {
	let cluster: Cluster;
	before(async () => {
		cluster = await startCluster({name: 'failure'});
		await cluster.psql(
			'postgres',
			'create table t as select generate_series(1, 1000) a; create role nothing login; create table s (); alter table s enable row level security; create role rls login; grant select on t, s to rls',
		);
	});
	after(() => cluster.stop());

	const dump = async (
		database: string,
		options: {user?: string; on?: Cluster; more?: string[]} = {},
	): Promise<ChildResult> => {
		const child = (await connectionTo(options.on ?? cluster, {user: options.user})).forDatabase(database);
		return new Promise(resolve => {
			execFile(
				join(clientDirectory(), 'pg_dump'),
				['-Fc', '-w', ...(options.more ?? []), ...child.args],
				{env: child.env, encoding: 'buffer', maxBuffer: 1 << 28},
				(error, _stdout, stderr) => {
					resolve({
						exitCode: error ? Number(error.code) : 0,
						signalName: null,
						stderr: stderr.toString().split('\n').filter(Boolean),
					});
				},
			);
		});
	};

	test('of a database that is gone', async () => {
		const error = dumpFailure('pg_dump', await dump('nope'));
		assert.deepEqual(
			[error.code, error.message],
			['DATABASE_GONE', 'pg_dump: exit status 1: the database does not exist any more'],
		);
	});

	test('of missing rights, row security and a lock', async () => {
		assert.match(dumpFailure('pg_dump', await dump('postgres', {user: 'nothing'})).hint!, /pg_read_all_data/);
		const security = dumpFailure('pg_dump', await dump('postgres', {user: 'rls'}));
		assert.match(security.message, /row-level security/);
		assert.match(security.hint!, /BYPASSRLS/);
		const holder = await sessionOn(cluster);
		await holder.query('begin');
		await holder.query('lock table public.t in access exclusive mode');
		assert.match(
			dumpFailure('pg_dump', await dump('postgres', {more: ['--lock-wait-timeout=100']})).hint!,
			/exclusive lock on a table/,
		);
		await holder.close();
	});

	test('of large objects, of the right to connect, and of locks that are used up', async () => {
		await cluster.psql(
			'postgres',
			'select lo_create(77); create role reads login in role pg_read_all_data; create database closed; revoke connect on database closed from public',
		);
		await cluster.psql('postgres', 'alter table s disable row level security');
		const objects = dumpFailure('pg_dump', await dump('postgres', {user: 'reads'}));
		await cluster.psql('postgres', 'alter table s enable row level security');
		assert.match(objects.hint ?? '', /large objects: dump as their owner/);
		assert.match(dumpFailure('pg_dump', await dump('closed', {user: 'reads'})).hint ?? '', /GRANT CONNECT ON DATABASE/);
		const locks = dumpFailure('pg_dump', {
			exitCode: 1,
			signalName: null,
			stderr: [
				'pg_dump: error: query failed: ERROR:  out of shared memory',
				'HINT:  You might need to increase max_locks_per_transaction.',
				'pg_dump: detail: Query was: LOCK TABLE t IN ACCESS SHARE MODE',
			],
		});
		assert.match(locks.message, /too few locks/);
		assert.match(locks.hint ?? '', /raise max_locks_per_transaction/);
	});

	test('of a recovery conflict, by name', async () => {
		const standby = await startStandby(cluster, {settings: {max_standby_streaming_delay: '0'}});
		try {
			await waitFor(
				async () => (await standby.psql('postgres', 'select count(*) from pg_class').catch(() => '0')) !== '0',
				'the standby',
			);
			const reader = await sessionOn(standby);
			await reader.query('begin isolation level repeatable read');
			await reader.query('select count(*) from public.t');
			await cluster.psql('postgres', 'drop table t');
			const said = await waitFor(async () => reader.query('select 1').then(() => undefined, messageOf), 'the conflict');
			assert.match(said, /conflict with recovery|connection to PostgreSQL was lost/);
			await reader.close();
			const error = dumpFailure('pg_dump', {
				exitCode: 1,
				signalName: null,
				stderr: [
					`pg_dump: error: Dumping the contents of table "t" failed: PQgetResult() failed.`,
					'pg_dump: detail: Error message from server: ERROR:  canceling statement due to conflict with recovery',
				],
			});
			assert.match(error.message, /canceled by a recovery conflict on the standby/);
			assert.match(error.hint!, /max_standby_streaming_delay/);
		} finally {
			await standby.stop();
		}
	});

	test('without words, how it ended', () => {
		const error = dumpFailure('pg_dump', {exitCode: null, signalName: 'SIGKILL', stderr: []});
		assert.deepEqual([error.code, error.message, error.hint], ['DUMP_FAILED', 'pg_dump: killed by SIGKILL', undefined]);
	});
});
