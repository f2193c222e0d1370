/** `--status`, and what another process can see of a run and ask of it, with the built program. */
import assert from 'node:assert/strict';
import {chownSync, existsSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync} from 'node:fs';
import {createServer} from 'node:net';
import {hostname} from 'node:os';
import {join} from 'node:path';
import {after, before, test} from 'node:test';
import {connectToRun, type StatusConnection} from '../../source/runs/status-client.js';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {waitFor} from '../helpers/postgres.js';
import {
	connectTo,
	filesIn,
	modeOf,
	type Running,
	runProgram,
	scratchDirectory,
	startProgram,
} from '../helpers/program.js';
import {recordingTools} from '../helpers/recorder.js';

let server: Cluster;
before(async () => {
	server = await startCluster({name: 'status'});
	await server.psql('postgres', 'create database a; create database b');
});
after(async () => server.stop());

type HeldUp = {
	readonly run: Running;
	readonly directory: string;
	readonly go: () => void;
	readonly socket: () => string;
};

/** A run whose pg_dump of `a` waits until `go` is called, or until it is killed. */
async function heldUp(
	directory = scratchDirectory('out'),
	more: {readonly args?: readonly string[]; readonly env?: Record<string, string>; readonly umask?: string} = {},
): Promise<HeldUp> {
	const signal = join(scratchDirectory('go'), 'go');
	const tools = recordingTools({
		pg_dump: `case "$*" in *dbname=a\\ *) until [ -e '${signal}' ]; do read -t 0.05 <> <(:); done;; esac; exec "$REAL" "$@"`,
	});
	const args = [...connectTo(server, directory), '--dump-only', '-B', tools.directory, ...(more.args ?? ['a', 'b'])];
	const {env, umask} = more;
	const run = await startProgram(args, {...(env && {env}), ...(umask !== undefined && {umask})});
	await waitFor(async () => tools.calls().length > 0, 'pg_dump');
	const socket = () => join(directory, readdirSync(directory).find(name => name.endsWith('.sock')) ?? 'none');
	return {run, directory, go: () => writeFileSync(signal, ''), socket};
}

const status = (directory: string, ...args: string[]) =>
	runProgram(['--no-config-file', '-b', directory, '--status', ...args]);

type Printed = {
	readonly running: boolean;
	readonly orphans: readonly string[];
	readonly runs: readonly {
		readonly pid: number;
		readonly host: string;
		readonly since: string;
		readonly canAttach: boolean;
		readonly counts?: {readonly dumping: number};
		readonly state?: {readonly jobs: readonly {readonly name: string; readonly status: string}[]};
	}[];
};

const statusJson = async (directory: string): Promise<Printed> =>
	JSON.parse((await status(directory, '--json')).stdout) as Printed;

async function attach(path: string): Promise<StatusConnection> {
	const connection = await connectToRun(path);
	assert.ok(connection, `nobody answers at ${path}`);
	return connection;
}

test('no run: status 1, one line, one JSON object; the same for a missing directory', async () => {
	for (const directory of [scratchDirectory('out'), join(scratchDirectory('out'), 'nowhere')]) {
		const plain = await status(directory);
		assert.deepEqual([plain.code, plain.stdout, plain.stderr], [1, `no run is under way in ${directory}\n`, '']);
		const json = await status(directory, '--json');
		assert.equal(json.code, 1);
		assert.deepEqual(JSON.parse(json.stdout), {schema: 1, running: false, runs: [], orphans: []});
		assert.equal(existsSync(join(directory, 'nowhere')), false);
	}
});

test('a directory that cannot be told of is neither 0 nor 1', async () => {
	const file = join(scratchDirectory('out'), 'file');
	writeFileSync(file, '');
	const {code, stderr, stdout} = await status(file);
	assert.equal(code, 3);
	assert.match(stderr, /FATAL: .*not a directory/);
	assert.equal(stdout, '');
});

