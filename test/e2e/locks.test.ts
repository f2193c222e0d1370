/** One run at a time dumps a database into a directory; others work side by side; no lock outlives its last process. */
import assert from 'node:assert/strict';
import {existsSync, mkdirSync, writeFileSync} from 'node:fs';
import {hostname} from 'node:os';
import {join} from 'node:path';
import {after, before, test} from 'node:test';
import {startCluster, type Cluster} from '../helpers/cluster.js';
import {
	connectTo,
	filesIn,
	runProgram,
	scratchDirectory,
	shapesIn,
	startProgram,
	type Running,
} from '../helpers/program.js';
import {waitFor} from '../helpers/postgres.js';
import {recordingTools, type Recorder} from '../helpers/recorder.js';

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
	assert.match(second.stderr, /hint: wait for the other run/);
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

test('a directory in the way of a lock file is an error of that database alone', async () => {
	const directory = scratchDirectory('out');
	mkdirSync(join(directory, 'a.lock'));
	const run = await runProgram([...connectTo(server, directory), '--dump-only', 'a', 'b']);
	assert.equal(run.code, 1, run.stderr);
	assert.match(run.stderr, /ERROR: dump of a failed: .*a\.lock: is a directory/);
	assert.ok(shapesIn(directory).includes('b_T.dump'));
});
