/** What happens to the server while it is dumped: too few locks for its tables, a promotion, a replay that cannot be paused. */
import assert from 'node:assert/strict';
import {existsSync, readdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {type Cluster, startCluster, startStandby} from '../helpers/cluster.js';
import {sessionOn, waitFor} from '../helpers/postgres.js';
import {connectTo, runProgram, scratchDirectory, startProgram} from '../helpers/program.js';
import {recordingTools} from '../helpers/recorder.js';

const fileOf = (directory: string, database: string) =>
	readdirSync(directory).filter(name => name.startsWith(`${database}_`));

describe('a server with too few locks', () => {
	const tables = 4000;
	let server: Cluster;
	before(async () => {
		server = await startCluster({
			name: 'locks',
			settings: {max_locks_per_transaction: '10', max_connections: '10'},
		});
		await server.psql('postgres', 'create database small');
		await server.psql('postgres', 'create database many');
		await server.psql('small', 'create table t as select 1 as i');
		// One transaction for each hundred: creating a table takes locks too.
		const create = `do $$ begin for i in 1..${tables} loop execute format('create table t%s (a int)', i);
			if i % 100 = 0 then commit; end if; end loop; end $$`;
		await server.psql('many', create);
	});
	after(() => server.stop());

	for (const [what, options, beside] of [
		['custom', [], false],
		['directory, two connections', ['--format', 'directory', '--parallel-backup-jobs', '2'], false],
		['plain, two databases at once', ['--format', 'plain', '-j', '2'], true],
	] as const)
		test(`${what}: the dump fails, the others are made, the run ends with it`, async () => {
			const directory = scratchDirectory('locks');
			// The dump that fills the table of locks takes them from one that runs beside it: it waits until the other is made.
			const turns = `case "$*" in *dbname=many*) until compgen -G '${directory}/small_*' | grep -v part; do sleep 0.05; done;; esac`;
			const tools = recordingTools({pg_dump: `${beside ? turns : ''}\nexec "$REAL" "$@"`});
			const args = [...connectTo(server, directory), '-B', tools.directory, ...options, '--dump-only', 'many', 'small'];
			const running = await startProgram(args);
			await running.untilLog(/too few locks/);
			const failed = performance.now();
			const {code, stderr} = await running.ended;
			assert.equal(code, 1, stderr);
			assert.match(stderr, /FATAL: .*too few locks/);
			assert.match(stderr, /HINT: raise max_locks_per_transaction/);
			// The reason stands in the table at the end, and the other database is not hurt.
			assert.match(stderr, /INFO: many +failed .*too few locks/);
			assert.match(stderr, /INFO: small +ok/);
			assert.ok(tools.calls().some(({args}) => args.join(' ').includes('dbname=many')));
			assert.equal(fileOf(directory, 'small').length, 1);
			assert.deepEqual(fileOf(directory, 'many'), []);
			// It once took minutes, as thousands of tables were still looked at one by one.
			assert.ok(performance.now() - failed < 30_000, stderr);
		});
});

describe('a standby', () => {
	let primary: Cluster;
	before(async () => {
		primary = await startCluster({name: 'primary'});
		await primary.psql('postgres', 'create database app');
		await primary.psql('app', 'create table t as select 1 as i');
	});
	after(() => primary.stop());

	const caughtUp = (standby: Cluster) =>
		waitFor(async () => {
			const lsn = await primary.psql('postgres', 'select pg_current_wal_flush_lsn()');
			return (await standby.psql('postgres', `select pg_last_wal_replay_lsn() >= '${lsn}'`)) === 't';
		}, 'the standby to catch up');

	test('that is promoted while it is dumped: the dumps are good, and a warning says it', async () => {
		const standby = await startStandby(primary, {name: 'promoted'});
		try {
			await caughtUp(standby);
			const gate = join(scratchDirectory('gate'), 'open');
			const tools = recordingTools({
				pg_dump: `touch '${gate}.waiting'; while [ ! -e '${gate}' ]; do sleep 0.05; done; exec "$REAL" "$@"`,
			});
			const directory = scratchDirectory('promoted');
			const running = await startProgram([
				...connectTo(standby, directory),
				'-B',
				tools.directory,
				'-d',
				'postgres',
				'app',
			]);
			await waitFor(() => Promise.resolve(existsSync(`${gate}.waiting`)), 'pg_dump to start');
			await standby.psql('postgres', 'select pg_promote()');
			writeFileSync(gate, '');
			const {code, stderr} = await running.ended;
			assert.equal(code, 0, stderr);
			assert.match(stderr, /WARN: the standby was promoted/);
			assert.equal(fileOf(directory, 'app').length, 1);
			assert.equal((await runProgram(['--no-config-file', '-b', directory, '--verify'])).code, 0);
		} finally {
			await standby.stop();
		}
	});

	test('whose replay cannot be paused in time: each database says why it was not dumped', async () => {
		const standby = await startStandby(primary, {name: 'unpaused'});
		const holder = await sessionOn(primary);
		try {
			await primary.psql('postgres', 'create table if not exists held (i int)');
			await holder.query('begin');
			await holder.query('lock table public.held in access exclusive mode');
			await primary.psql('postgres', 'select pg_switch_wal()');
			const locks = "select count(*) from pg_locks where mode = 'AccessExclusiveLock'";
			await waitFor(async () => (await standby.psql('postgres', locks)) !== '0', 'the lock to reach the standby');
			const directory = scratchDirectory('unpaused');
			const {code, stderr} = await runProgram([...connectTo(standby, directory), '-T', '2', 'app', 'postgres']);
			assert.equal(code, 15, stderr);
			for (const database of ['app', 'postgres'])
				assert.match(
					stderr,
					new RegExp(`INFO: ${database} +failed .*replication not paused after 2\\.0s: .*AccessExclusiveLock`),
				);
			assert.doesNotMatch(stderr, /INFO: (?:app|postgres) +waiting/);
			assert.match(stderr, /FATAL: .*replication not paused/);
			assert.match(stderr, /HINT: .*--pause-timeout/);
			assert.deepEqual([...fileOf(directory, 'app'), ...fileOf(directory, 'postgres')], []);
			// Nothing is left behind: replay goes on when the lock is gone.
			assert.equal(await standby.psql('postgres', 'select pg_is_wal_replay_paused()'), 'f');
		} finally {
			await holder.close();
			await standby.stop();
		}
	});
});
