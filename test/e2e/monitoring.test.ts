/** What watches over the runs is told: the health server, the file for Prometheus, the hooks. */
import assert from 'node:assert/strict';
import {once} from 'node:events';
import {chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync} from 'node:fs';
import {createServer, type Server} from 'node:http';
import type {AddressInfo} from 'node:net';
import {join} from 'node:path';
import {after, before, beforeEach, describe, test} from 'node:test';
import {startCluster, type Cluster} from '../helpers/cluster.js';
import {connectTo, runProgram, scratchDirectory} from '../helpers/program.js';

type Call = {readonly path: string; readonly rid: string; readonly body: string};

let server: Cluster;
let health: Server;
let url: string;
let calls: Call[] = [];
let answer: number | 'nothing' = 200;

before(async () => {
	server = await startCluster({name: 'monitoring'});
	await server.psql('postgres', 'create database good; create database bad');
	await server.psql('bad', 'create table locked (i int)');
	health = createServer((request, response) => {
		let body = '';
		request.on('data', (text: Buffer) => (body += text.toString()));
		request.on('end', () => {
			const {pathname, searchParams} = new URL(request.url ?? '/', 'http://x');
			calls.push({path: pathname, rid: searchParams.get('rid') ?? '', body});
			if (answer !== 'nothing') response.writeHead(answer).end();
		});
	}).listen(0, '127.0.0.1');
	await once(health, 'listening');
	url = `http://127.0.0.1:${(health.address() as AddressInfo).port}/ping/uuid`;
});
after(async () => {
	health.closeAllConnections();
	health.close();
	await server.stop();
});
beforeEach(() => {
	calls = [];
	answer = 200;
});

const backup = (directory: string, ...more: string[]) => runProgram([...connectTo(server, directory), ...more]);

describe('the health server', () => {
	test('hears of start and success, with the id of the run and the log', async () => {
		const run = await backup(scratchDirectory('b'), '--health-url', url, 'good');
		assert.equal(run.code, 0, run.stderr);
		assert.deepEqual(
			calls.map(call => call.path),
			['/ping/uuid/start', '/ping/uuid'],
		);
		assert.match(calls[0]?.rid ?? '', /^[0-9a-f-]{36}$/);
		assert.equal(calls[1]?.rid, calls[0]?.rid);
		assert.match(calls[1]?.body ?? '', /5 done[\s\S]*dump of good to/);
	});

	test('hears of a failure, and why', async () => {
		const run = await backup(scratchDirectory('b'), '--health-url', url, 'good', 'missing');
		assert.equal(run.code, 1);
		assert.deepEqual(
			calls.map(call => call.path),
			['/ping/uuid/start', '/ping/uuid/fail'],
		);
		assert.match(calls[1]?.body ?? '', /database "missing" does not exist/);
	});

	test('never fails a backup: it refuses, it is not there', async () => {
		answer = 500;
		const refused = await backup(scratchDirectory('b'), '--health-url', url, 'good');
		assert.equal(refused.code, 0);
		assert.match(refused.stderr, /WARN: the health check answers 500/);
		const away = await backup(scratchDirectory('b'), '--health-url', 'http://127.0.0.1:1/secret-token', 'good');
		assert.equal(away.code, 0);
		assert.doesNotMatch(away.stderr, /secret-token/);
	});
});

/** Every sample by its name and labels. The format is strict: what does not match it, a collector would drop. */
function samplesIn(path: string): Map<string, number> {
	const samples = new Map<string, number>();
	const text = readFileSync(path, 'utf8');
	assert.ok(text.endsWith('\n'));
	const typed = new Set<string>();
	for (const line of text.trimEnd().split('\n')) {
		const type = /^# TYPE (\w+) gauge$/.exec(line)?.[1];
		if (type !== undefined) {
			assert.ok(!typed.has(type), `${type} twice`);
			typed.add(type);
		}
		if (line.startsWith('#')) continue;
		const [, key, name, value] =
			/^((pg_back_\w+)(?:\{database="(?:[^"\\\n]|\\["\\n])*"\})?) (\S+)$/.exec(line) ?? assert.fail(line);
		assert.ok(typed.has(name ?? ''), `${name} without a type`);
		samples.set(key ?? '', Number(value));
	}
	return samples;
}

