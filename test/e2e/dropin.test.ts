/** What a user of pg_back 2.6 types and gets without a server: options that answer, messages, conversions. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {describe, test} from 'node:test';
import {programPath, runProgram, scratchDirectory} from '../helpers/program.js';
import {root} from '../helpers/tools.js';

const {version} = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {version: string};
const versionLine = `pg_back version ${version}\n`;

describe('options that answer', () => {
	const cases: readonly (readonly [args: readonly string[], stdout: string | RegExp])[] = [
		[['--version'], versionLine],
		[['-qV'], versionLine],
		[['-V', '--jobs=0x1f', '-P', '-1h', 'db'], versionLine],
		[['-V', '-?'], /^pg_back dumps/],
		[['--version=false', '-V'], versionLine],
		[['-V', '-Z', '10', '-m', '644'], versionLine],
		[['--help', '-F', 'x'], /^pg_back dumps/],
		[['--print-default-config', '-Z', '9'], readFileSync(join(root, 'pg_back.conf'), 'utf8')],
	];
	for (const [args, stdout] of cases) {
		test(args.join(' '), async () => {
			const ended = await runProgram(args);
			assert.deepEqual([ended.code, ended.stderr], [0, '']);
			if (typeof stdout === 'string') assert.equal(ended.stdout, stdout);
			else assert.match(ended.stdout, stdout);
		});
	}

	test('what the launcher prints by itself is what the program prints', async () => {
		const program = (await programPath()).replace('pg_back.cjs', 'cli.js');
		for (const option of ['--version', '-V', '--help', '-?']) {
			const expected = execFileSync(process.execPath, [program, option], {encoding: 'utf8'});
			const {code, stdout, stderr} = await runProgram([option]);
			assert.deepEqual([code, stdout, stderr], [0, expected, ''], option);
		}
	});

	test('the default configuration loads', async () => {
		const path = join(scratchDirectory('conf'), 'pg_back.conf');
		writeFileSync(path, (await runProgram(['--print-default-config'])).stdout);
		const {code, stderr} = await runProgram(['-c', path, '--check-config']);
		assert.deepEqual([code, stderr], [0, '']);
	});

	test('a result that cannot be written is no success', async () => {
		for (const option of ['--version', '--help', '--print-default-config']) {
			const {code, stderr} = await runProgram([option], {wrapper: ['sh', '-c', 'exec "$@" >/dev/full', 'sh']});
			assert.equal(code, 1);
			assert.match(stderr, /^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d FATAL: cannot write to standard output: .*no space left/);
		}
	});
});

describe('what is refused before any work', () => {
	const cases: readonly (readonly [args: readonly string[], error: RegExp])[] = [
		[['--bogus'], /unknown option --bogus/],
		[['-xy'], /unknown option -x in -xy/],
		[['-tZ'], /option -Z needs a value/],
		[['--=x'], /bad option syntax: --=x/],
		[['--jobs', 'abc', '--help'], /--jobs: "abc" is not a whole number/],
		[['--version', '--bogus'], /unknown option --bogus/],
		[['-D', 'a"b'], /-D: .*double quote/],
		[['--encrypt=maybe'], /--encrypt: "maybe" is not a boolean/],
		[
			['-m', '0888', '-K', '-1', '-P', '1d', '-Z', '10', '-j', '0', '-F', 'P', '-S', 'md5'],
			/^(.*FATAL: -[mKPZjFS]: .*\n){7}/,
		],
		[
			['--upload', 'foo', '--purge-remote', 'perhaps'],
			/--upload: .*\n.*--purge-remote: "perhaps" is neither yes nor no/,
		],
		[['--upload', 'S3', '--s3-tls', 'x'], /--s3-tls: "x" is neither yes nor no/],
		[['--pre-backup-hook', ' \t'], /--pre-backup-hook: the value contains only spaces/],
		[['--post-backup-hook', "'' x"], /--post-backup-hook: the name of the command is empty/],
		[['--pre-backup-hook', "sh -c 'x"], /--pre-backup-hook: unterminated quote/],
		[['-c', ''], /could not load configuration file "": no such file/],
		[['-c', '/'], /could not load configuration file "\/": is a directory/],
	];
	for (const [args, error] of cases) {
		test(args.join(' '), async () => {
			const ended = await runProgram([...(args[0] === '-c' ? [] : ['--no-config-file']), ...args]);
			assert.ok(ended.code === 2 || ended.code === 10, String(ended.code));
			assert.equal(ended.stdout, '');
			assert.match(ended.stderr, error);
			assert.match(ended.stderr, /\n\S+ \S+ HINT: /);
			assert.doesNotMatch(ended.stderr, /\n {4}at /);
		});
	}
});

test('an error before the run has the time of a verbose log, unless it is quiet', async () => {
	const fatal = async (...args: readonly string[]) => (await runProgram([...args, '-c', '/dev/null/none'])).stderr;
	assert.match(await fatal('-v'), /^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d\.\d{6} FATAL: .*\n[^ ]+ [^ ]+\.\d{6} HINT: /);
	for (const args of [['-qv'], [], ['-v=false']]) assert.match(await fatal(...args), /^\S+ \d\d:\d\d:\d\d FATAL: /);
});

describe('--convert-legacy-config', () => {
	const convert = async (text: string, more: readonly string[] = []) => {
		const path = join(scratchDirectory('v1'), 'v1.conf');
		writeFileSync(path, text);
		return runProgram([...more, '--convert-legacy-config', path]);
	};

	test('the keys in their order, the last line without its newline; unknown ones as comments', async () => {
		const {code, stdout, stderr} = await convert(
			[
				'# a comment',
				'export PGBK_PORT=1',
				'PGBK_BACKUP_DIR="/back ups#1"  # said twice',
				"PGBK_TIMESTAMP='%Y-%m-%d_%H-%M-%S'",
				'PGBK_OPTS=("-Fp" -O --exclude-table=\'a b\' --format=directory)',
				'PGBK_DBLIST="db1  db2"',
				'PGBK_WITH_TEMPLATES=YES',
				'PGBK_FOO',
				'PGBK_UNKNOWN=3',
				'SIGNATURE_ALGO=sha256',
				'PGBK_PURGE=',
				'PGBK_PORT=5433',
			].join('\n'),
		);
		assert.equal(code, 0);
		assert.equal(
			stdout,
			`backup_directory = "/back ups#1"
timestamp_format = legacy
format = plain
format = directory
pg_dump_options = -O "--exclude-table=a b"
include_dbs = db1, db2
with_templates = false
# PGBK_FOO
# PGBK_UNKNOWN=3
checksum_algorithm = sha256
purge_older_than =${' '}
port = 5433
`,
		);
		assert.match(stderr, /PGBK_FOO has no value\n.*PGBK_UNKNOWN is not known\n$/);
	});

	test('beside --version both act', async () => {
		const {code, stdout} = await convert('PGBK_PORT=1\n', ['-V']);
		assert.deepEqual([code, stdout], [0, `${versionLine}port = 1\n`]);
	});

	test('a file that cannot be read', async () => {
		const {code, stdout, stderr} = await runProgram(['--convert-legacy-config', '/dev/null/none']);
		assert.deepEqual([code, stdout], [1, '']);
		assert.match(stderr, /could not convert configuration: /);
	});
});