test('a run under way: who, since when, how far; nothing is left when it has ended', async () => {
	const {run, directory, go, socket} = await heldUp(undefined, {umask: '000'});
	assert.equal(modeOf(socket()), '600');
	const plain = await status(directory);
	assert.equal(plain.code, 0, plain.stderr);
	assert.match(plain.stdout, new RegExp(`^backup is under way, process ${run.pid} on ${hostname()}, since 20`));
	assert.match(plain.stdout, /^ {2}(?:1 done, )?1 dumping/m);
	assert.match(plain.stdout, /^ {2}a: dumping/m);
	const {running, runs} = await statusJson(directory);
	assert.equal(running, true);
	const [seen] = runs;
	assert.ok(seen);
	assert.equal(seen.pid, run.pid);
	assert.equal(seen.canAttach, true);
	assert.equal(seen.state?.jobs.find(job => job.name === 'a')?.status, 'running');
	go();
	assert.equal((await run.ended).code, 0);
	assert.deepEqual(
		filesIn(directory).filter(name => name.startsWith('.pg_back-') && !name.endsWith('history.json')),
		[],
	);
	assert.equal((await status(directory)).code, 1);
});

test('an attached reader gets the state, then every event to the end; one that disconnects changes nothing', async () => {
	const {run, go, socket} = await heldUp();
	const [first, second] = [await attach(socket()), await attach(socket())];
	assert.equal(first.state().jobs.get('database:a')?.status, 'running');
	second.close();
	go();
	await first.ended;
	const {finished, jobs} = first.state();
	assert.equal(finished?.exitCode, 0);
	assert.equal(jobs.get('database:a')?.status, 'done');
	assert.equal((await run.ended).code, 0);
});

test('an attached console cancels one job and has a cancelled one done again', async () => {
	const {run, go, socket} = await heldUp(undefined, {args: ['a', 'b', '-j', '2']});
	const attached = await attach(socket());
	attached.request({type: 'cancel', job: 'database:a'});
	attached.request({type: 'cancel', job: 'database:nosuch'});
	await waitFor(async () => attached.state().jobs.get('database:a')?.status === 'cancelled', 'the end of a');
	await run.ended;
	assert.equal(attached.state().jobs.get('database:b')?.status, 'done');
	assert.match(run.stderr(), /WARN: an attached console canceled a\n/);
	go();

	const again = await heldUp(undefined, {args: ['a', 'b', '-j', '1']});
	const other = await attach(again.socket());
	other.request({type: 'cancel', job: 'database:b'});
	await waitFor(async () => other.state().jobs.get('database:b')?.status === 'cancelled', 'the end of b');
	other.request({type: 'retry', job: 'database:b'});
	await again.run.untilLog(/WARN: an attached console retries b\n/);
	again.go();
	assert.equal((await again.run.ended).code, 0, again.run.stderr());
});

test('an attached console cancels the whole run', async () => {
	const {run, directory, socket} = await heldUp();
	(await attach(socket())).request({type: 'cancel'});
	const {code, stderr} = await run.ended;
	assert.equal(code, 130, stderr);
	assert.equal((await status(directory)).code, 1);
});

test('after kill -9: no run, whatever it left; the next run works and sweeps it', async () => {
	const {run, directory, socket} = await heldUp();
	run.child.kill('SIGKILL');
	await run.ended;
	const left = socket();
	assert.ok(existsSync(left));
	await waitFor(async () => !(await status(directory)).stdout.includes('still holds'), 'the end of pg_dump');
	assert.equal((await status(directory)).stdout, `no run is under way in ${directory}\n`);
	const next = await runProgram([...connectTo(server, directory), '--dump-only', 'a']);
	assert.equal(next.code, 0, next.stderr);
	assert.equal(existsSync(left), false);
	assert.equal((await status(directory)).code, 1);
});

test('a killed run whose pg_dump lives on is none, and that program is named', async () => {
	const directory = scratchDirectory('out');
	const go = join(scratchDirectory('go'), 'go');
	const deaf = `${go}.deaf`;
	const tools = recordingTools({
		pg_dump: `trap '' TERM; : > '${deaf}'; until [ -e '${go}' ]; do read -t 0.05 <> <(:); done`,
	});
	const run = await startProgram([...connectTo(server, directory), '--dump-only', '-B', tools.directory, 'a']);
	await waitFor(async () => existsSync(deaf), 'pg_dump');
	run.child.kill('SIGKILL');
	await waitFor(async () => run.child.signalCode !== null, 'its end');
	const {code, stdout} = await status(directory);
	writeFileSync(go, '');
	assert.equal(code, 1, stdout);
	assert.match(stdout, new RegExp(`process ${run.pid} is gone, but a program that it started still holds \\.pg_back-`));
	await run.ended;
});

