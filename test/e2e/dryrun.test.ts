/** --dry-run: the whole plan on stdout, and nothing touched. */
import assert from 'node:assert/strict';
import {existsSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, test} from 'node:test';
import {startCluster, type Cluster} from '../helpers/cluster.js';
import {connectTo, filesIn, newAgeKeys, runProgram, scratchDirectory} from '../helpers/program.js';
import {needsStrace, traced} from '../helpers/strace.js';

let server: Cluster;
before(async () => {
	server = await startCluster({name: 'dryrun'});
	await server.psql('postgres', 'create database a; create database b');
});
after(async () => server.stop());

test('names the server, the tools with their versions, every file with the size of its database', async () => {
	const directory = join(scratchDirectory('dry'), 'not-there');
	const {recipient} = await newAgeKeys();
	const run = await runProgram([
		...connectTo(server, directory),
		'--dry-run',
		'--encrypt',
		'--cipher-public-key',
		recipient,
		'-F',
		'p',
		'-Z',
		'3',
	]);
	assert.equal(run.code, 0, run.stderr);
	assert.match(run.stdout, new RegExp(`PostgreSQL ${server.major}\\.`));
	assert.match(run.stdout, /pg_dump.*\d+\.\d+/);
	for (const name of ['a', 'b', 'postgres'])
		assert.match(run.stdout, new RegExp(`${directory}/${name}_\\S+\\.sql\\.gz\\.age`));
	assert.match(run.stdout, /pg_globals_\S+\.sql\.age/);
	assert.match(run.stdout, new RegExp(`${directory}/pg_back_\\S+\\.manifest\\.json\\n`));
	assert.match(run.stdout, new RegExp(`${directory}/pg_back_\\S+\\.private\\.json\\.age\\n`));
	const clear = await runProgram([...connectTo(server, directory), '--dry-run']);
	assert.match(clear.stdout, /pg_back_\S+\.manifest\.json\n/);
	assert.doesNotMatch(clear.stdout, /private\.json/);
	assert.match(run.stdout, /\ba +plain +[\d.]+ MiB/);
	assert.throws(() => filesIn(directory), /ENOENT/);
});

test('what cannot be done is said, with the status that the run would have', async () => {
	const directory = scratchDirectory('dry');
	const run = await runProgram([...connectTo(server, directory), '--dry-run', 'a', 'nosuch']);
	assert.equal(run.code, 1, run.stderr);
	assert.match(run.stderr + run.stdout, /"nosuch" does not exist/);
	assert.equal((await runProgram(['--no-config-file', '-h', '/nonexistent', '-b', directory, '--dry-run'])).code, 12);
	assert.deepEqual(filesIn(directory, {manifests: true}), []);
});

test('says that no configuration file is read: asked for at INFO, for want of one at DEBUG', async t => {
	const place = ['-b', scratchDirectory('dry'), '--verify', 'here'];
	const asked = await runProgram(['--no-config-file', ...place]);
	assert.match(asked.stderr, /^\S+ \S+ INFO: Skipping reading config file\n/);
	const json = await runProgram(['--no-config-file', '--log-format', 'json', ...place]);
	assert.doesNotMatch(json.stdout + json.stderr, /Skipping/);
	if (existsSync('/etc/pg_back/pg_back.conf')) return t.skip('this machine has a configuration file of its own');
	const verbose = await runProgram(['-v', ...place]);
	assert.match(verbose.stderr, /^\S+ \S+ DEBUG: there is no \/etc\/pg_back\/pg_back\.conf: the defaults count\n/);
	assert.doesNotMatch((await runProgram(place)).stderr, /defaults/);
});

test('writes no file, runs no hook and no pg_dump', needsStrace, async () => {
	const directory = scratchDirectory('dry');
	const trace = join(scratchDirectory('trace'), 'calls');
	const hook = join(scratchDirectory('hook'), 'ran');
	const run = await runProgram(
		[
			...connectTo(server, directory),
			'--dry-run',
			'--pre-backup-hook',
			`touch ${hook}`,
			'--post-backup-hook',
			`touch ${hook}`,
		],
		{
			wrapper: traced(trace, 'execve,openat,mkdir,unlink,unlinkat,rename,renameat2,link,linkat', {length: 500}),
		},
	);
	assert.equal(run.code, 0, run.stderr);
	const calls = readFileSync(trace, 'utf8').split('\n');
	assert.deepEqual(
		calls.filter(line => line.includes(directory) && /O_CREAT|O_WRONLY|O_RDWR|mkdir|unlink|rename|link/.test(line)),
		[],
	);
	assert.deepEqual(
		calls.filter(
			line => /execve\("[^"]*pg_dump(all)?"/.test(line) && / = 0$/.test(line) && !line.includes('--version'),
		),
		[],
	);
	assert.throws(() => readFileSync(hook), /ENOENT/);
});
