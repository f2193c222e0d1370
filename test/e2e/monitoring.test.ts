/** What watches over the runs is told: the health server, the file for Prometheus, the hooks. */
import assert from 'node:assert/strict';
import {once} from 'node:events';
import {chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync} from 'node:fs';
import {createServer, type Server} from 'node:http';
import type {AddressInfo} from 'node:net';
import {join} from 'node:path';
import {after, before, beforeEach, describe, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {startForwardProxy} from '../helpers/forward-proxy.js';
import {connectTo, runProgram, scratchDirectory} from '../helpers/program.js';

type Call = {readonly path: string; readonly rid: string; readonly body: string; readonly authorization?: string};

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
			const {authorization} = request.headers;
			calls.push({path: pathname, rid: searchParams.get('rid') ?? '', body, ...(authorization && {authorization})});
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
		assert.match(refused.stderr, /WARN: the health check returned status 500/);
		const away = await backup(scratchDirectory('b'), '--health-url', 'http://127.0.0.1:1/secret-token', 'good');
		assert.equal(away.code, 0);
		assert.doesNotMatch(away.stderr, /secret-token/);
	});

	test('gets user and password as a header, and no message repeats them', async () => {
		const {host} = new URL(url);
		const run = await backup(
			scratchDirectory('b'),
			'--health-url',
			`http://us%40er:open-sesame@${host}/ping/uuid`,
			'good',
		);
		assert.equal(run.code, 0, run.stderr);
		assert.deepEqual(
			calls.map(call => call.authorization),
			Array(2).fill(`Basic ${Buffer.from('us@er:open-sesame').toString('base64')}`),
		);
		answer = 401;
		for (const address of [
			`http://u:open-sesame@${host}/x`,
			'http://u:open-sesame@127.0.0.1:1/x',
			'http://u:open-sesame@:bad/',
		]) {
			const {stdout, stderr} = await backup(scratchDirectory('b'), '--health-url', address, 'good');
			assert.match(stderr, /WARN: .*health/);
			assert.doesNotMatch(stdout + stderr, /open-sesame/);
		}
	});

	test('a proxy that cannot be used, and a service that hangs up, are told once for each report', async () => {
		const env = {http_proxy: 'socks5://u:open-sesame@127.0.0.1:1'};
		const args = [...connectTo(server, scratchDirectory('b')), '--health-url', url, 'good'];
		const unusable = await runProgram(args, {env});
		assert.equal(unusable.code, 0, unusable.stderr);
		const [told = '', ...others] = unusable.stderr.split('\n').filter(line => line.includes(' WARN: '));
		assert.match(told, /WARN: cannot report to health_url: http_proxy has an unsupported proxy scheme \(socks5\)$/);
		assert.deepEqual(others, []);
		assert.doesNotMatch(unusable.stderr, /open-sesame/);
		const {stdout} = await runProgram([...args, '--log-format', 'json'], {env});
		const events = stdout
			.split('\n', 20)
			.map(line => (line === '' ? {} : JSON.parse(line)) as {type?: string; text?: string});
		assert.equal(events[0]?.type, 'run.started');
		assert.ok(
			events.some(({text}) => text?.startsWith('cannot report to health_url') ?? false),
			stdout,
		);
		const rude = createServer(request => request.socket.destroy());
		await once(rude.listen(0, '127.0.0.1'), 'listening');
		try {
			const address = `http://127.0.0.1:${(rude.address() as AddressInfo).port}/`;
			const {stderr} = await backup(scratchDirectory('b'), '--health-url', address, 'good');
			assert.match(stderr, /WARN: cannot reach the health check: the connection was reset\n/);
		} finally {
			rude.close();
		}
	});

	test('is reached through a proxy', async () => {
		const proxy = await startForwardProxy();
		try {
			const run = await runProgram([...connectTo(server, scratchDirectory('b')), '--health-url', url, 'good'], {
				env: {http_proxy: `http://127.0.0.1:${proxy.port}`},
			});
			assert.equal(run.code, 0, run.stderr);
			assert.equal(calls.length, 2);
			assert.equal(proxy.requests.length, 2);
		} finally {
			await proxy.stop();
		}
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

	test('of a drill is its own file; a backup and a drill leave each other alone', async () => {
		const directory = scratchDirectory('b');
		const home = scratchDirectory('metrics');
		const file = join(home, 'pg_back.prom');
		const drillFile = join(home, 'pg_back.drill.prom');
		await backup(directory, '--metrics-file', file, 'good');
		const before = readFileSync(file, 'utf8');
		const drill = await runProgram(['--no-config-file', '-b', directory, '--metrics-file', file, '--restore-drill']);
		assert.equal(drill.code, 0, drill.stderr);
		const [restoredAt, provenAt] = ['restored', 'proven'].map(
			word => (of: ReadonlyMap<string, number>) =>
				of.get(`pg_back_database_last_${word}_timestamp_seconds{database="good"}`),
		);
		const first = samplesIn(drillFile);
		assert.ok((restoredAt?.(first) ?? 0) > 1e9);
		assert.equal(first.get('pg_back_drill_last_exit_code'), 0);
		assert.equal(first.get('pg_back_drill_last_failed_jobs'), 0);
		assert.equal(provenAt?.(first), undefined, 'nothing was recorded that it could be compared with');
		assert.equal(readFileSync(file, 'utf8'), before);
		const config = join(scratchDirectory('conf'), 'pg_back.conf');
		writeFileSync(config, 'record_contents = exact\n', {mode: 0o600});
		const recorded = scratchDirectory('b');
		const third = await runProgram(['-c', config, ...connectTo(server, recorded).slice(1), '--dump-only', 'good']);
		assert.equal(third.code, 0, third.stderr);
		const again = await runProgram(['--no-config-file', '-b', recorded, '--metrics-file', file, '--restore-drill']);
		assert.equal(again.code, 0, again.stderr);
		assert.ok((provenAt?.(samplesIn(drillFile)) ?? 0) > 1e9);
		const drilled = readFileSync(drillFile, 'utf8');
		await backup(directory, '--metrics-file', file, 'good');
		assert.equal(readFileSync(drillFile, 'utf8'), drilled);
		assert.deepEqual(readdirSync(home).sort(), ['pg_back.drill.prom', 'pg_back.prom'], 'nothing half-written is left');
	});

	test('and the health server hear only of backups, whatever else runs', async () => {
		const directory = scratchDirectory('b');
		const home = scratchDirectory('metrics');
		const file = join(home, 'pg_back.prom');
		const conf = join(scratchDirectory('conf'), 'pg_back.conf');
		const lines = [
			`metrics_file = ${file}`,
			`health_url = ${url}`,
			'upload = local',
			`local_directory = ${scratchDirectory('nas')}`,
		];
		writeFileSync(conf, `${lines.join('\n')}\n`, {mode: 0o600});
		const connection = ['-c', conf, ...connectTo(server, directory).slice(1)];
		assert.equal((await runProgram([...connection, 'good'])).code, 0);
		const before = readFileSync(file, 'utf8');
		calls = [];
		const others: readonly (readonly [readonly string[], readonly number[]])[] = [
			[['--dry-run'], [0]],
			[['--dry-run', 'nosuch'], [1]],
			[['--check-config'], [0]],
			[['--check-config=connect'], [0]],
			[['--list-remote', 'local'], [0]],
			[
				['--download', 'local', 'good_*.dump', '--force'],
				[0, 1, 2],
			],
			[['--check-age', '1h'], [0]],
			[['--resume-uploads'], [0]],
			[['--cleanup-remote', 'local'], [0]],
			[['--verify'], [0]],
			[['--verify', 'local'], [0]],
		];
		for (const [args, codes] of others) {
			const {code, stderr} = await runProgram([...connection, ...args]);
			assert.ok(codes.includes(code ?? -1), `${args.join(' ')}: ${code}\n${stderr}`);
			assert.deepEqual(calls, [], args.join(' '));
			assert.equal(readFileSync(file, 'utf8'), before, args.join(' '));
		}
		assert.deepEqual(readdirSync(home).sort(), ['pg_back.prom', 'pg_back.verify.prom']);
		assert.equal(samplesIn(join(home, 'pg_back.verify.prom')).get('pg_back_verify_last_exit_code'), 0);
	});

	test('that cannot be written is a warning', async () => {
		const run = await backup(scratchDirectory('b'), '--metrics-file', '/nowhere/at/all.prom', 'good');
		assert.equal(run.code, 0);
		assert.match(run.stderr, /WARN: cannot write the metrics file/);
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
