/** --dry-run: the whole plan on stdout, and nothing touched. */
import assert from 'node:assert/strict';
import {existsSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {connectTo, filesIn, newAgeKeys, runProgram, scratchDirectory} from '../helpers/program.js';
import type {S3Server} from '../helpers/s3-server.js';
import {needsStrace, traced} from '../helpers/strace.js';
import {runConfigured, startS3Place} from './remote-places.js';

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

test('a plan that cannot be written is one error, and a reader that has read enough is none', async () => {
	const connection = [...connectTo(server, scratchDirectory('dry')), '--dry-run', 'a'];
	const full = await runProgram(connection, {wrapper: ['sh', '-c', 'exec "$@" >/dev/full', 'sh']});
	assert.equal(full.code, 1);
	assert.deepEqual(full.stderr.match(/(?<=FATAL: ).*/g), [
		'cannot write to standard output: write: no space left on device',
	]);
	const read = await runProgram(connection, {wrapper: ['bash', '-c', '"$@" | true; exit $PIPESTATUS', 'bash']});
	assert.deepEqual([read.code, read.stderr.match(/FATAL/)], [0, null]);
});

test('says that no configuration file is read: asked for at INFO, for want of one at DEBUG', async t => {
	const place = ['-b', scratchDirectory('dry'), '--verify', 'here'];
	const asked = await runProgram(['--no-config-file', ...place]);
	assert.match(asked.stderr, /^\S+ \S+ INFO: Skipping reading config file\n/);
	const json = await runProgram(['--no-config-file', '--log-format', 'json', ...place]);
	assert.doesNotMatch(json.stdout + json.stderr, /Skipping/);
	if (existsSync('/etc/pg_back/pg_back.conf')) return t.skip('this machine has a configuration file of its own');
	const verbose = await runProgram(['-v', ...place]);
	assert.match(verbose.stderr, /^\S+ \S+ DEBUG: no config file at \/etc\/pg_back\/pg_back\.conf, using defaults\n/);
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

describe('what a run removes is what its dry run printed', () => {
	const stamp = (days: number) =>
		new Date(Date.now() - days * 86_400_000 - 3_600_000).toISOString().replace(/\.\d+/, '');

	test('here and at the remote, the coming dumps counted, and recorded in the manifest', async () => {
		const place = await startS3Place();
		try {
			const directory = scratchDirectory('dry');
			const times = [1, 10, 40].map(stamp);
			for (const time of times) {
				for (const tail of ['dump', 'dump.sha256']) {
					writeFileSync(join(directory, `a_${time}.${tail}`), 'x');
					put(place.server, `prod/a_${time}.${tail}`);
				}
			}
			for (const name of ['toc.dat', '1.dat.gz']) put(place.server, `prod/a_${times[2]}.d/${name}`);
			put(place.server, 'prod/mine.txt');
			const lines = [...place.settings, 'upload = s3', 'upload_prefix = prod', 'purge_remote = true'];
			const run = (...args: string[]) =>
				runConfigured(server, lines, ['--dump-only', '-P', '0', '-K', '2', ...args, 'a'], {directory});
			const before = [...filesIn(directory), ...place.server.objects.keys()];
			const dry = await run('--dry-run');
			assert.equal(dry.code, 0, dry.stderr);
			assert.deepEqual(
				sectionsOf(dry.stdout),
				new Map([
					[
						`to remove from ${directory}, 4 files:`,
						times
							.slice(1)
							.flatMap(time => [
								`${directory}/a_${time}.dump  older than this run`,
								`${directory}/a_${time}.dump.sha256  older than this run`,
							]),
					],
					[
						`to keep in ${directory}, 2 files:`,
						['dump', 'dump.sha256'].map(tail => `${directory}/a_${times[0]}.${tail}  newest 2 are kept`),
					],
					[
						'to remove from s3://bucket/prod/, 6 files:',
						[
							...['dump', 'dump.sha256'].map(tail => `prod/a_${times[1]}.${tail}  older than this run`),
							...['d/1.dat.gz', 'd/toc.dat', 'dump', 'dump.sha256'].map(
								tail => `prod/a_${times[2]}.${tail}  older than this run`,
							),
						],
					],
					[
						'to keep in s3://bucket/prod/, 2 files:',
						['dump', 'dump.sha256'].map(tail => `prod/a_${times[0]}.${tail}  newest 2 are kept`),
					],
				]),
			);
			assert.deepEqual([...filesIn(directory), ...place.server.objects.keys()], before);
			const plan = JSON.parse((await run('--dry-run', '--json')).stdout) as {
				schema: number;
				outputs: {name: string; files: {path: string; key?: string}[]}[];
				purge: {place: string; remove: {path: string; reason: string}[]; keep: unknown[]}[];
			};
			assert.equal(plan.schema, 1);
			assert.deepEqual(
				plan.purge.map(({place: name, remove, keep}) => [name, remove.length, keep.length]),
				[
					['backup', 4, 2],
					['s3', 6, 2],
				],
			);
			assert.match(plan.outputs[0]?.files[0]?.key ?? '', /^prod\/a_.*\.dump$/);
			const ended = await run();
			assert.equal(ended.code, 0, ended.stderr);
			const left = new Set([...filesIn(directory), ...place.server.objects.keys()]);
			assert.deepEqual(
				before.filter(name => !left.has(name)).toSorted(),
				plan.purge.flatMap(one => one.remove.map(({path}) => path.replace(`${directory}/`, ''))).toSorted(),
			);
			const manifest = filesIn(directory, {manifests: true}).find(name => name.endsWith('.manifest.json')) ?? '';
			const recorded = JSON.parse(readFileSync(join(directory, manifest), 'utf8')) as {purge: {remove: string[]}[]};
			assert.deepEqual(
				recorded.purge.map(one => one.remove.length),
				[4, 5],
			);
		} finally {
			await place.stop();
		}
	});

	test('a dump from the future is named by the run and by the dry run, and keeps the others', async () => {
		const directory = scratchDirectory('dry');
		for (const time of [stamp(-400), stamp(40)]) writeFileSync(join(directory, `a_${time}.dump`), 'x');
		const args = [...connectTo(server, directory), '--dump-only', '-P', '0', 'a'];
		const warning = new RegExp(
			`nothing is purged by age for database a: ${directory}/a_${stamp(-400).slice(0, 10)}\\S+ is dated in the future`,
		);
		const dry = await runProgram([...args, '--dry-run']);
		assert.match(dry.stdout, warning);
		assert.match(dry.stdout, /^to remove from .*, 0 files:$/m);
		const ended = await runProgram(args);
		assert.equal(ended.code, 0, ended.stderr);
		assert.match(ended.stderr, new RegExp(` WARN: ${warning.source}`));
		assert.equal(filesIn(directory).length, 3);
	});
});

describe('what a run refuses is refused by its dry run, with the same error and status', () => {
	for (const [what, args, pattern] of [
		['a compression that pg_dump does not know', ['-Z', 'lz4:99'], /compress_level = lz4:99/],
		[
			'a pre-backup hook that is not there',
			['--pre-backup-hook', '/nonexistent/hook'],
			/cannot run \/nonexistent\/hook/,
		],
		['a post-backup hook that is not there', ['--post-backup-hook', 'nosuchhook'], /cannot run nosuchhook/],
		['a directory that is a file', ['-b', '/etc/passwd'], /backup directory \/etc\/passwd cannot be used/],
		['no database', ['-D', 'a,b,postgres'], /no database to dump/],
	] as const) {
		test(what, async () => {
			const place = connectTo(server, scratchDirectory('dry'));
			const [dry, ended] = [await runProgram([...place, ...args, '--dry-run']), await runProgram([...place, ...args])];
			assert.match(ended.stderr, pattern);
			assert.match(dry.stderr, pattern);
			assert.equal(dry.code, ended.code, `${dry.stderr}\n${ended.stderr}`);
			assert.notEqual(ended.code, 0);
		});
	}
});

test('a directory that the pre-backup hook may still mount is a warning', async () => {
	const dry = await runProgram([...connectTo(server, '/proc/nosuch'), '--pre-backup-hook', 'true', '--dry-run', 'a']);
	assert.equal(dry.code, 0, dry.stderr);
	assert.match(dry.stdout, /^warning +backup directory .*, unless the pre-backup hook changes that$/m);
});

function put({objects}: S3Server, key: string): void {
	objects.set(key, {bytes: Buffer.from('x'), size: 1, etag: '"x"', modified: Date.now(), headers: {}, version: 'v1'});
}

/** Headings that name removal or keeping, with the lines below them. */
function sectionsOf(text: string): Map<string, string[]> {
	const sections = new Map<string, string[]>();
	let lines: string[] | undefined;
	for (const line of text.split('\n')) {
		if (/^to (remove|keep) /.test(line)) sections.set(line, (lines = []));
		else if (line.startsWith('  ')) lines?.push(line.slice(2));
		else lines = undefined;
	}
	return sections;
}
