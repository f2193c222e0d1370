import assert from 'node:assert/strict';
import {readFile} from 'node:fs/promises';
import {test} from 'node:test';
import fc from 'fast-check';
import {parseCommandLine} from '../../source/cli/parse.js';
import {readConfigFile} from '../../source/config/config-file.js';
import {loadConfiguration} from '../../source/config/configuration.js';
import {type AnyValue, configKeys, type OptionName, options} from '../../source/config/options.js';
import {describeConfiguration, formatValue, readDefaultConfig} from '../../source/config/print.js';
import {scratch} from './scratch.js';

test('effective options with their origin, secrets masked', async t => {
	const path = await scratch(
		t,
		'jobs = 4\npurge_min_keep = all\npurge_older_than = 36h\nbackup_file_mode = -1\nexclude_dbs = "a\\,b, c"\ncipher_pass = hunter2\ndbname = host=h password=hunter2 user=u\n[my.db]\nuser = u2\n',
	);
	const argv = await parseCommandLine(['-c', path, '-F', 'p', '--s3-secret=hunter2', '--dry-run']);
	const text = describeConfiguration(
		await loadConfiguration({commandLine: argv, env: {PGBK_SSH_PASS: 'hunter2'}}),
	).join('\n');
	assert.ok(!text.includes('hunter2'), text);
	for (const pattern of [
		/^jobs = 4 +# .*:1$/m,
		/^format = plain +# command line$/m,
		/^host = +# default$/m,
		/^purge_min_keep = all /m,
		/^purge_older_than = 129600s /m,
		/^backup_file_mode = -1 /m,
		/^exclude_dbs = a\\,b, c /m,
		/^cipher_pass = \*{8} /m,
		/^sftp_password = \*{8} +# environment PGBK_SSH_PASS$/m,
		/^dbname = host=h password=\*{8} user=u /m,
		/^--dry-run = true /m,
		/^\[my\.db\]\nuser = u2$/m,
	]) {
		assert.match(text, pattern);
	}
});

test('passwords inside connection strings and addresses are hidden', () => {
	const cases: readonly (readonly [string, string])[] = [
		['mydb', 'mydb'],
		['host=h dbname=d', 'host=h dbname=d'],
		["password = 'se\\'cret' host=h", 'password = ******** host=h'],
		['password=se\\ cret&x host=h', 'password=******** host=h'],
		['sslpassword=secret', 'sslpassword=********'],
		['postgresql://u:secret@h:1/d?x=1', 'postgresql://u:********@h:1/d?x=1'],
		['postgres://u:se/cr@et@h/d', 'postgres://u:********@h/d'],
		[
			'postgresql://h/d?user=u&password=secret&sslmode=require',
			'postgresql://h/d?user=u&password=********&sslmode=require',
		],
		['https://a.blob.core.windows.net/?sv=1&sig=secret', 'https://a.blob.core.windows.net/********'],
		['blob.core.windows.net', 'blob.core.windows.net'],
	];
	for (const [text, shown] of cases) assert.equal(formatValue(options.dbname, text), shown);
});

test('a value that is printed reads back as the same value', () => {
	const name = fc.constantFrom<OptionName>(
		'jobs',
		'excludeDbs',
		'pgDumpOptions',
		'backupFileMode',
		'purgeMinKeep',
		'purgeOlderThan',
		'encrypt',
		'format',
	);
	const word = fc.string({minLength: 1, unit: 'grapheme-ascii'}).filter(text => text === text.trim());
	const values: Partial<Record<OptionName, fc.Arbitrary<AnyValue>>> = {
		jobs: fc.integer({min: 1}),
		excludeDbs: fc.array(word, {minLength: 1}),
		pgDumpOptions: fc.array(word, {minLength: 1}),
		backupFileMode: fc.option(fc.integer({min: 1, max: 0o777}), {nil: undefined}),
		purgeMinKeep: fc.oneof(fc.nat(), fc.constant(Number.POSITIVE_INFINITY)),
		purgeOlderThan: fc.integer({min: -1e9, max: 1e9}).map(seconds => seconds * 1000),
		encrypt: fc.boolean(),
		format: fc.constantFrom('plain', 'custom', 'tar', 'directory'),
	};
	fc.assert(
		fc.property(
			name.chain(one => fc.tuple(fc.constant(one), values[one]!)),
			([one, value]) => {
				const text = formatValue(options[one], value);
				fc.pre(!text.includes('`') && !text.includes('%('));
				const {values: read, problems} = readConfigFile(`${options[one].key!} = \`${text}\`\n`, 'f');
				assert.deepEqual(problems, []);
				assert.deepEqual(read.get(one)?.value, value);
			},
		),
	);
});

test('the shipped file is printed to the letter, loads, and loads with every key active', async () => {
	const text = readDefaultConfig();
	assert.equal(text, await readFile(new URL('../../pg_back.conf', import.meta.url), 'utf8'));
	const shipped = readConfigFile(text, 'f');
	assert.deepEqual(shipped.problems, []);
	for (const [name, {value}] of shipped.values) assert.deepEqual(value, options[name].default, name);
	const active = readConfigFile(text.replaceAll(/^# (?=\w+ =|\[)/gm, ''), 'f');
	assert.deepEqual(active.problems, []);
	assert.equal(active.sections.size, 1);
	const missing = [...configKeys.keys()].filter(key => !new RegExp(`^(?:# )?${key} =`, 'm').test(text));
	assert.deepEqual(missing, [], 'keys that the file does not mention');
});
