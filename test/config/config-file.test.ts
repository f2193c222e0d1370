import assert from 'node:assert/strict';
import {test} from 'node:test';
import fc from 'fast-check';
import {readConfigFile} from '../../source/config/config-file.js';
import {configKeys, options} from '../../source/config/options.js';
import {readValue} from '../../source/config/values.js';

/** The problems of a file, without their path. */
function problemsOf(text: string): readonly string[] {
	return readConfigFile(text, 'f').problems.map(problem => problem.text);
}

function valueOf(line: string): unknown {
	const {values, problems} = readConfigFile(`${line}\n`, 'f');
	assert.deepEqual(problems, [], line);
	return [...values.values()][0]?.value;
}

test('the first hundred problems have suggestions', () => {
	const many = problemsOf(Array.from({length: 300}, (_, index) => `[db${index}]\nformat_ = c\n`).join(''));
	assert.deepEqual(
		[many[99], many[100]].map(text => /did you mean/.test(text ?? '')),
		[true, false],
	);
});

test('values of every kind', () => {
	const cases: readonly (readonly [string, unknown])[] = [
		['host = db1', 'db1'],
		['encrypt = Yes', true],
		['encrypt = OFF', false],
		['delete_uploaded = "no"', false],
		['delete_uploaded = on', true],
		['jobs = 0x10', 16],
		['jobs = 017', 15],
		['parallel_backup_jobs = 0', 0],
		['pause_timeout = 0', 0],
		['exclude_dbs = a, b\\,c', ['a', 'b,c']],
		['pg_dump_options = -O "--comment=a b"', ['-O', '--comment=a b']],
		["pre_backup_hook = sh -c 'exit 0 # done'", ['sh', '-c', 'exit 0 # done']],
		['format = d', 'directory'],
		['format = plain', 'plain'],
		['checksum_algorithm = sha256', 'sha256'],
		['upload = S3', ['s3']],
		['upload = none', []],
		['upload = "sftp, S3"', ['sftp', 's3']],
		['timestamp_format = legacy', 'legacy'],
		['backup_file_mode = 0640', 0o640],
		['backup_file_mode = 0x1FF', 0o777],
		['backup_file_mode = 04755', 0o755],
		['backup_file_mode = -1', undefined],
		['backup_file_mode = 0', undefined],
		['purge_min_keep = all', Number.POSITIVE_INFINITY],
		['purge_min_keep = +3', 3],
		['purge_older_than = 5', 5 * 86_400_000],
		['purge_older_than = -1h', -3_600_000],
	];
	for (const [line, expected] of cases) assert.deepEqual(valueOf(line), expected, line);
});

test('an empty value means the default', () => {
	for (const key of configKeys.keys()) {
		if (key === 'with_blobs') continue;
		const section = options[configKeys.get(key)!].perDatabase === 'only' ? '[db]\n' : '';
		const file = readConfigFile(`${section}${key} =\n`, 'f');
		assert.deepEqual(file.problems, [], key);
		assert.equal(file.values.size, 0, key);
	}
	const {sections} = readConfigFile('[db]\npg_dump_options =\nuser =\n', 'f');
	assert.deepEqual(
		[...(sections.get('db') ?? [])].map(([name, {value}]) => [name, value]),
		[['pgDumpOptions', []]],
		'in a section no options are none',
	);
});

test('every bad value is a problem with its line, all at once', () => {
	const lines = [
		['encrypt = enabled', /encrypt: "enabled" is not a boolean/],
		['dump_only = maybe', /dump_only: "maybe" is not a boolean/],
		['jobs = abc', /jobs: "abc" is not a whole number/],
		['jobs = 0', /must be at least 1/],
		['jobs = 1.5', /is not a whole number/],
		['compress_level = 10', /must be in the range -1 to 9/],
		['compress_level = -2', /must be in the range -1 to 9/],
		['port = 65536', /must be in the range 0 to 65535/],
		['lock_wait_timeout = 2147484', /must be in the range 0 to 2147483/],
		['pause_timeout = -1', /must be at least 0/],
		['parallel_backup_jobs = -1', /must be at least 0/],
		['format = C', /format: "C" is not one of plain, custom, tar, directory/],
		['format = toString', /is not one of/],
		['checksum_algorithm = md5', /is not one of none, sha1/],
		['checksum_algorithm = sha25', /did you mean sha256\?/],
		['timestamp_format = RFC3339', /is not one of rfc3339, legacy/],
		['upload = s4', /is not one of none, s3, b2, sftp, gcs, azure.*, did you mean s3\?$/],
		['format = cusotm', /, did you mean custom\?$/],
		['encrypt = ture', /"ture" is not a boolean, use true or false, did you mean true\?$/],
		['encrypt = disabled', /, did you mean false\?$/],
		['s3_tls = offf', /, did you mean false\?$/],
		['encrypt = perhaps', /use true or false$/],
		['compress_level = zst:3', /, did you mean zstd\?$/],
		['compress_level = zstd:x', /such as gzip:6, lz4, zstd:3$/],
		['pause_timeout = 1 hour', /is neither a number of seconds nor a duration.*, did you mean 1h\?$/],
		['purge_min_keep = ALL', /, did you mean all\?$/],
		['purge_min_keep = 5.', /nor all$/],
		['backup_file_mode = 640', /, did you mean 0640\?$/],
		['backup_file_mode = 644', /is not a mode/],
		['backup_file_mode = 070000', /is not a mode/],
		['backup_file_mode = 0888', /is not a mode/],
		['backup_file_mode = -', /is not a mode/],
		['purge_min_keep = foo', /neither a whole number nor all/],
		['purge_min_keep = -1', /must not be negative/],
		['purge_older_than = 1d', /neither a number of days nor a duration/],
		["pg_dump_options = -O 'x", /unterminated quote/],
		['pre_backup_hook = "  "', /the value contains only spaces/],
		['post_backup_hook = "x', /unterminated quote/],
		['b2_concurrent_connections = 0', /must be at least 1/],
		['compres_level = 1', /unknown parameter compres_level, did you mean compress_level\?/],
		['decrypt = true', /unknown parameter decrypt: --decrypt is only allowed on the command line/],
		['schemas = a', /is only allowed in a section/],
		['nonsense', /expected "key = value"/],
		['host = a\0b', /NUL/],
	] as const;
	for (const [line, pattern] of lines) {
		const [problem = '', ...others] = problemsOf(`# c\n${line}\n`);
		assert.match(problem, pattern, line);
		assert.match(problem, /^f:2: /);
		assert.equal(others.length, 0, line);
	}
	const all = problemsOf(
		lines
			.map(([line]) => line)
			.filter(line => !/^(?:nonsense|jobs = 1\.5)/.test(line))
			.join('\n'),
	);
	assert.ok(all.length > 20);
	assert.deepEqual(
		all,
		all.toSorted((a, b) => Number(a.split(':')[1]) - Number(b.split(':')[1])),
		'in the order of the lines',
	);
});

