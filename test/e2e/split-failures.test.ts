/** Divided tables when something goes wrong: no dump with a name, or a whole one without dividing, and the reason. */
import assert from 'node:assert/strict';
import {chmodSync, existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, test} from 'node:test';
import {clientDirectory, type Cluster, startCluster} from '../helpers/cluster.js';
import {waitFor} from '../helpers/postgres.js';
import {connectTo, filesIn, type RunOptions, scratchDirectory, startProgram} from '../helpers/program.js';
import {findTool} from '../helpers/tools.js';

let cluster: Cluster;
before(async () => {
	cluster = await startCluster({name: 'split-failures'});
	await cluster.psql('postgres', 'create database app');
	await cluster.psql('app', "create table big as select g, repeat('b', 100) as b from generate_series(1, 20000) g");
});
after(async () => {
	await cluster.stop();
});

/** A directory with one program, for the beginning of a PATH. */
function programIn(directory: string, name: string, script: string): string {
	const path = join(directory, name);
	writeFileSync(path, `#!/bin/sh\n${script}\n`);
	chmodSync(path, 0o755);
	return directory;
}

const mayMount = process.getuid?.() === 0 && findTool('unshare') !== undefined;

async function begin(options: RunOptions & {directory?: string; lines?: string; args?: readonly string[]} = {}) {
	const directory = options.directory ?? scratchDirectory('split-failures');
	const file = join(scratchDirectory('split-failures-conf'), 'pg_back.conf');
	const lines = options.lines ?? 'parallel_backup_jobs = 2';
	writeFileSync(file, `format = directory\nsplit_tables_larger_than = 200K\n${lines}\n`);
	const settings = connectTo(cluster, directory).filter(word => word !== '--no-config-file');
	const running = await startProgram(
		['-c', file, ...settings, ...(options.args ?? ['-B', clientDirectory()]), '--dump-only', 'app'],
		options,
	);
	return {directory, running};
}

/** Returns a directory of client programs, of which one is a script; `$real` is that program. */
function toolsWith(name: string, script: string): string {
	const tools = scratchDirectory('split-tools');
	for (const other of ['psql', 'pg_dump', 'pg_restore', 'pg_dumpall'].filter(one => one !== name))
		symlinkSync(join(clientDirectory(), other), join(tools, other));
	return programIn(tools, name, `real=${join(clientDirectory(), name)}\n${script}`);
}

/** The output of each session that reads ranges passes through a script. */
const through = (script: string) => ({
	args: ['-B', toolsWith('psql', `[ "$1" = -XAtqw ] || exec "$real" "$@"\n"$real" "$@" | ${script}`)],
});
/** Passes everything on up to the first row, and the rest after `then`. */
const fromFirstRow = (then: string) =>
	`while IFS= read -r line; do case $line in *bbbb*) ${then}; printf '%s\\n' "$line"; exec cat;; esac; printf '%s\\n' "$line"; done`;
const waiting = (flag: string) => `while [ ! -e ${flag} ]; do sleep 0.05; done`;
const dumps = (directory: string) => filesIn(directory).filter(name => name.endsWith('.d') || name.includes('.part'));

/** Waits until the server shows a session like this. */
async function untilSession(condition: string): Promise<string> {
	for (;;) {
		const pid = await cluster.psql(
			'app',
			`select min(pid) from pg_stat_activity where datname = 'app' and ${condition}`,
		);
		if (pid !== '') return pid;
		await new Promise(resolve => setTimeout(resolve, 20));
	}
}

test('a session that is lost fails the dump', async () => {
	const flag = join(scratchDirectory('split-flag'), 'flag');
	const {directory, running} = await begin(through(fromFirstRow(waiting(flag))));
	const pid = await untilSession("query like 'copy /* pg_back%'");
	await cluster.psql('app', `select pg_terminate_backend(${pid})`);
	writeFileSync(flag, '');
	const {code, stderr} = await running.ended;
	assert.notEqual(code, 0, stderr);
	assert.deepEqual(dumps(directory), [], stderr);
});

test('a part with other rows than the server has counted fails the dump', async () => {
	const {directory, running} = await begin(through("sed -u '/^[0-9]*7\t/d'"));
	const {code, stderr} = await running.ended;
	assert.notEqual(code, 0, stderr);
	assert.match(stderr, /table_\d+_\d\.dat\.gz was read back with \d+ rows instead of \d+/);
	assert.deepEqual(dumps(directory), [], stderr);
});

test('a psql that is killed fails the dump', async () => {
	const [flag, pids] = ['flag', 'pids'].map(name => join(scratchDirectory('split-flag'), name)) as [string, string];
	const note = `sh -c 'echo $$ >> ${pids}; exec "$0" "$@"' "$real" "$@"`;
	const script = `[ "$1" = -XAtqw ] || exec "$real" "$@"\n${note} | ${fromFirstRow(waiting(flag))}`;
	const {directory, running} = await begin({args: ['-B', toolsWith('psql', script)]});
	await untilSession("query like 'copy /* pg_back%'");
	for (const pid of readFileSync(pids, 'utf8').trim().split('\n')) process.kill(Number(pid), 'SIGKILL');
	writeFileSync(flag, '');
	const {code, stderr} = await running.ended;
	assert.notEqual(code, 0, stderr);
	assert.deepEqual(dumps(directory), [], stderr);
});

