/** `alarm_shrink`: a dump that lost much of its rows or bytes is a warning, and nothing of its database is purged. */
import assert from 'node:assert/strict';
import {once} from 'node:events';
import {readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {createServer} from 'node:http';
import type {AddressInfo} from 'node:net';
import {join} from 'node:path';
import {after, before, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {connectTo, newAgeKeys, nextSecond, runProgram, scratchDirectory, succeeded} from '../helpers/program.js';

let server: Cluster;
before(async () => {
	server = await startCluster({name: 'shrink'});
	await server.psql('postgres', 'create database app; create database other');
});
after(async () => server.stop());

const fill = (rows: number) =>
	server.psql(
		'app',
		`drop table if exists t; create table t as select i, md5(i::text) from generate_series(1, ${rows}) i`,
	);
const dumps = (directory: string, name: string) =>
	readdirSync(directory).filter(file => file.startsWith(`${name}_`) && file.includes('.dump')).length;

/** Old dumps would all go: `purge_older_than = 0`. */
function backups(...lines: readonly string[]) {
	const directory = scratchDirectory('shrink');
	const store = scratchDirectory('shrink-store');
	const config = join(scratchDirectory('shrink-conf'), 'pg_back.conf');
	const settings = ['purge_older_than = 0', 'upload = local', `local_directory = ${store}`, 'purge_remote = true'];
	writeFileSync(config, [...settings, ...lines, ''].join('\n'));
	const connection = connectTo(server, directory).filter(word => word !== '--no-config-file');
	const run = async (...args: readonly string[]) => {
		await nextSecond();
		return runProgram(['-c', config, ...connection, '--dump-only', ...args, 'app', 'other']);
	};
	return {directory, store, config, run};
}

test('warns, keeps the dumps at both places until the loss is accepted, and tells the monitoring', async () => {
	const bodies: string[] = [];
	const health = createServer((request, response) => {
		let body = '';
		request.on('data', (chunk: Buffer) => (body += chunk.toString()));
		request.on('end', () => {
			bodies.push(`${request.url ?? ''}\n${body}`);
			response.end();
		});
	}).listen(0, '127.0.0.1');
	await once(health, 'listening');
	const {port} = health.address() as AddressInfo;
	const metrics = join(scratchDirectory('shrink-metrics'), 'pg_back.prom');
	const {directory, store, run, config} = backups(
		...['record_contents = during', 'alarm_shrink = 20%'],
		...[`metrics_file = ${metrics}`, `health_url = http://127.0.0.1:${port}/check`],
	);
	try {
		await fill(10_000);
		assert.doesNotMatch(succeeded(await run()).stderr, /has lost/);
		await fill(9000);
		assert.doesNotMatch(succeeded(await run()).stderr, /has lost/);
		assert.equal(dumps(directory, 'app'), 1);
		await fill(4000);
		// Also the next time, though then the run before is as small.
		for (const kept of [2, 3]) {
			const ended = succeeded(await run());
			assert.match(
				ended.stderr,
				/WARN: the dump of app has lost 5\d(?:\.\d)? % of its (?:rows|bytes) \(\d+ before, \d+ now\)/,
			);
			assert.match(ended.stderr, /HINT: if that is as it should be, one backup with --alarm-shrink off/);
			for (const place of [directory, store]) {
				assert.equal(dumps(place, 'app'), kept, 'nothing of app is purged');
				assert.equal(dumps(place, 'other'), 1, 'others are');
			}
			const finish = bodies.at(-1) ?? '';
			assert.match(finish, /^\/check\?rid=/, 'no failure');
			assert.match(finish, /^ALARM: the dump of app has lost 5\d/m);
			assert.match(readFileSync(metrics, 'utf8'), /^pg_back_database_shrunk_percent\{database="app"\} 5\d/m);
			assert.match(readFileSync(metrics, 'utf8'), /^pg_back_database_shrunk_percent\{database="other"\} 0$/m);
		}
		// A purge by itself keeps them too.
		succeeded(await runProgram(['-c', config, '-b', directory, '--purge']));
		assert.equal(dumps(directory, 'app'), 3);
		assert.doesNotMatch(succeeded(await run('--alarm-shrink', 'off')).stderr, /has lost/);
		assert.equal(dumps(directory, 'app'), 1);
		assert.doesNotMatch(succeeded(await run()).stderr, /has lost/);
	} finally {
		health.close();
	}
});

test('compares the bytes of encrypted dumps, and only those that are made alike', async () => {
	const {recipient} = await newAgeKeys();
	const {directory, run} = backups('alarm_shrink = 30', 'encrypt = true', `cipher_public_key = ${recipient}`);
	await fill(10_000);
	succeeded(await run());
	assert.doesNotMatch(succeeded(await run('--compress', '9')).stderr, /has lost/);
	await fill(1000);
	const ended = succeeded(await run('--compress', '9'));
	assert.match(ended.stderr, /WARN: the dump of app has lost \d\d(?:\.\d)? % of its bytes/);
	assert.equal(dumps(directory, 'app'), 2);
});

test('is off by default, and a setting that means nothing is refused', async () => {
	const {run} = backups('record_contents = during');
	await fill(1000);
	succeeded(await run());
	await fill(10);
	assert.doesNotMatch(succeeded(await run()).stderr, /has lost/);
	for (const value of ['lots', '101', '-1', '']) {
		const ended = await run(`--alarm-shrink=${value}`);
		assert.equal(ended.code, 2, `${value}: ${ended.stderr}`);
	}
});