test('bytes that are not UTF-8 change no value and no section in silence; comments may have them', () => {
	const bytes = Buffer.from(
		'# caf\xe9\nhost = h # \xe9\ncipher_pass = p\xe9ss\n[b\xe9b\xe9]\nformat = tar\nuser = \xe9\n',
		'latin1',
	);
	const {values, problems} = readConfigFile(new TextDecoder().decode(bytes), 'f');
	const why = 'is not valid UTF-8: convert the file with iconv';
	assert.deepEqual(
		problems.map(({text}) => text),
		[`f:3: cipher_pass: the value ${why}`, `f:5: the name of its section ${why}`, `f:6: user: the value ${why}`],
	);
	assert.equal(values.get('host')?.value, 'h');
});

test('a section takes the parameters of one database only', () => {
	const file = readConfigFile(
		'[my.db]\nformat = t\nparallel_backup_jobs = 2\ncompress_level = 3\nchecksum_algorithm = sha1\npurge_older_than = 1\npurge_min_keep = 2\nschemas = a, b\nexclude_schemas = c\ntables = d\nexclude_tables = e\npg_dump_options = -O\nwith_blobs = no\nuser = u\n',
		'f',
	);
	assert.deepEqual(file.problems, []);
	assert.deepEqual(
		Object.fromEntries([...(file.sections.get('my.db') ?? [])].map(([name, {value}]) => [name, value])),
		{
			format: 'tar',
			parallelBackupJobs: 2,
			compressLevel: 3,
			checksumAlgorithm: 'sha1',
			purgeOlderThan: 86_400_000,
			purgeMinKeep: 2,
			schemas: ['a', 'b'],
			excludeSchemas: ['c'],
			tables: ['d'],
			excludeTables: ['e'],
			pgDumpOptions: ['-O'],
			withBlobs: false,
			user: 'u',
		},
	);
	assert.deepEqual(problemsOf('[db]\njobs = 2\nformt = c\nwith_blobs = junk\n[e]\nwith_blobs =\n'), [
		'f:2: jobs is a parameter of the whole run and is not allowed in the section [db]',
		'f:3: unknown parameter formt, did you mean format?',
		'f:4: with_blobs: "junk" is not a boolean, use true or false',
		'f:6: with_blobs: "" is not a boolean, use true or false',
	]);
});

test('a refused secret is not repeated, and nothing from outside reaches the terminal raw', () => {
	const problem = readConfigFile(
		'cipher_pass = a\0secret\nexclude_dbs = \u001B[31m\njobs = \u001B]0;x\nformat = \u001B[2J\n',
		'f',
	).problems;
	assert.equal(problem.length, 3);
	assert.ok(
		problem.every(({text}) => !text.includes('secret') && !text.includes('\u001B')),
		JSON.stringify(problem),
	);
	for (const option of Object.values(options)) {
		if (option.secret === true) assert.equal(option.kind, 'string', 'a secret is never parsed');
	}
});

test('any text gives values or problems, never an error', () => {
	const line = fc.oneof(
		fc
			.tuple(fc.constantFrom(...configKeys.keys()), fc.string({unit: 'binary'}))
			.map(([key, text]) => `${key} = ${text}`),
		fc.string({unit: 'binary'}),
		fc.string().map(text => `[${text}]`),
	);
	fc.assert(
		fc.property(fc.array(line), lines => {
			for (const {text} of readConfigFile(lines.join('\n'), 'f').problems) assert.match(text, /^f:\d+: /);
		}),
	);
});

test('any text of any option is a value or one problem, from both sources', () => {
	fc.assert(
		fc.property(
			fc.constantFrom(...Object.values(options)),
			fc.string(),
			fc.constantFrom('file', 'command line'),
			(option, text, source) => {
				const {problem} = readValue(option, text, source);
				assert.ok(problem === undefined || (problem !== '' && !problem.endsWith('.')));
			},
		),
	);
});
