import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {mkdtempSync, readdirSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {CancelledError} from '../../source/core/errors.js';
import {type PauseOptions, pauseReplication} from '../../source/postgres/replication.js';
import type {Session} from '../../source/postgres/session.js';
import {type Cluster, realServerVersions, startCluster, startStandby} from '../helpers/cluster.js';
import {never, sessionOn, waitFor} from '../helpers/postgres.js';

// Before 14 the server does not say whether a requested pause has come.
const majors = [...realServerVersions().keys()];
const tested = new Set(
	[majors.find(major => major >= 10 && major < 14), 15, majors.at(-1)].filter(
		major => major !== undefined && majors.includes(major),
	),
);

for (const version of tested) {
	describe(`pausing a standby, PostgreSQL ${version}`, () => {
		let primary: Cluster;
		let standby: Cluster;
		let session: Session;
		let directory: string;
		let lines: string[];
		before(async () => {
			primary = await startCluster({version, name: 'primary'});
			standby = await startStandby(primary);
			await primary.psql('postgres', 'create table t (a int); insert into t values (0); create role plain login');
			session = await sessionOn(standby);
			await caughtUp();
			directory = mkdtempSync(join(tmpdir(), 'pgb-pause-'));
		});
		after(async () => {
			await session.close();
			await standby.stop();
			await primary.stop();
			rmSync(directory, {recursive: true, force: true});
		});

		const options = (more: Partial<PauseOptions> = {}): PauseOptions => {
			lines = [];
			return {
				session,
				openSession: () => sessionOn(standby),
				timeoutSeconds: 20,
				markerPath: join(directory, 'pause'),
				signal: never,
				log: (level, text) => level !== 'debug' && lines.push(`${level}: ${text}`),
				interval: 50,
				...more,
			};
		};
		const isPaused = async () => (await standby.psql('postgres', 'select pg_is_wal_replay_paused()')) === 't';
		const rows = (cluster: Cluster) => cluster.psql('postgres', 'select count(*) from t');
		const caughtUp = () =>
			waitFor(async () => {
				const lsn = await primary.psql('postgres', 'select pg_current_wal_flush_lsn()');
				return (await standby.psql('postgres', `select pg_last_wal_replay_lsn() >= '${lsn}'`)) === 't';
			}, 'the standby to catch up');
		/** A transaction on the primary that holds the table until it is let go. */
		const lockTable = async () => {
			const holder = await sessionOn(primary);
			await holder.query('begin');
			await holder.query('lock table public.t in access exclusive mode');
			await primary.psql('postgres', 'select pg_switch_wal()');
			const locked = async () =>
				(await standby.psql('postgres', "select count(*) from pg_locks where mode = 'AccessExclusiveLock'")) !== '0';
			await waitFor(locked, 'the lock to reach the standby');
			return async () => {
				await holder.query('commit');
				await holder.close();
			};
		};

		test('a primary is left alone', async () => {
			const own = await sessionOn(primary);
			assert.equal(await pauseReplication(options({session: own})), undefined);
			assert.deepEqual(lines, []);
			await own.close();
		});

		test('nothing is replayed until it is resumed', async () => {
			const pause = await pauseReplication(options());
			assert.ok(pause);
			assert.equal(readdirSync(directory).length, 1);
			const before = await rows(standby);
			await primary.psql('postgres', 'insert into t select generate_series(1, 1000); select pg_switch_wal()');
			assert.equal(await rows(standby), before);
			assert.equal(await isPaused(), true);
			await pause.resume();
			await pause.resume();
			await caughtUp();
			assert.equal(await rows(standby), await rows(primary));
			assert.equal(await isPaused(), false);
			assert.deepEqual(readdirSync(directory), []);
			assert.deepEqual(lines, ['info: pausing replication', 'info: replication paused', 'info: resuming replication']);
		});

		test('under a writer that takes exclusive locks it pauses only without one', async () => {
			const writing = {on: true};
			const writer = (async () => {
				while (writing.on)
					await primary.psql(
						'postgres',
						'begin; lock table t in access exclusive mode; insert into t values (1); commit',
					);
			})();
			for (let round = 0; round < 5; round++) {
				const pause = await pauseReplication(options());
				assert.ok(pause);
				assert.equal(
					await standby.psql('postgres', "select count(*) from pg_locks where mode = 'AccessExclusiveLock'"),
					'0',
				);
				await rows(standby); // would hang behind the lock
				await pause.resume();
			}
			writing.on = false;
			await writer;
		});

		test('with an exclusive lock held it waits, and fails after the timeout', async () => {
			const release = await lockTable();
			await assert.rejects(pauseReplication(options({timeoutSeconds: 0.3})), {
				code: 'REPLICATION',
				exitCode: 15,
				message: /not paused after 0\.3s.*AccessExclusiveLock/,
			});
			assert.equal(await isPaused(), false);
			assert.deepEqual(readdirSync(directory), []);
			assert.equal(
				lines.filter(line => line.startsWith('warn: replication not paused because of AccessExclusiveLock')).length,
				1,
			);
			const waiting = pauseReplication(options());
			await waitFor(async () => lines.some(line => line.startsWith('warn')), 'the first attempt');
			await release();
			const pause = await waiting;
			assert.ok(pause);
			await pause.resume();
		});

		test('a timeout of 0: one attempt, which succeeds without a lock and fails with one', async () => {
			const pause = await pauseReplication(options({timeoutSeconds: 0}));
			assert.ok(pause);
			assert.equal(await isPaused(), true);
			await pause.resume();
			const release = await lockTable();
			await assert.rejects(
				pauseReplication(options({timeoutSeconds: 0})),
				/not paused after 0\.0s.*AccessExclusiveLock/,
			);
			assert.equal(await isPaused(), false);
			await release();
		});

		test('cancelled while it waits, it leaves nothing paused', async () => {
			const release = await lockTable();
			const controller = new AbortController();
			const own = await sessionOn(standby, {signal: controller.signal});
			const waiting = pauseReplication(options({session: own, signal: controller.signal}));
			await waitFor(async () => lines.some(line => line.startsWith('warn')), 'the first attempt');
			controller.abort(new CancelledError('stop'));
			await assert.rejects(waiting, {code: 'CANCELLED'});
			await release();
			assert.equal(await isPaused(), false);
			assert.deepEqual(readdirSync(directory), []);
		});

		test('a lost connection does not keep it from resuming', async () => {
			const own = await sessionOn(standby);
			const pause = await pauseReplication(options({session: own}));
			await standby.psql(
				'postgres',
				"select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pg_back'",
			);
			assert.ok(pause);
			await pause.resume();
			assert.equal(await isPaused(), false);
			await session.close(); // it was terminated too
			session = await sessionOn(standby);
		});

		test('when it cannot be resumed, that is an error which says how', async () => {
			const own = await sessionOn(standby);
			const pause = await pauseReplication(
				options({session: own, openSession: () => Promise.reject(new Error('gone')), interval: 1}),
			);
			await own.close();
			await assert.rejects(pause!.resume(), {
				code: 'REPLICATION',
				message: /could not be resumed: gone/,
				hint: /pg_wal_replay_resume/,
			});
			assert.equal(readdirSync(directory).length, 1);
			rmSync(join(directory, readdirSync(directory)[0]!));
			await standby.psql('postgres', 'select pg_wal_replay_resume()');
		});

		test('replay that another session has paused stays paused', async () => {
			await standby.psql('postgres', 'select pg_wal_replay_pause()');
			assert.equal(await pauseReplication(options()), undefined);
			assert.match(lines[0]!, /^warn: replication is already paused by another session/);
			assert.equal(await isPaused(), true);
			await standby.psql('postgres', 'select pg_wal_replay_resume()');
		});

		test('without the right to pause, a warning names it', async () => {
			const own = await sessionOn(standby, {user: 'plain'});
			assert.equal(await pauseReplication(options({session: own})), undefined);
			assert.match(
				lines[0]!,
				/^warn: replication is not paused: user plain lacks execute on functions pg_wal_replay_pause\(\)/,
			);
			await own.close();
		});

		test('after kill -9 the next run finds the pause and resumes it; that of a living run is left', async () => {
			const script = `
				import {pauseReplication} from './source/postgres/replication.js';
				import {openSession} from './source/postgres/session.js';
				import {buildConnection} from './source/postgres/connection.js';
				import {findPsql} from './source/postgres/tools.js';
				const signal = new AbortController().signal;
				const connection = await buildConnection({dbname: ${JSON.stringify(standby.connectionString('postgres'))}}, process.env);
				const session = await openSession({psql: (await findPsql({env: process.env, signal})).path, connection, signal});
				await pauseReplication({session, openSession: async () => session, timeoutSeconds: 9, markerPath: ${JSON.stringify(join(directory, 'pause'))}, signal, log() {}});
				process.stdout.write('paused');
				setInterval(() => {}, 1000);`;
			const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
				stdio: ['ignore', 'pipe', 'inherit'],
			});
			await once(child.stdout, 'data');
			assert.equal(await pauseReplication(options()), undefined);
			assert.match(lines.join('\n'), /by another session/);
			assert.equal(await isPaused(), true);
			child.kill('SIGKILL');
			await once(child, 'exit');
			assert.equal(await isPaused(), true);
			const pause = await pauseReplication(options());
			assert.match(lines[0]!, /^warn: replication is still paused by a run that was killed: resuming it/);
			assert.ok(pause);
			await pause.resume();
			assert.equal(await isPaused(), false);
			assert.deepEqual(readdirSync(directory), []);
		});
	});
}
