import assert from 'node:assert/strict';
import {test} from 'node:test';
import fc from 'fast-check';
import {readConfigFile} from '../../source/config/config-file.js';
import {convertLegacyConfig} from '../../source/config/legacy.js';

function output(text: string): string {
	return convertLegacyConfig(text).output;
}

test('every setting of pg_back 1 has its place today', () => {
	const text = `# pg_back 1
PGBK_BIN=/usr/lib/postgresql/15/bin # comment
PGBK_BACKUP_DIR="/var/x y"
PGBK_TIMESTAMP='%Y-%m-%d_%H-%M-%S'
  PGBK_PURGE=30\r
PGBK_PURGE_MIN_KEEP=all
PGBK_OPTS=("-Fc" "-O")
PGBK_DBLIST="a b  c"
PGBK_EXCLUDE='x'
PGBK_WITH_TEMPLATES="yes"
PGBK_STANDBY_PAUSE_TIMEOUT=60
PGBK_HOSTNAME=/tmp
PGBK_PORT=5433
PGBK_USERNAME=
PGBK_CONNDB="postgres"
PGBK_PRE_BACKUP_COMMAND="touch '/tmp/a # b'"
PGBK_POST_BACKUP_COMMAND=true
SIGNATURE_ALGO=sha256
export PGBK_PORT=1
OTHER=1`;
	assert.equal(
		output(text),
		`bin_directory = /usr/lib/postgresql/15/bin
backup_directory = "/var/x y"
timestamp_format = legacy
purge_older_than = 30
purge_min_keep = all
format = custom
pg_dump_options = -O
include_dbs = a, b, c
exclude_dbs = x
with_templates = true
pause_timeout = 60
host = /tmp
port = 5433
user =${' '}
dbname = "postgres"
pre_backup_hook = "touch '/tmp/a # b'"
post_backup_hook = true
checksum_algorithm = sha256
`,
	);
	const {values, problems} = readConfigFile(output(text), 'f');
	assert.deepEqual(problems, []);
	assert.deepEqual(values.get('preBackupHook')?.value, ['touch', '/tmp/a # b']);
	assert.equal(values.get('backupDirectory')?.value, '/var/x y');
});

test('options that end in a quotation of their own are kept', () => {
	assert.equal(output(`PGBK_OPTS='-Fp -T "a b"'`), 'format = plain\npg_dump_options = -T "a b"\n');
	assert.equal(output(`PGBK_OPTS="-T 'a b'"`), 'pg_dump_options = -T "a b"\n');
});

test('a last line without newline is kept', () => {
	assert.equal(output('PGBK_PORT=1'), 'port = 1\n');
});

test('other spellings of templates and time stamps', () => {
	assert.equal(
		output('PGBK_WITH_TEMPLATES=Yes\nPGBK_TIMESTAMP=%s\n'),
		'with_templates = false\ntimestamp_format = rfc3339\n',
	);
});

test('options of pg_dump: the format gets its own line, awkward words survive', () => {
	const cases: readonly (readonly [string, string])[] = [
		['("-Fc")', 'format = custom\npg_dump_options = \n'],
		['"-F d -j 2"', 'format = directory\npg_dump_options = -j 2\n'],
		['("--format=tar" "--format" "plain")', 'format = tar\nformat = plain\npg_dump_options = \n'],
		['()', 'pg_dump_options = \n'],
		['"-Fx -F"', 'pg_dump_options = -Fx -F\n'],
		['"-F x"', 'pg_dump_options = -F x\n'],
		[`("-O" "--exclude-table=a b")`, 'pg_dump_options = -O "--exclude-table=a b"\n'],
		[`("--comment=a#b")`, "pg_dump_options = `'--comment=a#b'`\n"],
		[`("--exclude-table=a b")`, "pg_dump_options = `'--exclude-table=a b'`\n"],
	];
	for (const [text, expected] of cases) assert.equal(output(`PGBK_OPTS=${text}\n`), expected, text);
});

