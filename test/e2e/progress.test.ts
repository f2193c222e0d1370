/** What a backup says of its dumps' progress where something is in the way: rights, a pooler, a slow server, a slow disk. */
import assert from 'node:assert/strict';
import {type ChildProcess, spawn} from 'node:child_process';
import {once} from 'node:events';
import {readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, afterEach, before, describe, test} from 'node:test';
import type {JobProgress, RunEvent} from '../../source/core/events.js';
import {clientDirectory, type Cluster, startCluster} from '../helpers/cluster.js';
import {waitFor} from '../helpers/postgres.js';
import {connectTo, type Running, scratchDirectory, startProgram} from '../helpers/program.js';
import {recordingTools} from '../helpers/recorder.js';

let server: Cluster;
const holders: ChildProcess[] = [];

before(async () => {
	server = await startCluster({name: 'progress'});
	// `slow` is read with a policy that waits, row by row, for as long as any session has advisory lock 7.
	await server.psql(
		'postgres',
		'create role watcher login; create role reader login; create database a; create database slow',
	);
	await server.psql('a', 'create table t as select 1 as i');
	await server.psql(
		'slow',
		`create function waited() returns boolean language plpgsql as $$
			begin while not pg_catalog.pg_try_advisory_xact_lock_shared(7) loop perform pg_catalog.pg_sleep(0.05); end loop; return true; end $$;
		create table wide as select n, pg_catalog.repeat(pg_catalog.md5(n::text), 100) as text from pg_catalog.generate_series(1, 20000) n;
		alter table wide enable row level security; create policy slowly on wide using (waited()); analyze wide;
		grant select on wide to reader`,
	);
});
// One that a test left behind would stop the next.
afterEach(() => holders.forEach(child => child.kill()));
after(async () => server.stop());

/** A session that runs `sql`, says `held`, and keeps what it has until it is released. */
async function hold(database: string, sql: string): Promise<() => Promise<void>> {
	const child = spawn(join(clientDirectory(), 'psql'), ['-XAtqw', '-d', server.connectionString(database)], {
		env: {LC_ALL: 'C'},
		stdio: ['pipe', 'pipe', 'inherit'],
	});
	holders.push(child);
	child.stdin.write(`${sql}\n\\echo held\n`);
	let text = '';
	for await (const chunk of child.stdout.iterator({destroyOnReturn: false}) as AsyncIterable<Buffer>) {
		text += String(chunk);
		if (text.includes('held')) break;
	}
	return async () => {
		const closed = once(child, 'close');
		child.stdin.end();
		child.stdout.resume();
		await closed;
	};
}

/** While a table of database a cannot be had, a dump of it waits. */
async function dumpThatWaits(
	more: readonly string[],
	user?: string,
): Promise<{running: Running; release: () => Promise<void>}> {
	const release = await hold('a', 'begin; lock table t in access exclusive mode;');
	const directory = scratchDirectory('waits');
	const options = ['-d', 'postgres', '--dump-only', '--progress-interval', '100ms', ...more, 'a'];
	return {running: await startProgram([...connectTo(server, directory, user), ...options]), release};
}

