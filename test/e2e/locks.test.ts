/** One run at a time dumps a database into a directory; others work side by side; no lock outlives its last process. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {chmodSync, chownSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync} from 'node:fs';
import {hostname} from 'node:os';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {waitFor} from '../helpers/postgres.js';
import {
	connectTo,
	filesIn,
	type Running,
	runProgram,
	scratchDirectory,
	shapesIn,
	startProgram,
} from '../helpers/program.js';
import {type Recorder, recordingTools} from '../helpers/recorder.js';

let server: Cluster;
before(async () => {
	server = await startCluster({name: 'locks'});
	await server.psql('postgres', 'create database a; create database b');
});
after(async () => server.stop());

/** A run whose pg_dump of `a` waits until `go` is called. */
async function heldUp(
	directory: string,
	args: readonly string[] = ['a'],
): Promise<{run: Running; tools: Recorder; go: () => void}> {
	const signal = join(scratchDirectory('go'), 'go');
	const tools = recordingTools({
		pg_dump: `case "$*" in *dbname=a\\ *) until [ -e '${signal}' ]; do read -t 0.05 <> <(:); done;; esac; exec "$REAL" "$@"`,
	});
	const run = await startProgram([...connectTo(server, directory), '--dump-only', '-B', tools.directory, ...args]);
	await waitFor(async () => tools.calls().length > 0, 'pg_dump');
	return {run, tools, go: () => writeFileSync(signal, '')};
}

test('the second run says who holds the database, exits 11, and leaves the first alone', async () => {
	const directory = scratchDirectory('out');
	const {run, go} = await heldUp(directory);
	const second = await runProgram([...connectTo(server, directory), '--dump-only', 'a']);
	assert.equal(second.code, 11, second.stderr);
	assert.match(
		second.stderr,
		new RegExp(`could not acquire lock for a: held by process ${run.pid} on ${hostname()} since \\d{4}-`),
	);
	assert.match(second.stderr, /HINT: wait for the other run/);
	go();
	assert.equal((await run.ended).code, 0);
	assert.deepEqual(shapesIn(directory), ['a_T.dump']);
});

test('with other failures beside it the status is 1; what is free is dumped', async () => {
	const directory = scratchDirectory('out');
	const {run, go} = await heldUp(directory);
	const second = await runProgram([...connectTo(server, directory), '--dump-only', 'a', 'b', 'nosuch']);
	assert.equal(second.code, 1, second.stderr);
	const third = await runProgram([...connectTo(server, directory), '--dump-only', 'a', 'b']);
	assert.equal(third.code, 11, third.stderr);
	assert.equal(shapesIn(directory).filter(name => name === 'b_T.dump').length, 2);
	go();
	assert.equal((await run.ended).code, 0);
	assert.equal(filesIn(directory).filter(name => name.endsWith('.lock')).length, 0);
});

test('two runs over different databases in one directory work side by side, and neither sweeps the other', async () => {
	const directory = scratchDirectory('out');
	const {run, go} = await heldUp(directory);
	const second = await runProgram([...connectTo(server, directory), '-P', '0', '-K', '1', 'b']);
	assert.equal(second.code, 0, second.stderr);
	go();
	const first = await run.ended;
	assert.equal(first.code, 0, first.stderr);
	assert.ok(shapesIn(directory).includes('a_T.dump'));
	assert.ok(shapesIn(directory).includes('b_T.dump'));
});

test('the same database into another directory is another matter', async () => {
	const {run, go} = await heldUp(scratchDirectory('out'));
	const other = scratchDirectory('out');
	assert.equal((await runProgram([...connectTo(server, other), '--dump-only', 'a'])).code, 0);
	go();
	assert.equal((await run.ended).code, 0);
});

test('after kill -9 the lock is free as soon as pg_dump is gone; a lock file that lies about is harmless', async () => {
	const directory = scratchDirectory('out');
	const {run} = await heldUp(directory);
	run.child.kill('SIGKILL');
	await run.ended;
	await waitFor(
		async () => (await runProgram([...connectTo(server, directory), '--dump-only', 'a'])).code === 0,
		'the lock',
		5,
	);
	writeFileSync(join(directory, 'b.lock'), '1 elsewhere 2001-01-01T00:00:00Z\n');
	const next = await runProgram([...connectTo(server, directory), '--dump-only', 'b']);
	assert.equal(next.code, 0, next.stderr);
	assert.deepEqual(
		filesIn(directory).filter(name => name.endsWith('.lock')),
		[],
	);
});

test('the lock is held until the last child is gone, not only by us', async () => {
	const directory = scratchDirectory('out');
	const marker = join(scratchDirectory('go'), 'go');
	// A child that survives our death: pdeathsig sends SIGTERM.
	const deaf = `${marker}.deaf`;
	const tools = recordingTools({
		pg_dump: `trap '' TERM; : > '${deaf}'; until [ -e '${marker}' ]; do read -t 0.05 <> <(:); done`,
	});
	const run = await startProgram([...connectTo(server, directory), '--dump-only', '-B', tools.directory, 'a']);
	await waitFor(async () => existsSync(deaf), 'pg_dump');
	run.child.kill('SIGKILL');
	await waitFor(async () => run.child.signalCode !== null, 'its end');
	const second = await runProgram([...connectTo(server, directory), '--dump-only', 'a']);
	assert.equal(second.code, 11, second.stderr);
	assert.ok(
		filesIn(directory).some(name => name.endsWith('.part')),
		'the partial file of the living child is not swept',
	);
	writeFileSync(marker, '');
	await waitFor(
		async () => (await runProgram([...connectTo(server, directory), '--dump-only', 'a'])).code === 0,
		'the lock',
		10,
	);
	assert.deepEqual(
		filesIn(directory).filter(name => /\.part|\.lock/.test(name)),
		[],
	);
});

