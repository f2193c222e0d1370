/** What pg_back 2.6 got wrong, and nothing else tests end to end: each by its number in the list of its defects. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, test} from 'node:test';
import {clientDirectory, type Cluster, startCluster} from '../helpers/cluster.js';
import {
	cleanEnvironment,
	connectTo,
	filesIn,
	newAgeKeys,
	runProgram,
	scratchDirectory,
	shapesIn,
} from '../helpers/program.js';
import {recordingTools} from '../helpers/recorder.js';
import {needsStrace, traced} from '../helpers/strace.js';

let server: Cluster;
before(async () => {
	server = await startCluster({name: 'defects'});
	await server.psql(
		'postgres',
		`create database a; create database "a_b"; create database "a/b"; create database pg_globals; alter database a set work_mem = '7MB'; alter database a set search_path = "x y", public`,
	);
	await server.psql('a', 'create table t as select generate_series(1, 1000) i');
});
after(async () => server.stop());

test('11.1.1 a number of days of any size keeps everything', async () => {
	const directory = scratchDirectory('out');
	writeFileSync(join(directory, 'a_2001-01-01T00:00:00Z.dump'), '');
	for (const days of ['106752', '365000', '999999', '99999999999']) {
		const run = await runProgram([...connectTo(server, directory), '--dump-only', '-P', days, 'a']);
		assert.equal(run.code, 0, run.stderr);
	}
	assert.equal(shapesIn(directory).filter(name => name === 'a_T.dump').length, 5);
});

test('11.1.2, 11.4.36 connection strings: several hosts without ports, postgres://, options with blanks', async () => {
	const socket = encodeURIComponent(server.socketDirectory);
	const {port} = server;
	for (const [connection, code] of [
		[`postgresql://postgres@127.0.0.1,127.0.0.1/postgres?port=1,${port}`, 0],
		[`postgresql://postgres@/postgres?host=/nonexistent,${socket}&port=${port}`, 0],
		[`postgres://postgres@127.0.0.1:${port}/postgres?options=-c%20work_mem%3D1MB`, 0],
		[`host=127.0.0.1,127.0.0.1 port=1,${port} user=postgres dbname=postgres gssencmode=disable keepalives=1`, 0],
		['postgresql://postgres@h1.invalid,h2.invalid/postgres', 12],
	] as const) {
		const directory = scratchDirectory('out');
		const run = await runProgram(['--no-config-file', '--dump-only', '-b', directory, '-d', connection, 'a']);
		assert.equal(run.code, code, `${connection}\n${run.stderr}`);
		assert.equal(shapesIn(directory).includes('a_T.dump'), code === 0);
	}
});

test(
	'11.1.12 an encrypted directory dump is flushed before it gets its name, and no plain copy is left',
	needsStrace,
	async () => {
		const directory = scratchDirectory('out');
		const trace = join(scratchDirectory('trace'), 'calls');
		const {recipient} = await newAgeKeys();
		const run = await runProgram(
			[...connectTo(server, directory), '--dump-only', '-F', 'd', '--encrypt', '--cipher-public-key', recipient, 'a'],
			{
				wrapper: traced(trace, 'fsync,fdatasync,rename,renameat,renameat2', {paths: true}),
			},
		);
		assert.equal(run.code, 0, run.stderr);
		const calls = readFileSync(trace, 'utf8').split('\n');
		const flush = calls.findLastIndex(line => /fsync|fdatasync/.test(line) && /toc\.dat\.age/.test(line));
		const naming = calls.findIndex(line => /rename/.test(line) && /a_[^"]*\.d"/.test(line));
		assert.ok(flush !== -1 && flush < naming, `${flush} ${naming}`);
		assert.deepEqual(
			readdirSync(directory, {recursive: true, encoding: 'utf8'}).filter(
				name => /\.d\/./.test(name) && !name.endsWith('.age'),
			),
			[],
		);
	},
);

test('11.2.17 a database that is not dumped leaves no createdb.sql', async () => {
	const directory = scratchDirectory('out');
	const tools = recordingTools({
		pg_dump: `case "$*" in *dbname=a\\ *) echo 'pg_dump: error: no' >&2; exit 1;; esac; exec "$REAL" "$@"`,
	});
	const run = await runProgram([
		...connectTo(server, directory),
		...['-B', tools.directory, '-F', 'p', 'a', 'postgres'],
	]);
	assert.equal(run.code, 1, run.stderr);
	assert.deepEqual(
		filesIn(directory)
			.filter(name => name.includes('createdb'))
			.map(name => name.split('_')[0]),
		['postgres'],
	);
});

test('11.3.25 createdb.sql of a plain dump holds the settings of the database', async () => {
	const directory = scratchDirectory('out');
	const run = await runProgram([...connectTo(server, directory), '-F', 'p', 'a']);
	assert.equal(run.code, 0, run.stderr);
	const script = readFileSync(
		join(directory, filesIn(directory).find(name => name.endsWith('.createdb.sql')) ?? ''),
		'utf8',
	);
	assert.match(
		script,
		/ALTER DATABASE "a" SET "work_mem" TO '7MB';\nALTER DATABASE "a" SET "search_path" TO 'x y', 'public';/,
	);
});

test('11.4.32 what is wrong with the settings is found before anything is dumped', async () => {
	for (const args of [
		['-S', 'md5'],
		['--upload', 's3'],
		['--upload', 'sftp'],
		['-T', '-1', '--encrypt'],
	]) {
		const directory = scratchDirectory('out');
		const run = await runProgram([...connectTo(server, directory), ...args, 'a']);
		assert.ok(run.code === 2 || run.code === 10, `${args.join(' ')}: ${run.code}\n${run.stderr}`);
		assert.deepEqual(filesIn(directory, {manifests: true}), []);
	}
});

test('11.4.38 --version of the tools is asked a few times a run, whatever the number of databases', async () => {
	const tools = recordingTools({
		pg_dump: `if [ "$1" = --version ]; then echo VERSION >>"$0.asked"; exec "$REAL" --version; fi; exec "$REAL" "$@"`,
	});
	const run = await runProgram([...connectTo(server, scratchDirectory('out')), '-B', tools.directory, '--dump-only']);
	assert.equal(run.code, 0, run.stderr);
	assert.ok(readFileSync(join(tools.directory, 'pg_dump.asked'), 'utf8').split('\n').length <= 5);
});

test('11.4.40 databases whose names were one file: a/b and a_b, pg_globals and the globals', async () => {
	const directory = scratchDirectory('out');
	const run = await runProgram([...connectTo(server, directory), '-F', 'p', '-j', '4', 'a_b', 'a/b', 'pg_globals']);
	assert.equal(run.code, 0, run.stderr);
	for (const name of ['a_b_T.sql', 'a%2Fb_T.sql', 'pg_globals_T.sql', '%70g_globals_T.sql'])
		assert.ok(shapesIn(directory).includes(name), name);
});

test('a dump goes from --decrypt --stdout into pg_restore', async () => {
	const directory = scratchDirectory('out');
	const {recipient, identity} = await newAgeKeys();
	const run = await runProgram([
		...connectTo(server, directory),
		'--dump-only',
		'--encrypt',
		'--cipher-public-key',
		recipient,
		'a',
	]);
	assert.equal(run.code, 0, run.stderr);
	const plain = await runProgram([
		'--no-config-file',
		'-b',
		directory,
		'--decrypt',
		'--stdout',
		'--cipher-private-key',
		identity,
		'a_*',
	]);
	assert.equal(plain.code, 0, plain.stderr);
	const sql = execFileSync(join(clientDirectory(), 'pg_restore'), ['-f', '-'], {
		input: plain.bytes,
		env: cleanEnvironment,
		encoding: 'utf8',
	});
	assert.match(sql, /COPY public\.t \(i\) FROM stdin;\n1\n2\n/);
});
