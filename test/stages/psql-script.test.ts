/** A script of a dump in a real psql: who it runs as, what it may read, and how it ends. */
import assert from 'node:assert/strict';
import {chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {PgBackError} from '../../source/core/errors.js';
import {buildConnection} from '../../source/postgres/connection.js';
import {findPsql} from '../../source/postgres/tools.js';
import {runPsqlScript} from '../../source/stages/psql-script.js';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {never, waitFor} from '../helpers/postgres.js';

let cluster: Cluster;
let directory: string;
before(async () => {
	cluster = await startCluster({name: 'script', auth: 'scram-sha-256'});
	directory = mkdtempSync(join(tmpdir(), 'pgb-script-'));
	chmodSync(directory, 0o755);
});
after(async () => {
	await cluster.stop();
	rmSync(directory, {recursive: true});
});

async function run(text: string | AsyncIterable<Uint8Array>, env: Readonly<Record<string, string>>) {
	const psql = await findPsql({env: process.env, signal: never});
	const dbname = `host=127.0.0.1 port=${cluster.port} user=postgres dbname=postgres`;
	const connection = await buildConnection({dbname}, {PATH: process.env['PATH'], TMPDIR: directory, ...env});
	async function* source() {
		if (typeof text === 'string') yield Buffer.from(text);
		else yield* text;
	}
	try {
		const forDatabase = connection.forDatabase('postgres');
		const rules = {what: 'dump.sql'};
		return await runPsqlScript({
			psql,
			connection: forDatabase,
			source: source(),
			rules,
			signal: never,
			onLine: () => undefined,
		});
	} finally {
		await connection.dispose();
	}
}

describe('the script of a dump', () => {
	test('is executed with a password that only we can read', async () => {
		const home = join(directory, 'home');
		const passfile = join(directory, 'mine');
		writeFileSync(passfile, '*:*:*:*:secret\n', {mode: 0o600});
		mkdirSync(home, {mode: 0o700});
		writeFileSync(join(home, '.pgpass'), '*:*:*:*:secret\n', {mode: 0o600});
		for (const env of [{PGPASSWORD: 'secret'}, {PGPASSFILE: passfile}, {HOME: home}] as Record<string, string>[])
			assert.deepEqual(await run('create table if not exists t (i int);\n', env), []);
		assert.deepEqual(readdirSync(directory).toSorted(), ['home', 'mine'], 'no copy is left');
	});

	test('does not run as root', {skip: process.getuid?.() === 0 ? false : 'not root'}, async () => {
		const running = run('select pg_sleep(60);\n', {PGPASSWORD: 'secret'});
		const uid = await waitFor(async () => {
			for (const pid of readdirSync('/proc').filter(name => /^\d+$/.test(name))) {
				try {
					// setpriv, which has these arguments too, still runs as root
					const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
					if (/^[^\0]*\/psql\0.*-f\0-\0/.test(command) && command.includes(`port=${cluster.port}`))
						return /^Uid:\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
				} catch {
					// it has ended
				}
			}
			return undefined;
		}, 'psql to run');
		assert.notEqual(uid, '0');
		await waitFor(
			async () =>
				(await cluster.psql(
					'postgres',
					"select coalesce(bool_or(pg_terminate_backend(pid)), false) from pg_stat_activity where query like 'select pg_sleep(60)%'",
				)) === 't',
			'the script to be ended',
		);
		assert.match((await running).join('\n'), /terminating connection/);
	});

	test('stops at the first error, with the number of its line', async () => {
		const errors = await run('select 1;\nselect nothing;\ncreate table after_error (i int);\n', {PGPASSWORD: 'secret'});
		assert.equal(errors.length, 1);
		assert.match(errors[0] ?? '', /<stdin>:2: ERROR: {2}column "nothing" does not exist/);
		assert.equal(await cluster.psql('postgres', "select to_regclass('after_error') is null"), 't');
	});

	test('is refused before psql sees a command, and fails with its source', async () => {
		await assert.rejects(run('create table seen (i int);\n\\! id\n', {PGPASSWORD: 'secret'}), (error: unknown) => {
			assert.ok(error instanceof PgBackError && error.code === 'CORRUPT');
			return error.message === String.raw`dump.sql, line 2: the psql command \!, which pg_dump does not write`;
		});
		async function* broken() {
			yield Buffer.from('select 1;\n');
			throw new PgBackError('STORAGE', 'gone');
		}
		await assert.rejects(run(broken(), {PGPASSWORD: 'secret'}), /gone/);
	});

	test('says why psql could not connect', async () => {
		assert.match((await run('select 1;\n', {PGPASSWORD: 'wrong'})).join('\n'), /password authentication failed/);
	});
});