test('a directory in the way of a lock file is a warning, in --check-config and --dry-run too', async () => {
	const directory = scratchDirectory('out');
	mkdirSync(join(directory, 'a.lock'));
	for (const more of [['--check-config=connect'], ['--dry-run'], []]) {
		const run = await runProgram([...connectTo(server, directory), '--dump-only', ...more, 'a', 'b']);
		assert.equal(run.code, 0, run.stderr);
		assert.match(run.stderr + run.stdout, /lock file .*a\.lock is not a regular file/);
	}
	assert.ok(shapesIn(directory).includes('b_T.dump'));
});

test('--check-config and --dry-run say what another run holds, and leave it alone', async () => {
	const directory = scratchDirectory('out');
	const {run, go} = await heldUp(directory);
	const before = filesIn(directory);
	for (const more of ['--check-config=connect', '--dry-run']) {
		const ended = await runProgram([...connectTo(server, directory), '--dump-only', more, 'a', 'b']);
		assert.equal(ended.code, 0, ended.stderr);
		assert.match(ended.stderr + ended.stdout, new RegExp(`a\\.lock is held by process ${run.pid} on`));
		assert.deepEqual(filesIn(directory), before);
	}
	go();
	assert.equal((await run.ended).code, 0);
});

const isRoot = process.getuid?.() === 0;
const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--'];

describe('two users in one directory', {skip: !isRoot && 'needs root'}, () => {
	const nobodys = (): string => {
		const directory = scratchDirectory('shared');
		chownSync(directory, 65_534, 65_534);
		chmodSync(server.socketDirectory, 0o755);
		return directory;
	};
	const backup = (directory: string, more: readonly string[]) =>
		runProgram([...connectTo(server, directory), '--dump-only', ...more], {wrapper: asNobody});

	test('while root dumps one database, the owner dumps others, and is told who holds that one', async () => {
		const directory = nobodys();
		const {run, go} = await heldUp(directory);
		const other = await backup(directory, ['b']);
		assert.equal(other.code, 0, other.stderr);
		const same = await backup(directory, ['a']);
		assert.equal(same.code, 11, same.stderr);
		go();
		assert.equal((await run.ended).code, 0);
		assert.equal(filesIn(directory).filter(name => name.endsWith('.lock')).length, 0);
	});

	test('after a kill -9 of root the nights of the owner are as before, and nothing is left', async () => {
		const directory = nobodys();
		const {run} = await heldUp(directory);
		run.child.kill('SIGKILL');
		await run.ended;
		await waitFor(async () => (await backup(directory, ['a'])).code === 0, 'the children of the killed run to end');
		const next = await backup(directory, ['a']);
		assert.equal(next.code, 0, next.stderr);
		assert.doesNotMatch(next.stderr, /WARN|ERROR/);
		assert.deepEqual(
			filesIn(directory).filter(name => /^\.|lock$/.test(name)),
			[],
		);
	});

	test('locks that another user left with mode 0600 are named once, and stop no run', async () => {
		const directory = nobodys();
		for (const name of ['a.lock', 'b.lock', '.pg_back-zzzzzz.lock'])
			writeFileSync(join(directory, name), '1 elsewhere 2026-01-01\n', {mode: 0o600});
		writeFileSync(join(directory, '.pg_back-zzzzzz-00000000.part'), '', {mode: 0o600});
		const before = filesIn(directory);
		const next = await backup(directory, ['a', 'b']);
		assert.equal(next.code, 0, next.stderr);
		for (const name of before) {
			assert.ok(filesIn(directory).includes(name), name);
			if (name.endsWith('.lock'))
				assert.equal(next.stderr.split(`${name} belongs to another user`).length, 2, next.stderr);
		}
		assert.equal(filesIn(directory).filter(name => name.endsWith('.dump')).length, 2);
		assert.equal(filesIn(directory).filter(name => name.endsWith('.lock')).length, 3);
	});

	test('links, pipes and directories in the place of locks neither', async () => {
		const directory = nobodys();
		const victim = join(scratchDirectory('victim'), 'victim');
		writeFileSync(victim, 'precious', {mode: 0o666});
		symlinkSync(victim, join(directory, 'a.lock'));
		mkdirSync(join(directory, 'b.lock'));
		execFileSync('mkfifo', [join(directory, '.pg_back-zzzzzz.lock')]);
		const next = await backup(directory, ['a', 'b']);
		assert.equal(next.code, 0, next.stderr);
		assert.equal(next.stderr.match(/is not a regular file/g)?.length, 3, next.stderr);
		assert.equal(readFileSync(victim, 'utf8'), 'precious');
	});
});