test('what means nothing or would not load becomes a comment and a warning', () => {
	const cases: readonly (readonly [string, RegExp])[] = [
		['PGBK_FOO=1', /^PGBK_FOO is not known$/],
		['PGBK_FOO', /^PGBK_FOO has no value$/],
		['PGBK_PURGE=soon', /^PGBK_PURGE could not be converted: purge_older_than: .*neither/],
		['PGBK_OPTS=("-Fc)', /^PGBK_OPTS could not be converted: unterminated quote that begins at character 1$/],
		['PGBK_PURGE=%(jobs)s', /^PGBK_PURGE could not be converted: %\(jobs\)s would be expanded to the value of jobs$/],
		['PGBK_HOSTNAME=`hostname', /could not be converted: the value of host has an unterminated quote/],
		['PGBK_HOSTNAME=a\\', /could not be converted: the value continues on the next line/],
		['PGBK_PRE_BACKUP_COMMAND="  "', /contains only spaces/],
		['PGBK_\u001B[2J=1', /^PGBK_\\x1b/],
	];
	for (const [line, pattern] of cases) {
		const converted = convertLegacyConfig(`PGBK_PORT=1\n${line}\nPGBK_BIN=/b\n`);
		assert.match(converted.warnings.join('\n'), pattern, line);
		assert.match(converted.output, /^port = 1\n# [^\n\u001B]*\nbin_directory = \/b\n$/, line);
	}
});

test('what only a shell understands is copied with a warning, and a line that is omitted is named', () => {
	const cases: readonly (readonly [string, RegExp])[] = [
		['PGBK_BACKUP_DIR=$(pwd)/b', /^PGBK_BACKUP_DIR contains \$\(, which is copied unchanged/],
		['PGBK_BACKUP_DIR=/b/`hostname`', /^PGBK_BACKUP_DIR contains `/],
		['PGBK_HOSTNAME="$DBHOST"', /^PGBK_HOSTNAME contains \$DBHOST/],
		['PGBK_HOSTNAME="${DBHOST:-x}"', /^PGBK_HOSTNAME contains \$\{/],
		['PGBK_PRE_BACKUP_COMMAND="a && b"', /^PGBK_PRE_BACKUP_COMMAND contains &&, which is passed literally.* sh -c/],
		["PGBK_POST_BACKUP_COMMAND='a > /dev/null'", /^PGBK_POST_BACKUP_COMMAND contains >/],
		['PGBK_PORT=5432; echo', /^PGBK_PORT (?:contains ;|could not be converted)/],
		['PGBK_DBLIST="a', /^PGBK_DBLIST could not be converted: the list continues on the next line/],
		['b"', /^line 1 is omitted, .*: b"$/],
		['export PGBK_PORT=5433', /^line 1 is omitted, .*: export PGBK_PORT=5433$/],
		['. /etc/default/pg_back', /^line 1 is omitted/],
		['\u001B[2J', /^line 1 is omitted, .*: \\x1b/],
	];
	for (const [line, pattern] of cases) {
		const {warnings} = convertLegacyConfig(`${line}\n`);
		assert.equal(warnings.length, 1, `${line}: ${warnings.join(' | ')}`);
		assert.match(warnings[0] ?? '', pattern);
	}
});

test('what means the same without a shell is converted without a warning', () => {
	const silent = [
		'',
		'# a comment with $(shell) && more',
		"PGBK_USERNAME='$literal'",
		String.raw`PGBK_USERNAME="\$literal"`,
		'PGBK_DBLIST="a b" # ; | &',
		"PGBK_PRE_BACKUP_COMMAND='/usr/local/bin/before'",
		'PGBK_OPTS=("-Fc" "-T" "a|b")',
	];
	for (const line of silent) assert.deepEqual(convertLegacyConfig(`${line}\n`).warnings, [], line);
});

test('comments end a value outside quotes only', () => {
	const cases: readonly (readonly [string, string])[] = [
		['a # b', 'a'],
		[`'a # b' # c`, `'a # b'`],
		[String.raw`'it\'s # b' # c`, String.raw`'it\'s # b'`],
	];
	for (const [text, expected] of cases.slice(0, 3))
		assert.equal(output(`PGBK_USERNAME=${text}\n`), `user = ${expected}\n`, text);
});

test('for any file, the output loads and gives the same options', () => {
	const names = ['BIN', 'TIMESTAMP', 'PURGE', 'OPTS', 'DBLIST', 'WITH_TEMPLATES', 'PORT', 'PRE_BACKUP_COMMAND', 'FOO'];
	const value = fc.oneof(
		fc.string({unit: 'binary'}),
		fc.string({unit: fc.constantFrom(...Array.from(' \'"\\#;`%()s=-Fca\t'))}),
	);
	const line = fc.tuple(fc.constantFrom(...names), value).map(([name, text]) => `PGBK_${name}=${text}`);
	fc.assert(
		fc.property(fc.array(fc.oneof(line, value)), lines => {
			assert.deepEqual(readConfigFile(output(lines.join('\n')), 'f').problems, []);
		}),
		{numRuns: 1000},
	);
	const word = fc
		.string({minLength: 1, unit: fc.constantFrom(...Array.from(' \'\\#;`%()s=-ab"'))})
		.filter(text => !text.startsWith('-F') && !text.startsWith('--f'));
	fc.assert(
		fc.property(fc.array(word, {minLength: 1}), words => {
			const quoted = words.map(one => `"${one.replaceAll(/["\\]/g, String.raw`\$&`)}"`).join(' ');
			const text = output(`PGBK_OPTS=(${quoted} -O)\n`);
			fc.pre(text.startsWith('pg_dump_options'));
			assert.deepEqual(readConfigFile(text, 'f').values.get('pgDumpOptions')?.value, [...words, '-O']);
		}),
	);
});