describe('the metrics file', () => {
	test('tells of success and failure, and forgets no success', async () => {
		const directory = scratchDirectory('b');
		const file = join(scratchDirectory('metrics'), 'pg_back.prom');
		const started = Date.now() / 1000;
		assert.equal((await backup(directory, '--metrics-file', file, 'good', 'bad')).code, 0);
		assert.equal(statSync(file).mode & 0o777, 0o644);
		const first = samplesIn(file);
		assert.equal(first.get('pg_back_last_exit_code'), 0);
		for (const name of ['good', 'bad']) {
			assert.equal(first.get(`pg_back_database_success{database="${name}"}`), 1);
			assert.ok((first.get(`pg_back_database_bytes{database="${name}"}`) ?? 0) > 500);
			assert.ok((first.get(`pg_back_database_last_success_timestamp_seconds{database="${name}"}`) ?? 0) >= started);
		}
		await server.psql(
			'postgres',
			'alter database bad connection limit 0; create role visitor login; grant pg_read_all_data to visitor',
		);
		const second = await runProgram([
			...connectTo(server, directory, 'visitor'),
			'-d',
			'postgres',
			'--metrics-file',
			file,
			'--dump-only',
			'good',
			'bad',
		]);
		await server.psql('postgres', 'alter database bad connection limit -1');
		assert.equal(second.code, 1, second.stderr);
		const samples = samplesIn(file);
		assert.equal(samples.get('pg_back_last_exit_code'), 1);
		assert.equal(samples.get('pg_back_database_success{database="bad"}'), 0);
		assert.equal(samples.get('pg_back_database_success{database="good"}'), 1);
		const last = (of: Map<string, number>, name: string) =>
			of.get(`pg_back_database_last_success_timestamp_seconds{database="${name}"}`);
		assert.equal(last(samples, 'bad'), last(first, 'bad'), 'the last success of what failed now');
		assert.ok((last(samples, 'good') ?? 0) > (last(first, 'good') ?? 0));
		assert.equal(
			samples.get('pg_back_last_success_timestamp_seconds'),
			first.get('pg_back_last_success_timestamp_seconds'),
		);
	});

	test('tells what a drill proved, and the next backup keeps it', async () => {
		const directory = scratchDirectory('b');
		const file = join(scratchDirectory('metrics'), 'pg_back.prom');
		await backup(directory, '--metrics-file', file, 'good');
		const before = samplesIn(file);
		const drill = await runProgram(['--no-config-file', '-b', directory, '--metrics-file', file, '--restore-drill']);
		assert.equal(drill.code, 0, drill.stderr);
		const proven = samplesIn(file);
		const [restoredAt, provenAt] = ['restored', 'proven'].map(
			word => (of: ReadonlyMap<string, number>) =>
				of.get(`pg_back_database_last_${word}_timestamp_seconds{database="good"}`),
		);
		assert.ok((restoredAt?.(proven) ?? 0) > 1e9);
		assert.equal(provenAt?.(proven), undefined, 'nothing was recorded that it could be compared with');
		for (const [key, value] of before) assert.equal(proven.get(key), value, key);
		await backup(directory, '--metrics-file', file, 'good');
		assert.equal(restoredAt?.(samplesIn(file)), restoredAt?.(proven));
		const config = join(scratchDirectory('conf'), 'pg_back.conf');
		writeFileSync(config, 'record_contents = exact\n', {mode: 0o600});
		const recorded = scratchDirectory('b');
		const third = await runProgram(['-c', config, ...connectTo(server, recorded).slice(1), '--dump-only', 'good']);
		assert.equal(third.code, 0, third.stderr);
		const again = await runProgram(['--no-config-file', '-b', recorded, '--metrics-file', file, '--restore-drill']);
		assert.equal(again.code, 0, again.stderr);
		assert.ok((provenAt?.(samplesIn(file)) ?? 0) > 1e9);
		assert.deepEqual(readdirSync(join(file, '..')), ['pg_back.prom'], 'nothing half-written is left');
	});

	test('that cannot be written is a warning', async () => {
		const run = await backup(scratchDirectory('b'), '--metrics-file', '/nowhere/at/all.prom', 'good');
		assert.equal(run.code, 0);
		assert.match(run.stderr, /WARN: the metrics file cannot be written/);
	});
});

test('the post hook gets the outcome', async () => {
	const home = scratchDirectory('hook');
	const hook = join(home, 'hook');
	writeFileSync(hook, `#!/bin/sh\necho "$PGBK_STATUS|$PGBK_EXIT_CODE|$PGBK_FAILED_DBS|$PGBK_RUN_ID" > ${home}/told\n`);
	chmodSync(hook, 0o755);
	await backup(scratchDirectory('b'), '--post-backup-hook', hook, 'good', 'missing');
	assert.ok(existsSync(join(home, 'told')));
	assert.match(readFileSync(join(home, 'told'), 'utf8'), /^failure\|1\|missing\|[0-9a-f-]{36}\n$/);
});