test('a full disk fails the dump, and leaves nothing', {skip: !mayMount && 'only root may mount'}, async () => {
	const directory = scratchDirectory('split-small');
	const mount = `mount -t tmpfs -o size=300k,mode=0700 none ${directory} && "$@"; code=$?; find ${directory} -mindepth 1; exit $code`;
	const {running} = await begin({
		directory,
		lines: 'parallel_backup_jobs = 2\ncompress_level = 0',
		wrapper: ['unshare', '-m', 'sh', '-c', mount, 'sh'],
	});
	const {code, stderr, stdout} = await running.ended;
	assert.notEqual(code, 0, stderr);
	assert.match(stderr, /no space left on device/i);
	assert.doesNotMatch(stdout, /table_|\.d$|\.part$/m);
});

test('psql under another account divides tables too', {skip: process.getuid?.() !== 0 && 'only for root'}, async () => {
	const other = 'exec setpriv --reuid=65534 --regid=65534 --clear-groups "$real" "$@"';
	const {directory, running} = await begin({
		args: ['-B', toolsWith('psql', `[ "$1" = -XAtqw ] || exec "$real" "$@"\n${other}`)],
	});
	const {code, stderr} = await running.ended;
	assert.equal(code, 0, stderr);
	assert.ok(filesIn(directory).filter(name => /table_\d+_\d\.dat\.gz$/.test(name)).length > 1, stderr);
});

test('an interrupted run ends all sessions and leaves nothing', async () => {
	const {directory, running} = await begin(through(fromFirstRow(waiting('/nonexistent'))));
	await untilSession("query like 'copy /* pg_back%'");
	running.child.kill('SIGINT');
	const {code, stderr} = await running.ended;
	assert.notEqual(code, 0, stderr);
	assert.deepEqual(dumps(directory), [], stderr);
	for (let open = '1'; open !== '0';)
		open = await cluster.psql('app', "select count(*) from pg_stat_activity where application_name like 'pg_back %'");
});

test('a session that wants to alter a table before pg_dump has locked it makes the dump start again', async () => {
	const flag = join(scratchDirectory('split-flag'), 'flag');
	const script = `[ "$1" = --version ] || { : > ${flag}.waiting; ${waiting(flag)}; }\nexec "$real" "$@"`;
	const tools = toolsWith('pg_dump', script);
	const {directory, running} = await begin({args: ['-B', tools]});
	await waitFor(() => Promise.resolve(existsSync(`${flag}.waiting`)), 'pg_dump', 60);
	const altering = cluster.psql('app', 'alter table big add column more int');
	await untilSession("wait_event_type = 'Lock' and query like 'alter table%'");
	writeFileSync(flag, '');
	const {code, stderr} = await running.ended;
	await altering;
	assert.equal(code, 0, stderr);
	assert.match(stderr, /WARN: app: pg_dump waits for a table behind .*: starting again without dividing tables/);
	const [dump = ''] = readdirSync(directory).filter(name => name.endsWith('.d'));
	assert.deepEqual(
		readdirSync(join(directory, dump)).filter(name => name.startsWith('table_')),
		[],
	);
	assert.equal(dumps(directory).filter(name => name.includes('.part')).length, 0);
});

for (const [what, lines, reason] of [
	[
		'an option that changes the data',
		'parallel_backup_jobs = 2\npg_dump_options = --inserts',
		/not? table is divided: pg_dump_options has --inserts/,
	],
	['a filter that leaves the table out', 'parallel_backup_jobs = 2\n[app]\nexclude_tables = big', undefined],
] as const) {
	test(`with ${what} the dump is an ordinary one`, async () => {
		const {directory, running} = await begin({lines});
		const {code, stderr} = await running.ended;
		assert.equal(code, 0, stderr);
		if (reason) assert.match(stderr, reason);
		else assert.doesNotMatch(stderr, /divided/);
		assert.ok(!filesIn(directory).some(name => name.includes('/table_')));
	});
}

test('settings that cannot divide anything are refused', async () => {
	for (const [lines, problem] of [
		[
			'parallel_backup_jobs = 1',
			/split_tables_larger_than: needs format = directory and parallel_backup_jobs of at least 2/,
		],
		[
			'parallel_backup_jobs = 2\ncompress_level = lz4',
			/split_tables_larger_than: cannot be used with compress_level = lz4/,
		],
	] as const) {
		const {running} = await begin({lines});
		const {code, stderr} = await running.ended;
		assert.notEqual(code, 0);
		assert.match(stderr, problem);
	}
});

test('uncompressed and compressed dumps have parts like the others', async () => {
	for (const [level, suffix] of [
		['0', /\/table_\d+_\d\.dat$/],
		['1', /\/table_\d+_\d\.dat\.gz$/],
	] as const) {
		const {directory, running} = await begin({lines: `parallel_backup_jobs = 2\ncompress_level = ${level}`});
		const {code, stderr} = await running.ended;
		assert.equal(code, 0, stderr);
		assert.ok(filesIn(directory).filter(name => suffix.test(name)).length > 1, level);
	}
});
