/** A run that is told to end, or killed, at several points: children, partial files, hooks, locks, exit status. */
import assert from 'node:assert/strict';
import {once} from 'node:events';
import {readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {type AddressInfo, createServer} from 'node:net';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {waitFor} from '../helpers/postgres.js';
import {
	connectTo,
	filesIn,
	newAgeKeys,
	runProgram,
	scratchDirectory,
	shapesIn,
	startProgram,
} from '../helpers/program.js';
import {recordingTools} from '../helpers/recorder.js';

let server: Cluster;

before(async () => {
	server = await startCluster({name: 'signals'});
	await server.psql('postgres', 'create database a; create database b');
	await server.psql(
		'a',
		`create table big as select i, md5(i::text) || md5((i + 1)::text) as text from generate_series(1, 200000) i`,
	);
});
after(async () => server.stop());

/** Commands of running processes that have `text` in their command line. */
function processesWith(text: string): string[] {
	return readdirSync('/proc')
		.filter(name => /^\d+$/.test(name))
		.flatMap(pid => {
			try {
				const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
				return command.includes(text) ? [`${pid} ${command}`] : [];
			} catch {
				return []; // ended meanwhile
			}
		});
}

const children = () =>
	processesWith(server.socketDirectory).filter(line => /pg_dump/.test(line) && !/pg_back\.cjs/.test(line));

/** Holds pg_dump of a up until the returned function is called; a dump then waits for the lock. */
async function lockTable(): Promise<() => Promise<void>> {
	const application = `holder ${Math.random()}`;
	const holding = server
		.psql('a', `set application_name = '${application}'; begin; lock table big; select pg_sleep(600)`)
		.catch(() => undefined);
	await waitFor(
		async () =>
			(await server.psql(
				'postgres',
				`select count(*) from pg_locks l join pg_stat_activity s using (pid) where mode = 'AccessExclusiveLock' and application_name = '${application}'`,
			)) !== '0',
		'the lock',
	);
	return async () => {
		await server.psql(
			'postgres',
			`select pg_terminate_backend(pid) from pg_stat_activity where application_name = '${application}'`,
		);
		await holding;
	};
}

const hookFile = () => join(scratchDirectory('hook'), 'ran');
const hookOptions = (file: string) => ['--post-backup-hook', `sh -c 'echo $PGBK_STATUS $PGBK_EXIT_CODE >> ${file}'`];

describe('SIGINT and SIGTERM', () => {
	for (const [signal, code, format] of [
		['SIGINT', 130, 'c'],
		['SIGTERM', 143, 'd'],
		['SIGTERM', 143, 'p'],
		['SIGHUP', 129, 't'],
	] as const) {
		test(`${signal} while pg_dump -F${format} works: exit ${code}, nothing left, the post hook ran`, async () => {
			const release = await lockTable();
			try {
				const directory = scratchDirectory('out');
				const hook = hookFile();
				const run = await startProgram([
					...connectTo(server, directory),
					'-v',
					'-F',
					format,
					'-j',
					'2',
					...hookOptions(hook),
				]);
				await run.untilLog(/running: \S*pg_dump .*dbname=a /);
				await waitFor(async () => children().length > 0, 'pg_dump');
				run.child.kill(signal);
				const ended = await run.ended;
				assert.equal(ended.code, code, ended.stderr);
				assert.deepEqual(children(), []);
				assert.equal(readFileSync(hook, 'utf8'), `cancelled ${code}\n`);
				assert.ok(
					!filesIn(directory).some(name => /^a_|\.part|\.lock/.test(name)),
					filesIn(directory, {manifests: true}).join(' '),
				);
				assert.match(ended.stderr, new RegExp(`interrupted by ${signal}`));
			} finally {
				await release();
			}
		});
	}

	test('while bytes stream through encryption', async () => {
		const directory = scratchDirectory('out');
		const {recipient} = await newAgeKeys();
		const tools = recordingTools({pg_dump: `"$REAL" "$@" | { head -c 100000; kill -STOP $$ 2>/dev/null; cat; }`});
		const run = await startProgram([
			...connectTo(server, directory),
			'-v',
			'--dump-only',
			'-Z',
			'0',
			'-B',
			tools.directory,
			'--encrypt',
			'--cipher-public-key',
			recipient,
			'a',
		]);
		await run.untilLog(/a: dump started/);
		await waitFor(async () => tools.calls().length > 0, 'pg_dump');
		run.child.kill('SIGTERM');
		const ended = await run.ended;
		assert.equal(ended.code, 143, ended.stderr);
		assert.deepEqual(filesIn(directory, {manifests: true}), []);
	});

	test('while the pre hook runs: nothing is dumped, the post hook runs', async () => {
		const directory = scratchDirectory('out');
		const hook = hookFile();
		const run = await startProgram([
			...connectTo(server, directory),
			'--pre-backup-hook',
			'sh -c "echo begun; exec sleep 300"',
			...hookOptions(hook),
		]);
		await run.untilLog(/pre-backup: begun/);
		run.child.kill('SIGINT');
		const ended = await run.ended;
		assert.equal(ended.code, 130, ended.stderr);
		assert.equal(readFileSync(hook, 'utf8'), 'cancelled 130\n');
		assert.deepEqual(filesIn(directory, {manifests: true}), []);
	});

	test('while the post hook runs: the dumps of this run stay, and the hook has some seconds to do its work', async () => {
		const directory = scratchDirectory('out');
		const [go, note] = [join(scratchDirectory('hook'), 'go'), join(scratchDirectory('hook'), 'note')];
		const run = await startProgram([
			...connectTo(server, directory),
			'--dump-only',
			'--post-backup-hook',
			`sh -c "echo begun; while [ ! -e ${go} ]; do sleep 0.1; done; echo ended > ${note}; exec sleep 300"`,
			'a',
			'b',
		]);
		await run.untilLog(/post-backup: begun/);
		const told = performance.now();
		run.child.kill('SIGTERM');
		await run.untilLog(/send it again/);
		writeFileSync(go, '');
		const ended = await run.ended;
		assert.equal(ended.code, 143, ended.stderr);
		assert.ok(performance.now() - told < 10_000);
		assert.equal(readFileSync(note, 'utf8'), 'ended\n');
		assert.deepEqual(shapesIn(directory), ['a_T.dump', 'b_T.dump']);
	});

	test('a child that ignores SIGTERM is killed; a second signal ends at once', async () => {
		const directory = scratchDirectory('out');
		const tools = recordingTools({pg_dump: `trap '' TERM; while :; do read -t 1 <> <(:); done`});
		const run = await startProgram([...connectTo(server, directory), '--dump-only', '-B', tools.directory, 'a']);
		await waitFor(async () => tools.calls().length > 0, 'pg_dump');
		const start = performance.now();
		run.child.kill('SIGTERM');
		assert.equal((await run.ended).code, 143);
		assert.ok(performance.now() - start < 10_000);
		await waitFor(async () => processesWith(tools.directory).length === 0, 'its end');
		assert.deepEqual(filesIn(directory, {manifests: true}), []);

		// An encrypted one has a thread that reads from it, which must not keep us either.
		const {recipient} = await newAgeKeys();
		for (const more of [[], ['--encrypt', '--cipher-public-key', recipient]]) {
			const calls = tools.calls().length;
			const args = [...connectTo(server, directory), '--dump-only', '-B', tools.directory, ...more, 'a'];
			const second = await startProgram(args);
			await waitFor(async () => tools.calls().length > calls, 'pg_dump');
			second.child.kill('SIGTERM');
			await second.untilLog(/send it again/);
			const again = performance.now();
			second.child.kill('SIGTERM');
			assert.equal((await second.ended).code, 143);
			assert.ok(performance.now() - again < 4000);
			await waitFor(async () => processesWith(tools.directory).length === 0, 'its end');
		}
	});
});

describe('kill -9', () => {
	for (const format of ['c', 'd']) {
		test(`-F${format}: no pg_dump is left, locks are free, the next run sweeps`, async () => {
			const release = await lockTable();
			const directory = scratchDirectory('out');
			try {
				const run = await startProgram([...connectTo(server, directory), '-v', '-F', format, '-J', '2', 'a']);
				await run.untilLog(/running: \S*pg_dump .*dbname=a /);
				await waitFor(
					async () => children().length > 0 && filesIn(directory).some(name => name.endsWith('.part')),
					'pg_dump',
				);
				run.child.kill('SIGKILL');
				await run.ended;
				await waitFor(async () => children().length === 0, 'the end of pg_dump');
				assert.ok(filesIn(directory).some(name => name.endsWith('.part')));
				assert.ok(!filesIn(directory).some(name => /^a_/.test(name)));
			} finally {
				await release();
			}
			const next = await runProgram([...connectTo(server, directory), '-F', format, 'a']);
			assert.equal(next.code, 0, next.stderr);
			assert.match(next.stderr, /left by a run that was killed/);
			assert.ok(!filesIn(directory).some(name => /\.part|\.lock/.test(name)), filesIn(directory).join(' '));
		});
	}
});

test('while a server is connected to that says nothing: at once', async () => {
	let asked = false;
	const silent = createServer(() => (asked = true)).listen(0, '127.0.0.1');
	await once(silent, 'listening');
	try {
		const {port} = silent.address() as AddressInfo;
		const directory = scratchDirectory('signals');
		const args = ['--no-config-file', '-h', '127.0.0.1', '-p', String(port), '-U', 'postgres', '-b', directory];
		const running = await startProgram(args);
		await waitFor(() => Promise.resolve(asked), 'the connection');
		const told = performance.now();
		running.child.kill('SIGINT');
		const {code, signal, stderr} = await running.ended;
		assert.equal(code, 130, `${String(signal)} ${stderr}`);
		assert.ok(performance.now() - told < 5000, 'and not after the connection has timed out');
		assert.deepEqual(processesWith(`-p ${port}`), []);
	} finally {
		silent.close();
	}
});
