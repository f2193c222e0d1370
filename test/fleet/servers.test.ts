/** Many servers in one configuration, run by the built program. */
import assert from 'node:assert/strict';
import {chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {runProgram, scratchDirectory, shapesIn, startProgram} from '../helpers/program.js';

let cluster: Cluster;
before(async () => {
	cluster = await startCluster({name: 'servers'});
	await cluster.psql('postgres', 'create database app');
});
after(() => cluster.stop());

type Files = Readonly<Record<string, string>>;

/** Writes pg_back.conf, and one file for each server; returns the path of the first. */
function configuration(general: string, servers: Files): string {
	const directory = scratchDirectory('servers');
	mkdirSync(join(directory, 'servers.d'), {mode: 0o755});
	const write = (path: string, text: string) => {
		writeFileSync(join(directory, path), text);
		chmodSync(join(directory, path), 0o600);
	};
	write('pg_back.conf', `host = ${cluster.socketDirectory}\nport = ${cluster.port}\nuser = postgres\n${general}\n`);
	for (const [name, text] of Object.entries(servers)) write(`servers.d/${name}.conf`, text);
	return join(directory, 'pg_back.conf');
}

const checked = (config: string, ...args: string[]) => runProgram(['-c', config, '--check-config', ...args]);

function valueIn(stdout: string, key: string): string | undefined {
	return new RegExp(`^${key} = (.*?) +# `, 'm').exec(stdout)?.[1];
}

describe('one server', () => {
	test('its file lies on top of the general one, and an empty value asks for the default', async () => {
		const config = configuration('format = tar\njobs = 4\ncipher_pass = a\n[app]\nformat = plain\njobs = 1\n', {});
		writeFileSync(
			join(config, '../servers.d/one.conf'),
			'jobs = 3\nformat =\ncipher_pass_file = /dev/null\n[app]\nuser = x\n',
			{mode: 0o600},
		);
		const general = readFileSync(config, 'utf8').replace('jobs = 1\n', '');
		writeFileSync(config, general);
		const {code, stdout, stderr} = await checked(config, '--server', 'one');
		assert.equal(code, 0, stderr);
		assert.deepEqual(
			['jobs', 'format', 'cipher_pass', 'port'].map(key => valueIn(stdout, key)),
			['3', 'custom', '', String(cluster.port)],
		);
		assert.match(stdout, /^jobs = 3 +# .*servers\.d\/one\.conf:1$/m);
		assert.match(stdout, /\[app\]\n(?:.+\n)*user = x\n/);
		assert.match(stdout, /\[app\]\n(?:.+\n)*format = plain\n/);
	});

	test('{server} is replaced, and appended where it is missing', async () => {
		const config = configuration('backup_directory = /b\nupload_prefix = x/{server}/y\nmetrics_file = /m/pg.prom\n', {
			one: '',
			two: 'server_name = zwei\n',
		});
		const one = await checked(config, '--server=one');
		const two = await checked(config, '--server=two');
		const keys = ['backup_directory', 'upload_prefix', 'metrics_file', 'server_name'];
		assert.deepEqual(
			keys.map(key => valueIn(one.stdout, key)),
			['/b/one', 'x/one/y', '/m/pg.one.prom', 'one'],
		);
		assert.deepEqual(
			keys.map(key => valueIn(two.stdout, key)),
			['/b/zwei', 'x/zwei/y', '/m/pg.zwei.prom', 'zwei'],
		);
	});

	test('with -c alone nothing is appended', async () => {
		const config = configuration('backup_directory = /b\nupload_prefix = x\n', {one: ''});
		const {stdout} = await checked(config);
		assert.deepEqual(
			['backup_directory', 'upload_prefix', 'server_name'].map(key => valueIn(stdout, key)),
			['/b', 'x', ''],
		);
	});

	for (const [name, args, code, text] of [
		[
			'of which there is no file',
			['--server', 'none'],
			10,
			/could not load configuration file ".*servers\.d\/none\.conf"/,
		],
		['whose name leaves the directory', ['--server', '../pg_back'], 2, /cannot be the name of a server/],
		['without a configuration file', ['--server', 'one', '--no-config-file'], 2, /cannot be used together/],
	] as const) {
		test(`a server ${name} is refused`, async () => {
			const config = configuration('', {one: ''});
			const {code: found, stderr} = await checked(config, ...args);
			assert.equal(found, code, stderr);
			assert.match(stderr, text);
		});
	}

	test('a file that others can change is refused', async () => {
		const config = configuration('', {one: ''});
		chmodSync(join(config, '../servers.d/one.conf'), 0o666);
		const {code, stderr} = await checked(config, '--server', 'one');
		assert.equal(code, 10);
		assert.match(stderr, /is writable by every user/);
	});

	for (const [what, general, servers] of [
		['the same name', '', {one: 'server_name = x', two: 'server_name = x'}],
		[
			'a directory inside the other',
			'',
			{one: 'backup_directory = /b/{server}', two: 'backup_directory = /b/one/{server}'},
		],
		[
			'a prefix',
			'upload = local\nlocal_directory = /l',
			{one: 'upload_prefix = a{server}', two: 'upload_prefix = {server}\nserver_name = aone'},
		],
	] as const) {
		test(`two servers that share ${what} are refused, alone and together`, async () => {
			const config = configuration(general, servers);
			for (const args of [['--server=two'], ['--servers=all']]) {
				const {code, stderr} = await checked(config, ...args);
				assert.equal(code, 10, stderr);
				assert.match(stderr, /one\.conf and two\.conf|two\.conf and one\.conf/);
			}
		});
	}

	test('{server} and {dbname} in one directory name are refused', async () => {
		const config = configuration('backup_directory = /b/{server}-{dbname}', {one: ''});
		const {code, stderr} = await checked(config, '--server=one');
		assert.equal(code, 10);
		assert.match(stderr, /must be in different directories/);
	});
});

describe('all servers', () => {
	test('a broken server does not stop the others; the table has the outcome of each', async () => {
		const backups = scratchDirectory('b');
		const config = configuration(`backup_directory = ${backups}\nmetrics_file = ${backups}/m.prom`, {
			good: '',
			away: 'port = 1\n',
			wrong: 'no_such_key = 1\n',
			zgood: '[app]\nformat = plain\n',
		});
		const {code, stdout, stderr} = await runProgram(['-c', config, '--servers', 'all', '--dump-only', 'app']);
		assert.equal(code, 1, stderr);
		assert.match(stdout, /^server +outcome +exit +duration +error$/m);
		assert.match(stdout, /^away +failed +12 .*$/m);
		assert.match(stdout, /^good +ok +0 /m);
		assert.match(stdout, /^wrong +failed +10 .*no_such_key/m);
		assert.match(stdout, /^zgood +ok +0 /m);
		assert.match(stdout, /^4 servers: 2 not ok$/m);
		assert.match(stderr, /^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d INFO: \[good\] /m);
		assert.ok(shapesIn(backups).includes('good/app_T.dump') && shapesIn(backups).includes('zgood/app_T.sql'));
		const manifests = readdirSync(join(backups, 'good')).filter(name => name.endsWith('.manifest.json'));
		assert.match(readFileSync(join(backups, 'good', manifests[0] ?? ''), 'utf8'), /^\t"serverName": "good",$/m);
		const metrics = readFileSync(join(backups, 'm.good.prom'), 'utf8');
		assert.match(metrics, /^pg_back_last_exit_code\{server="good"\} 0$/m);
		assert.match(metrics, /^pg_back_database_success\{server="good",database="app"\} 1$/m);
	});

	test('patterns choose, and one that matches nothing is refused', async () => {
		const config = configuration('', {db1: '', db2: '', pay: ''});
		const some = await checked(config, '--servers', 'db*');
		assert.equal(some.code, 0, some.stderr);
		assert.match(some.stderr, /^2 servers: all ok$/m);
		assert.match(some.stdout, /^db1: server_name = db1 /m);
		const none = await checked(config, '--servers', 'db*,nothing*');
		assert.equal(none.code, 2);
		assert.match(none.stderr, /no server in servers\.d matches nothing\*/);
	});

	test('as JSON every line is an object with its server, and the last ones are the outcomes', async () => {
		const backups = scratchDirectory('b');
		const config = configuration(`backup_directory = ${backups}`, {one: '', two: 'port = 1\n'});
		const {code, stdout} = await runProgram([
			...['-c', config, '--servers', 'all', '--log-format', 'json', '--dump-only', 'app'],
		]);
		assert.equal(code, 1);
		const lines = stdout.trimEnd().split('\n');
		const objects = lines.map(
			line => JSON.parse(line) as {serverName: string; type: string; outcome?: string; exitCode?: number},
		);
		assert.ok(objects.every(({serverName}) => serverName === 'one' || serverName === 'two'));
		assert.deepEqual(
			objects.slice(-2).map(({type, serverName, outcome, exitCode}) => [type, serverName, outcome, exitCode]),
			[
				['server.finished', 'one', 'ok', 0],
				['server.finished', 'two', 'failed', 12],
			],
		);
	});

	for (const [args, text] of [
		[['--servers', 'all', '--server', 'one'], /--servers and --server cannot be used together/],
		[['--servers', 'all', '-h', 'x'], /--servers and --host cannot be used together/],
		[['--servers', 'all', '--cipher-pass', 'secret-word'], /--cipher-pass cannot be used with --servers/],
	] as const) {
		test(`${args.slice(2).join(' ')} is refused`, async () => {
			const {code, stderr, stdout} = await runProgram(['-c', configuration('', {one: ''}), ...args]);
			assert.equal(code, 2, stderr);
			assert.match(stderr, text);
			assert.doesNotMatch(stdout + stderr, /secret-word/);
		});
	}

	test('drills with --budget share the time, and begin with the server that was drilled longest ago', async () => {
		const backups = scratchDirectory('b');
		const config = configuration(`backup_directory = ${backups}\nserver_jobs = 1`, {a: '', b: '', c: ''});
		const pgBack = async (...args: readonly string[]) => {
			const ended = await runProgram(['-c', config, ...args]);
			assert.equal(ended.code, 0, ended.stderr);
			return ended;
		};
		await pgBack('--servers', 'all', 'app');
		await pgBack('--server', 'a', '--restore-drill');
		const {stdout, stderr} = await pgBack('--servers', 'all', '--restore-drill', '--budget', '1h');
		const servers = [...stderr.matchAll(/\[([abc])\] restoring 1 database of run/g)].map(([, server]) => server);
		assert.deepEqual([...new Set(servers)], ['b', 'c', 'a'], stderr);
		assert.match(stdout, /^3 servers: all ok$/m);
	});

	test('server_jobs processes at a time, and a signal ends all of them', async () => {
		const backups = scratchDirectory('b');
		const marks = scratchDirectory('marks');
		const hook = join(scratchDirectory('hook'), 'hook.sh');
		writeFileSync(hook, `#!/bin/sh\n: > ${marks}/$$\nexec sleep 600\n`);
		chmodSync(hook, 0o700);
		const names = ['a', 'b', 'c', 'd', 'e'];
		const config = configuration(
			`backup_directory = ${backups}\nserver_jobs = 2\npre_backup_hook = ${hook}`,
			Object.fromEntries(names.map(name => [name, ''])),
		);
		const running = await startProgram(['-c', config, '--servers', 'all', 'app']);
		while (readdirSync(marks).length < 2) await new Promise(resolve => setTimeout(resolve, 50));
		running.child.kill('SIGTERM');
		const {code, stdout} = await running.ended;
		assert.equal(code, 143);
		assert.equal(readdirSync(marks).length, 2);
		assert.equal(stdout.match(/^[a-e] +canceled /gm)?.length, 2);
		assert.equal(stdout.match(/^[a-e] +not started /gm)?.length, 3);
		rmSync(marks, {recursive: true});
	});
});