test('a run that does not answer is under way all the same', async () => {
	const {run, directory, go} = await heldUp();
	run.child.kill('SIGSTOP');
	const {runs} = await statusJson(directory);
	run.child.kill('SIGCONT');
	const [seen] = runs;
	assert.equal(runs.length, 1);
	assert.deepEqual([seen?.pid, seen?.host, seen?.canAttach], [run.pid, hostname(), false]);
	assert.ok(Math.abs(Date.now() - Date.parse(seen?.since ?? '')) < 600_000);
	go();
	assert.equal((await run.ended).code, 0);
});

test('where the path is too long for a socket it is in XDG_RUNTIME_DIR or below TMPDIR; nowhere is a warning', async () => {
	const long = join(scratchDirectory('out'), 'x'.repeat(100));
	const runtime = scratchDirectory('runtime');
	const temporary = scratchDirectory('tmp');
	const uid = process.geteuid?.() ?? 0;
	for (const [env, place] of [
		[{XDG_RUNTIME_DIR: runtime, TMPDIR: temporary}, join(runtime, 'pg_back')],
		[{TMPDIR: temporary}, join(temporary, `pg_back-${uid}`)],
	] as const) {
		const {run, go} = await heldUp(long, {env});
		assert.equal(modeOf(place), '700');
		const [name] = readdirSync(place);
		assert.match(name ?? '', /^\.pg_back-[a-z0-9]{6}\.sock$/);
		const seen = await runProgram(['--no-config-file', '-b', long, '--status', '--json'], {env});
		assert.equal((JSON.parse(seen.stdout) as Printed).runs[0]?.canAttach, true);
		go();
		assert.equal((await run.ended).code, 0, run.stderr());
		assert.deepEqual(readdirSync(place), []);
	}
	const planted = scratchDirectory('planted');
	mkdirSync(join(planted, `pg_back-${uid}`), {mode: 0o777});
	const {run, go} = await heldUp(long, {env: {TMPDIR: planted}, umask: '000'});
	mkdirSync(join(planted, 'other'));
	assert.match(run.stderr(), /WARN: no status socket: .*has more/);
	const {code, stdout} = await runProgram(['--no-config-file', '-b', long, '--status'], {env: {TMPDIR: planted}});
	assert.equal(code, 0);
	assert.match(stdout, new RegExp(`process ${run.pid} on .*nothing more is known of it`));
	go();
	assert.equal((await run.ended).code, 0);
});

test('planted sockets: of another user, a link, one that talks nonsense, one that never stops talking', async () => {
	const directory = scratchDirectory('out');
	let asked = 0;
	const floods = createServer(socket => {
		asked++;
		socket.on('error', () => undefined);
		socket.write('x'.repeat(1 << 20));
		socket.on('drain', () => socket.write('x'.repeat(1 << 20)));
	});
	const lies = createServer(socket => {
		asked++;
		socket.on('error', () => undefined);
		socket.write('{"type":"state","schema":1,"state":{"jobs":[{"id":"a","status":"\\u001b[2J"}]}}\n');
	});
	const paths = ['aaaaaa', 'bbbbbb'].map(tag => join(directory, `.pg_back-${tag}.sock`));
	floods.listen(paths[0]);
	lies.listen(paths[1]);
	await waitFor(async () => paths.every(path => existsSync(path)), 'the sockets');
	symlinkSync(paths[0] ?? '', join(directory, '.pg_back-cccccc.sock'));
	try {
		const answer = await status(directory);
		assert.equal(answer.code, 1, answer.stdout);
		assert.equal(asked, 2);
		if (process.geteuid?.() === 0) {
			// Of another user, in a directory of ours: not even connected to.
			for (const path of paths) chownSync(path, 65_000, 65_000);
			assert.equal((await status(directory)).code, 1);
			assert.equal(asked, 2);
			assert.equal(statSync(paths[0] ?? '').uid, 65_000);
		}
		const run = await runProgram([...connectTo(server, directory), '--dump-only', 'b']);
		assert.equal(run.code, 0, run.stderr);
		assert.ok(paths.every(path => existsSync(path)));
	} finally {
		floods.close();
		lies.close();
	}
});
