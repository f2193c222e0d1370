/** What goes wrong around a run: one clear error with a hint, the right exit status, the others dumped, nothing half-written. */
import assert from 'node:assert/strict';
import {chmodSync, mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {
	connectTo,
	type Ended,
	filesIn,
	newAgeKeys,
	runProgram,
	scratchDirectory,
	shapesIn,
} from '../helpers/program.js';
import {recordingTools} from '../helpers/recorder.js';

let server: Cluster;
before(async () => {
	server = await startCluster({name: 'bad', auth: 'scram-sha-256'});
	await server.psql('postgres', 'create database a; create database b');
});
after(async () => server.stop());

const env = {PGPASSWORD: 'secret'};
const run = (directory: string, args: readonly string[], options = {}) =>
	runProgram([...connectTo(server, directory), ...args], {env, ...options});

/** The run ended with `code`; one FATAL line matches, at most one hint follows; no stack trace; nothing partial is left. */
function assertError(ended: Ended, code: number, message: RegExp, hint?: RegExp): void {
	assert.equal(ended.code, code, ended.stderr);
	const text = ended.stderr;
	const fatal = text.split('\n').filter(line => /^\S+ \S+ FATAL: /.test(line));
	assert.equal(fatal.length, 1, text);
	assert.match(fatal[0] ?? '', message);
	assert.ok(!/\n\s+at .*\(|BUG|bug of pg_back/.test(text), text);
	if (hint) assert.match(text, hint);
}

const partial = (directory: string) =>
	filesIn(directory, {manifests: true}).filter(name => /\.part|\.lock$/.test(name));

describe('the server', () => {
	test('is unreachable: 12', async () => {
		const directory = scratchDirectory('out');
		for (const host of ['/nonexistent', '127.0.0.1']) {
			const ended = await runProgram(['--no-config-file', '-h', host, '-p', '1', '-b', directory]);
			assertError(ended, 12, /FATAL: .*(No such file or directory|refused)/, /HINT: /);
		}
		assert.deepEqual(filesIn(directory, {manifests: true}), []);
	});

	test('refuses the password, or there is none: 12, without waiting for one', async () => {
		const directory = scratchDirectory('out');
		assertError(await run(directory, [], {env: {PGPASSWORD: 'wrong-one'}}), 12, /FATAL: .*password/, /HINT: /);
		const none = await run(directory, [], {env: {}});
		assertError(none, 12, /FATAL: .*password/, /HINT: /);
		assert.ok(!none.stderr.includes('wrong-one'));
	});

	test('has no such role or database: 12', async () => {
		assertError(await runProgram(connectTo(server, scratchDirectory('out'), 'nobody-here'), {env}), 12, /FATAL: /);
		assertError(await run(scratchDirectory('out'), ['-d', 'nosuch']), 12, /FATAL: .*nosuch/, /HINT: /);
	});

	test('loses a database between listing and dump: a warning, or an error when it was named; the others are dumped', async () => {
		const drop = `PGPASSWORD=secret psql -Xqw -d '${server.connectionString('postgres')}' -c 'drop database if exists gone with (force)'`;
		const tools = recordingTools({pg_dump: `case "$*" in *dbname=gone\\ *) ${drop};; esac; exec "$REAL" "$@"`});
		for (const [names, code] of [
			[[], 0],
			[['a', 'gone', 'b', 'postgres'], 1],
		] as const) {
			const directory = scratchDirectory('out');
			await server.psql('postgres', 'create database gone');
			const ended = await run(directory, ['--dump-only', '-B', tools.directory, ...names]);
			if (code === 1) assertError(ended, 1, /FATAL: .*gone.*does not exist any more/, /HINT: it was dropped/);
			else assert.equal(ended.code, 0, ended.stderr);
			if (code === 0) assert.match(ended.stderr, /WARN: database gone was dropped/);
			assert.deepEqual(shapesIn(directory).sort(), ['a_T.dump', 'b_T.dump', 'postgres_T.dump']);
		}
	});

	test('ends a session in the middle of a dump: 1, the others are dumped', async () => {
		const directory = scratchDirectory('out');
		await server.psql('a', 'create table if not exists big as select generate_series(1, 3000000) i');
		// pg_dump is stopped once it has written some of the table: its COPY then waits for it, however long psql takes.
		const script = `"$REAL" "$@" & dump=$!
written=0
until [ "$written" -gt 200000 ]; do
read -r state < /proc/$dump/stat; case $state in *') Z '*) echo "pg_dump ended before its session" >&2; exit 98;; esac
while read -r key value; do case $key in wchar:) written=$value;; esac; done < /proc/$dump/io; done
kill -STOP $dump
psql -XqwAt -d '${server.connectionString('postgres')}' -c "select pg_terminate_backend(pid) from pg_stat_activity where datname = 'a' and query like 'COPY%big%'" >&2
kill -CONT $dump
wait $dump; exit`;
		const tools = recordingTools({pg_dump: `case "$*" in *dbname=a\\ *) ${script};; esac; exec "$REAL" "$@"`});
		for (const format of ['c', 'd']) {
			const ended = await run(directory, ['--dump-only', '-Z', '0', '-F', format, '-B', tools.directory, 'a', 'b']);
			assertError(ended, 1, /FATAL: .*(terminat|closed the connection|connection)/);
			assert.match(ended.stderr, /ERROR: dump of a failed: /);
			assert.ok(!ended.stderr.includes('ended before'), ended.stderr);
			assert.deepEqual(
				filesIn(directory).filter(name => /^a_|\.part/.test(name)),
				[],
			);
		}
		assert.ok(shapesIn(directory).includes('b_T.dump'));
		await server.psql('a', 'drop table big'); // the tests below dump this database many times
	});
});

describe('pg_dump', () => {
	const version = (text: string) => `echo '${text}' VERSION | sed 's/ VERSION//'`;

	test('is older than the server: 13, says which is needed and where one is', async () => {
		const directory = scratchDirectory('out');
		const old = (tool: string) => `if [ "$1" = --version ]; then echo '${tool} (PostgreSQL) 9.6.24'; exit; fi # VERSION
echo '${tool}: error: server version: ${server.major}.1; ${tool} version: 9.6.24' >&2
echo '${tool}: error: aborting because of server version mismatch' >&2; exit 1`;
		const tools = recordingTools({pg_dump: old('pg_dump'), pg_dumpall: old('pg_dumpall')});
		const ended = await run(directory, ['-B', tools.directory]);
		assertError(ended, 13, /FATAL: .*server version: .*9\.6\.24/, /HINT: .*install/);
		assert.match(ended.stderr, new RegExp(`WARN: .*9\\.6.*pg_dump ${server.major} is needed; .*bin-directory /`));
		assert.deepEqual(shapesIn(directory), ['hba_file_T.out', 'ident_file_T.out', 'pg_settings_T.out']);
		const ancient = recordingTools({pg_dump: version('pg_dump (PostgreSQL) 8.3.23')});
		assertError(await run(scratchDirectory('out'), ['-B', ancient.directory]), 13, /8\.4 or newer/);
	});

	test('is not there, cannot be run, is not pg_dump: 13', async () => {
		const empty = scratchDirectory('tools');
		assertError(await run(scratchDirectory('out'), ['-B', empty]), 13, /pg_dump/, /HINT: /);
		writeFileSync(join(empty, 'pg_dump'), 'x', {mode: 0o600});
		assertError(await run(scratchDirectory('out'), ['-B', empty]), 13, /pg_dump/);
		const odd = recordingTools({pg_dump: version('hello')});
		assertError(await run(scratchDirectory('out'), ['-B', odd.directory]), 13, /pg_dump/);
	});

	for (const [what, script, message] of [
		['fails at once', 'echo "pg_dump: error: no luck" >&2; exit 3', /no luck/],
		['fails after its last byte', '"$REAL" "$@"; echo "pg_dump: error: no luck" >&2; exit 3', /no luck/],
		['is killed after its last byte', '"$REAL" "$@"; kill -9 $$', /SIGKILL/],
		['writes nothing and says all is well', 'exit 0', /no output|table of contents/],
		['dies of SIGXFSZ', 'kill -XFSZ $$', /SIGXFSZ/],
	] as const) {
		test(`11.1.7 ${what}: nothing under a final name, the others are dumped: 1`, async () => {
			const {recipient} = await newAgeKeys();
			const encrypt = ['--encrypt', '--cipher-public-key', recipient];
			for (const format of ['c', 'p', 't', 'd']) {
				for (const options of format === 'c' || format === 'd' ? [[], encrypt] : [[]]) {
					const directory = scratchDirectory('out');
					const tools = recordingTools({
						pg_dump: `case "$*" in *dbname=a\\ *) ${script};; *) exec "$REAL" "$@";; esac`,
					});
					const ended = await run(directory, [
						'--dump-only',
						'-S',
						'sha1',
						'-F',
						format,
						'-B',
						tools.directory,
						...options,
						'a',
						'b',
					]);
					assertError(ended, 1, message);
					const names = filesIn(directory);
					assert.deepEqual(
						names.filter(name => /^a_|\.part|\.lock$/.test(name)),
						[],
						`${format} ${options[0] ?? ''}`,
					);
					assert.ok(names.some(name => /^b_/.test(name)));
				}
			}
		});
	}

	test('pg_dumpall fails: 1, the databases are dumped all the same', async () => {
		const directory = scratchDirectory('out');
		const tools = recordingTools({pg_dumpall: '"$REAL" "$@"; echo "pg_dumpall: error: no luck" >&2; exit 1'});
		assertError(await run(directory, ['-B', tools.directory]), 1, /no luck/);
		assert.deepEqual(shapesIn(directory).sort(), [
			'a_T.dump',
			'b_T.dump',
			'hba_file_T.out',
			'ident_file_T.out',
			'pg_settings_T.out',
			'postgres_T.dump',
		]);
	});

	test('a passphrase, whose scrypt takes a second, loses no byte of a pg_dump that ends at once', async () => {
		const directory = scratchDirectory('out');
		const bytes = 50_000; // fits into the pipe
		const tools = recordingTools({pg_dump: `head -c ${bytes} /dev/zero | tr '\\0' x`});
		const passphrase = {PGPASSWORD: 'secret', PGBK_CIPHER_PASS: 'some words of ours'};
		const ended = await run(directory, ['--dump-only', '-B', tools.directory, '-F', 'p', '--encrypt', 'a'], {
			env: passphrase,
		});
		assert.equal(ended.code, 0, ended.stderr);
		const back = await runProgram(['--no-config-file', '-b', directory, '--decrypt', '--stdout', 'a_*.sql.age'], {
			env: passphrase,
		});
		assert.equal(back.code, 0, back.stderr);
		assert.equal(back.bytes.length, bytes);
	});
});

describe('the backup directory', () => {
	const unprivileged =
		process.getuid?.() === 0 ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--'] : [];

	test('may not be written or made: 1, one error for it', async () => {
		const base = scratchDirectory('out');
		chmodSync(base, 0o755);
		const directory = join(base, 'theirs');
		mkdirSync(directory, {mode: 0o555});
		chmodSync(server.socketDirectory, 0o755);
		for (const path of [directory, join(directory, 'below')]) {
			const ended = await run(path, ['a'], {wrapper: unprivileged});
			assert.equal(ended.code, 1, ended.stderr);
			assert.match(ended.stderr, /FATAL: backup directory .*permission denied/);
			assert.match(ended.stderr, new RegExp(`HINT: run as root: install -d -o \\S+ -m 700 ${path},`));
			assert.equal(ended.stderr.match(/denied/g)?.length, 1, ended.stderr);
			const dry = await run(path, ['--dry-run', 'a'], {wrapper: unprivileged});
			assert.equal(dry.code, 1, dry.stderr);
			assert.match(dry.stderr, /FATAL: backup directory .*permission denied/);
			assert.match(dry.stdout, /^error +backup directory .*permission denied\nhint +run as root: install/m);
		}
		assert.deepEqual(filesIn(directory), []);
	});

	test('is below /proc, where root may write and nothing can be made: 1, at once', async () => {
		for (const args of [['a'], ['--dry-run', 'a']]) {
			const ended = await run('/proc/nosuch', args);
			assert.equal(ended.code, 1, ended.stderr);
			assert.match(ended.stderr, /FATAL: backup directory \/proc\/nosuch cannot be used/);
		}
	});

	test('is a file: 1', async () => {
		const path = join(scratchDirectory('out'), 'file');
		writeFileSync(path, 'mine');
		const ended = await run(path, ['a']);
		assert.equal(ended.code, 1, ended.stderr);
		assert.match(ended.stderr, /FATAL: .*(not a directory|file exists)/);
		assert.equal(readFileSync(path, 'utf8'), 'mine');
	});
});

describe('configuration', () => {
	test('all problems at once, before any work: 10; on the command line 2', async () => {
		const directory = scratchDirectory('out');
		const file = join(scratchDirectory('conf'), 'bad.conf');
		writeFileSync(
			file,
			'jobs = abc\nchecksum_algorithm = md5\nencrypt = enabled\nwith_templates = maybe\npre_backup_hook = "   "\nupload = s3\n',
		);
		const ended = await runProgram(['-c', file, ...connectTo(server, directory).slice(1)], {env});
		assert.equal(ended.code, 10, ended.stderr);
		for (const line of [1, 2, 3, 4, 5])
			assert.ok(ended.stderr.includes(`${file}:${line}`), `${line} in ${ended.stderr}`);
		const flags = await run(directory, ['-S', 'md5', '-j', '0', '--bogus']);
		assert.equal(flags.code, 2, flags.stderr);
		assert.deepEqual(filesIn(directory), []);
	});

	test('11.2.20 keys are parsed before any work: nothing is dumped with a bad one', async () => {
		const directory = scratchDirectory('out');
		const {recipient} = await newAgeKeys();
		for (const options of [
			['--cipher-public-key', 'age1nope'],
			['--cipher-public-key', `${recipient}x`],
			['--cipher-pass', ''],
			['--cipher-pass-file', '/nonexistent'],
			['--cipher-recipients-file', '/dev/null'],
			[],
		]) {
			const ended = await run(directory, ['--encrypt', ...options, 'a']);
			assert.ok(ended.code === 10 || ended.code === 2, `${options.join(' ')}: ${ended.code}\n${ended.stderr}`);
			assert.ok(!/ at .*\(/.test(ended.stderr), ended.stderr);
			assert.deepEqual(filesIn(directory, {manifests: true}), []);
		}
	});
});

test('a role that may not read a table: its dump fails by name, the others are dumped', async () => {
	const directory = scratchDirectory('out');
	await server.psql('postgres', `create role limited login password 'secret'`);
	await server.psql('b', 'create table hidden as select 1 as i');
	const ended = await runProgram(
		[...connectTo(server, directory, 'limited'), '-d', 'postgres', '--dump-only', 'a', 'b'],
		{env},
	);
	assert.equal(ended.code, 1, ended.stderr);
	assert.match(ended.stderr, /ERROR: dump of b failed: .*permission denied|hidden/);
	assert.deepEqual(partial(directory), []);
	await server.psql('b', 'drop table hidden');
	await server.psql('postgres', 'drop role limited');
});