describe('what cannot be seen is said once, and the dump goes on', {timeout: 300_000}, () => {
	test('a role that may not see the sessions of another: what to grant', async () => {
		const directory = scratchDirectory('rights');
		const config = join(directory, 'pg_back.conf');
		writeFileSync(
			config,
			`backup_directory = ${directory}\nhost = ${server.socketDirectory}\nport = ${server.port}\nuser = watcher\n` +
				'dbname = postgres\ndump_only = true\nprogress_interval = 100ms\n[a]\nuser = postgres\n',
		);
		const release = await hold('a', 'begin; lock table t in access exclusive mode;');
		const running = await startProgram(['-c', config, 'a']);
		const hint =
			/INFO: progress: this role cannot see what pg_dump does in a: grant pg_monitor to show tables and percentages/;
		await running.untilLog(hint);
		await release();
		const {code, stderr} = await running.ended;
		assert.equal(code, 0, stderr);
		assert.equal(stderr.match(/this role cannot see/g)?.length, 1);

		await server.psql('postgres', 'grant pg_monitor to watcher');
		const releaseAgain = await hold('a', 'begin; lock table t in access exclusive mode;');
		const seen = await startProgram(['-c', config, '--log-format', 'json', 'a']);
		await untilProgress(seen, one => one.activity === 'locking tables');
		await releaseAgain();
		assert.doesNotMatch((await seen.ended).stdout, /this role cannot see/);
	});

	test('a server that does not let it look', async () => {
		await server.psql('postgres', 'revoke select on pg_catalog.pg_stat_activity from public');
		await server.psql('a', 'grant select on t to watcher');
		const {running, release} = await dumpThatWaits([], 'watcher');
		await running.untilLog(
			/INFO: cannot show the progress of the dumps: .*permission denied for view pg_stat_activity/,
		);
		await release();
		const {code, stderr} = await running.ended;
		assert.equal(code, 0, stderr);
		assert.equal(stderr.match(/cannot show the progress of the dumps/g)?.length, 1);
		await server.psql('postgres', 'grant select on pg_catalog.pg_stat_activity to public');
	});

	test('sessions under another name, as behind a pooler', async () => {
		const tools = recordingTools({pg_dump: 'exec "$REAL" "${@//pg_back /pooled }"'});
		const {running, release} = await dumpThatWaits(['-B', tools.directory]);
		await running.untilLog(
			/INFO: progress: the server does not show the sessions of pg_dump \(a connection pooler\?\)/,
		);
		await release();
		assert.equal((await running.ended).code, 0);
	});

	test('nothing of a dump whose sessions have ended, while pg_dump itself still works', async () => {
		const tools = recordingTools({
			pg_dump: `"$REAL" "$@"; status=$?; until [ -e "\${0%/*}/go-on" ]; do sleep 0.1; done; exit $status`,
		});
		const {running, release} = await dumpThatWaits(['-B', tools.directory, '--log-format', 'json']);
		await untilProgress(running, one => one.activity === 'locking tables');
		await release();
		// Longer than sessions may be missing before it is said.
		const released = performance.now();
		await untilProgress(running, () => performance.now() - released > 17_000);
		writeFileSync(join(tools.directory, 'go-on'), '');
		const {code, stdout} = await running.ended;
		assert.equal(code, 0, stdout.slice(-2000));
		assert.doesNotMatch(stdout, /does not show the sessions/);
	});

	test('--progress-interval 0 says nothing of it', async () => {
		const {running, release} = await dumpThatWaits(['--progress-interval', '0'], 'watcher');
		await waitFor(
			async () =>
				(await server.psql(
					'postgres',
					"select count(*) from pg_stat_activity where application_name like 'pg_back %' and wait_event_type = 'Lock'",
				)) === '1',
			'the dump',
		);
		await release();
		const {code, stderr} = await running.ended;
		assert.equal(code, 0, stderr);
		assert.doesNotMatch(stderr, /progress:|not visible/);
	});
});

/** Resolves with the first progress of a job that is as wanted. */
async function untilProgress(running: Running, wanted: (progress: JobProgress) => boolean): Promise<JobProgress> {
	const {stdout} = running.child;
	if (!stdout) throw new Error('no output');
	return new Promise((resolve, reject) => {
		let rest = '';
		const listen = (chunk: Buffer): void => {
			const lines = `${rest}${String(chunk)}`.split('\n');
			rest = lines.pop() ?? '';
			for (const line of lines) {
				const event = JSON.parse(line) as RunEvent;
				const found = event.type === 'progress' ? event.jobs.find(wanted) : undefined;
				if (!found) continue;
				stdout.off('data', listen);
				resolve(found);
			}
		};
		stdout.on('data', listen);
		void running.ended.then(({stdout: text, stderr}) => reject(new Error(`it ended: ${text.slice(-2000)}${stderr}`)));
	});
}

describe('which stage the others wait for', {timeout: 300_000}, () => {
	test('the server while it computes, and not while pg_dump is stuck with what it has', async () => {
		const tools = recordingTools({pg_dump: 'echo $$ >"$0.pid"; exec "$REAL" "$@"'});
		const release = await hold('slow', 'select pg_catalog.pg_advisory_lock(7);');
		const directory = scratchDirectory('limited');
		const config = join(directory, 'pg_back.conf');
		writeFileSync(
			config,
			`backup_directory = ${directory}\nbin_directory = ${tools.directory}\nhost = ${server.socketDirectory}\nport = ${server.port}\n` +
				'user = reader\ndbname = postgres\ndump_only = true\nprogress_interval = 100ms\ncompress_level = 0\npg_dump_options = --enable-row-security\n',
		);
		const running = await startProgram(['-c', config, '--log-format', 'json', 'slow']);
		await untilProgress(running, one => one.limitedBy === 'server');
		const pid = Number(readFileSync(join(tools.directory, 'pg_dump.pid'), 'utf8'));
		process.kill(pid, 'SIGSTOP');
		try {
			await release();
			await untilProgress(running, one => one.limitedBy !== 'server');
		} finally {
			process.kill(pid, 'SIGCONT');
		}
		const {code, stdout} = await running.ended;
		assert.equal(code, 0, stdout.slice(-2000));
	});
});
