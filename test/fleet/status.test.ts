/** The objects that runs leave in the catalog of the fleet. */
import assert from 'node:assert/strict';
import {existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {hostname} from 'node:os';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {
	parseRunningStatus,
	parseServerStatus,
	parseStatusName,
	type ServerStatus,
	statusKey,
} from '../../source/fleet/status.js';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {waitFor} from '../helpers/postgres.js';
import {connectTo, runProgram, scratchDirectory, startProgram} from '../helpers/program.js';

const status: ServerStatus = {
	schema: 1,
	server: 'db1',
	host: 'h',
	version: '3.0.0',
	runId: 'r',
	start: '2026-11-28T00:00:00.000Z',
	end: '2026-11-28T00:10:00.000Z',
	exitCode: 0,
	outcome: 'done',
	databases: [{database: 'app', lastGood: {time: '2026-11-28T00:00:00.000Z', bytes: 1, seconds: 2}}],
};

describe('what was written by others', () => {
	test('is read when it is a status', () => {
		assert.deepEqual(parseServerStatus(JSON.stringify({...status, more: 1}), 'db1'), {value: status});
	});

	for (const [what, content] of [
		['nothing', ''],
		['cut JSON', JSON.stringify(status).slice(0, 100)],
		['null', 'null'],
		['a list', '[]'],
		['deeply nested', '['.repeat(1_000_000)],
		['of another server', JSON.stringify({...status, server: 'db2'})],
		['of another schema', JSON.stringify({...status, schema: 2})],
		['with a text for the databases', JSON.stringify({...status, databases: 'app'})],
		['with null for a database', JSON.stringify({...status, databases: [null]})],
		['with a negative size', JSON.stringify(status).replace('"bytes":1', '"bytes":-1')],
		['with an infinite size', JSON.stringify(status).replace('"bytes":1', '"bytes":1e999')],
		['with a time that is none', JSON.stringify({...status, end: '2026-99-28T00:00:00Z'})],
		['with an endless name', JSON.stringify({...status, host: 'x'.repeat(2000)})],
	] as const) {
		test(`is refused: ${what}`, () => {
			assert.notEqual(parseServerStatus(content, 'db1').problem, undefined);
			assert.notEqual(parseRunningStatus(content, 'db1').problem, undefined);
		});
	}

	test('names of objects are those that a server has', () => {
		for (const kind of ['status', 'running', 'drill'] as const) {
			const name = statusKey('/fleet//', 'db.1', kind).slice('fleet/status/'.length);
			assert.deepEqual(parseStatusName(name), {server: 'db.1', kind});
		}
		for (const name of ['', '.json', 'a/b.json', 'a.txt']) assert.equal(parseStatusName(name), undefined, name);
	});
});

describe('a backup', () => {
	let cluster: Cluster;
	before(async () => {
		cluster = await startCluster({name: 'status'});
		await cluster.psql('postgres', 'create database app; create database other');
		await cluster.psql('app', 'create table t as select 1');
	});
	after(() => cluster.stop());

	type Place = {readonly remote: string; readonly backups: string; readonly args: readonly string[]};

	function place(): Place {
		const remote = scratchDirectory('remote');
		const backups = scratchDirectory('b');
		return {
			remote,
			backups,
			args: [
				...connectTo(cluster, backups),
				...[
					'--upload=local',
					`--local-directory=${remote}`,
					'--upload-prefix=x',
					'--fleet-prefix=fleet',
					'--dump-only',
				],
			],
		};
	}

	const path = ({remote}: Place, kind: 'status' | 'running') => join(remote, statusKey('fleet', hostname(), kind));

	function statusAt(where: Place): ServerStatus {
		const read = parseServerStatus(readFileSync(path(where, 'status'), 'utf8'), hostname());
		assert.ok('value' in read, read.problem);
		return read.value;
	}

	test('says when each database was last dumped, and a failure forgets nothing', async () => {
		const where = place();
		const first = await runProgram([...where.args, '--expect-every=26h']);
		assert.equal(first.code, 0, first.stderr);
		const good = statusAt(where);
		assert.deepEqual([good.exitCode, good.expectEvery, good.error], [0, 93_600, undefined]);
		assert.deepEqual(good.databases.map(({database}) => database).toSorted(), ['app', 'other', 'postgres']);
		const app = good.databases.find(({database}) => database === 'app')?.lastGood;
		assert.ok(app && app.bytes > 0 && app.key?.startsWith('x/app_'), JSON.stringify(app));
		assert.ok(existsSync(join(where.remote, app.key ?? '')));
		assert.equal(existsSync(path(where, 'running')), false);

		await cluster.psql('postgres', 'drop database other');
		const failed = await runProgram([...where.args, '--host=/nowhere']);
		assert.equal(failed.code, 12, failed.stderr);
		const after = statusAt(where);
		assert.deepEqual([after.exitCode, after.error], [12, 'CONNECTION']);
		assert.deepEqual(after.databases, good.databases);

		const missing = await runProgram([...where.args, 'app', 'missing']);
		assert.equal(missing.code, 1, missing.stderr);
		const partial = statusAt(where).databases;
		assert.deepEqual(partial.map(({database}) => database).toSorted(), ['app', 'missing', 'other', 'postgres']);
		assert.equal(partial.find(({database}) => database === 'missing')?.lastError?.code, 'DATABASE_MISSING');

		const whole = await runProgram(where.args);
		assert.equal(whole.code, 0, whole.stderr);
		assert.deepEqual(
			statusAt(where)
				.databases.map(({database}) => database)
				.toSorted(),
			['app', 'postgres'],
		);
		await cluster.psql('postgres', 'create database other');
	});

	test('is shown while it runs, and a signal is reported', async () => {
		const where = place();
		const mark = join(scratchDirectory('mark'), 'mark');
		const hook = join(scratchDirectory('hook'), 'hook.sh');
		writeFileSync(hook, `#!/bin/sh\n: > ${mark}\nexec sleep 600\n`, {mode: 0o700});
		const running = await startProgram([...where.args, `--pre-backup-hook=${hook}`]);
		await waitFor(async () => existsSync(mark) && existsSync(path(where, 'running')), 'the run is shown');
		const read = parseRunningStatus(readFileSync(path(where, 'running'), 'utf8'), hostname());
		assert.equal(read.problem, undefined);
		running.child.kill('SIGTERM');
		assert.equal((await running.ended).code, 143);
		assert.equal(statusAt(where).outcome, 'cancelled');
		assert.equal(existsSync(path(where, 'running')), false);
	});

	test('replaces what is no status, and does not fail where it cannot report', async () => {
		const where = place();
		mkdirSync(join(where.remote, 'fleet/status'), {recursive: true});
		writeFileSync(path(where, 'status'), '{"schema": 1, "databases": "');
		const replaced = await runProgram([...where.args, 'app']);
		assert.equal(replaced.code, 0, replaced.stderr);
		assert.equal(statusAt(where).exitCode, 0);

		const refused = place();
		writeFileSync(join(refused.remote, 'fleet'), 'a file where the directory belongs');
		const {code, stderr} = await runProgram([...refused.args, 'app']);
		assert.equal(code, 0, stderr);
		assert.match(stderr, /WARN: the status of the server could not be reported to the fleet: /);
		assert.deepEqual(readdirSync(refused.remote).toSorted(), ['fleet', 'x']);
	});
});
