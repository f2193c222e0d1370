import assert from 'node:assert/strict';
import {chmod, mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, before, test} from 'node:test';
import {parseCommandLine} from '../../source/cli/parse.js';
import {type Configuration, loadConfiguration} from '../../source/config/configuration.js';
import {optionNames, options} from '../../source/config/options.js';
import {ProblemsError} from '../../source/core/errors.js';

let directory: string;
before(async () => {
	directory = await mkdtemp(join(tmpdir(), 'pg_back-config-'));
});
after(() => rm(directory, {recursive: true}));

type Given = {readonly file?: string | Uint8Array; readonly env?: Record<string, string>; readonly terminal?: boolean};

/** Loads as the program does; `file` is the text of the config file. */
async function load(argv: readonly string[], {file, env = {}, terminal}: Given = {}): Promise<Configuration> {
	const path = join(directory, 'pg_back.conf');
	if (file !== undefined) await writeFile(path, file, {mode: 0o600});
	const source = file === undefined ? ['--no-config-file'] : ['-c', path];
	return loadConfiguration({commandLine: await parseCommandLine([...source, ...argv]), env, terminal});
}

async function refused(argv: readonly string[], given: Given = {}): Promise<ProblemsError> {
	const error: unknown = await load(argv, given).then(
		() => undefined,
		(reason: unknown) => reason,
	);
	assert.ok(error instanceof ProblemsError, `${argv.join(' ')} should be refused: ${String(error)}`);
	return error;
}

test('without anything all defaults of the table count', async () => {
	const {settings, databases, forDatabase, origin, configFile, warnings} = await load([]);
	for (const name of optionNames) {
		if (options[name].perDatabase === 'only' || name === 'noConfigFile') continue;
		assert.deepEqual(settings[name as keyof typeof settings], options[name].default, name);
		assert.deepEqual(origin(name), {kind: 'default'});
	}
	assert.equal(databases.size, 0);
	assert.equal(configFile, undefined);
	assert.deepEqual(warnings, []);
	assert.deepEqual(forDatabase('x'), {...forDatabase('y')});
	assert.deepEqual(
		[forDatabase('x').schemas, forDatabase('x').withBlobs, forDatabase('x').format],
		[[], undefined, 'custom'],
	);
});

test('the command line beats the file, the file the defaults; each value has its origin', async () => {
	const {settings, origin, given, configFile} = await load(['-j', '3', '-D', 'x', 'db1', 'db1', 'db2'], {
		file: '\njobs = 2\nformat = tar\ninclude_dbs = a, b\nexclude_dbs = y\n',
	});
	assert.deepEqual(
		[settings.jobs, settings.format, settings.includeDbs, settings.excludeDbs],
		[3, 'tar', ['db1', 'db2'], ['x']],
	);
	assert.deepEqual(origin('jobs'), {kind: 'command line'});
	assert.deepEqual(origin('includeDbs'), {kind: 'command line'});
	assert.deepEqual(origin('format'), {kind: 'file', path: configFile, line: 3});
	assert.deepEqual([given('jobs'), given('format')], [true, false]);
	assert.deepEqual((await load([], {file: 'include_dbs = a, b, a\n'})).settings.includeDbs, ['a', 'b']);
});

test('a database section falls back to the merged global value, key by key', async () => {
	const file =
		'format = plain\nuser = global\npg_dump_options = -O\ncompress_level = 2\n[a]\nuser = own\ncompress_level = 5\n[b]\npg_dump_options =\nwith_blobs = yes\n';
	const {forDatabase, databases} = await load([], {file});
	assert.deepEqual([...databases.keys()], ['a', 'b']);
	assert.deepEqual([forDatabase('a').user, forDatabase('b').user, forDatabase('c').user], ['own', 'global', 'global']);
	assert.deepEqual([forDatabase('a').pgDumpOptions, forDatabase('b').pgDumpOptions], [['-O'], []]);
	assert.deepEqual([forDatabase('a').compressLevel, forDatabase('b').compressLevel], [5, 2]);
	assert.deepEqual([forDatabase('a').withBlobs, forDatabase('b').withBlobs], [undefined, true]);
	assert.equal(forDatabase('b').format, 'plain');
});

test('what the command line overrides reaches the sections too', async () => {
	const file =
		'user = global\n[a]\nuser = own\nformat = plain\nparallel_backup_jobs = 2\ncompress_level = 5\nchecksum_algorithm = sha1\npurge_older_than = 1\npurge_min_keep = 2\nschemas = s\n';
	const {forDatabase} = await load(['-U', 'me', '-Fd', '-J4', '-Z1', '-Ssha512', '-P3', '-Kall'], {file});
	for (const name of ['a', 'other']) {
		const {user, format, parallelBackupJobs, compressLevel, checksumAlgorithm, purgeOlderThan, purgeMinKeep} =
			forDatabase(name);
		assert.deepEqual(
			[user, format, parallelBackupJobs, compressLevel, checksumAlgorithm, purgeOlderThan, purgeMinKeep],
			['me', 'directory', 4, 1, 'sha512', 3 * 86_400_000, Number.POSITIVE_INFINITY],
		);
	}
	assert.deepEqual(forDatabase('a').schemas, ['s']);
});

test('which file is read', async () => {
	const missing = loadConfiguration({commandLine: await parseCommandLine(['-c', join(directory, 'none')]), env: {}});
	await assert.rejects(missing, {
		code: 'CONFIG',
		exitCode: 10,
		message: /could not load configuration file ".*none": no such file/,
	});
	for (const path of [directory, '']) {
		await assert.rejects(loadConfiguration({commandLine: await parseCommandLine(['-c', path]), env: {}}), {
			code: 'CONFIG',
			exitCode: 10,
		});
	}
	const odd = {get: () => Symbol('x')} as unknown as ReadonlyMap<'config', string>;
	await assert.rejects(
		loadConfiguration({commandLine: {values: odd, arguments: []}, env: {}}),
		error => !(error instanceof ProblemsError),
	);
});

test('UTF-16 with a byte order mark is read', async () => {
	const little = Buffer.from('\uFEFFhost = dé\n', 'utf16le');
	assert.equal((await load([], {file: little})).settings.host, 'dé');
	assert.equal((await load([], {file: Buffer.from(little).swap16()})).settings.host, 'dé');
	assert.equal((await load([], {file: '\uFEFFhost = dé\n'})).settings.host, 'dé');
});

test('all problems of file and command line come at once, with the exit status of the worse', async () => {
	const file = 'jobs = abc\nfoo\nupload = s3\n';
	const inFile = await refused([], {file});
	assert.equal(inFile.exitCode, 10);
	assert.equal(inFile.problems.length, 3);
	assert.match(
		inFile.problems.join('\n'),
		/pg_back\.conf:1: jobs: .*\n.*:2: .*\n.*pg_back\.conf:3: upload: s3 needs s3_bucket/,
	);
	assert.match(inFile.hint ?? '', /--check-config/);
	const onBoth = await refused(['--list-remote', 'sftp'], {file});
	assert.equal(onBoth.exitCode, 2);
	assert.equal(onBoth.problems.length, 4);
	assert.match(onBoth.problems.join('\n'), /--list-remote: sftp needs sftp_host/);
});

test('options that cannot be used together', async () => {
	const cases: readonly (readonly [readonly string[], RegExp])[] = [
		[['--encrypt', '--decrypt', '--cipher-pass', 'x'], /--encrypt and --decrypt cannot be used together/],
		[
			['--cipher-pass', 'x', '--cipher-public-key', 'y'],
			/--cipher-pass and --cipher-public-key cannot be used together/,
		],
		[
			['--cipher-pass', 'x', '--cipher-private-key', 'y'],
			/--cipher-pass and --cipher-private-key cannot be used together/,
		],
		[['--cipher-pass', 'x', '--cipher-pass-file', 'y'], /only one of cipher_pass, cipher_pass_file/],
		[['--stdout'], /--stdout needs --decrypt/],
		[['--download', 's3', '--s3-bucket', 'b'], /--download needs at least one file pattern/],
		[['-B', '/dev/null/none'], /--bin-directory: \/dev\/null\/none is not an existing directory/],
		[['-B', '/etc/passwd'], /is not an existing directory/],
	];
	for (const [argv, pattern] of cases) {
		const error = await refused(argv);
		assert.match(error.message, pattern);
		assert.equal(error.exitCode, 2);
	}
	await load(['--download', 's3', '--s3-bucket', 'b'], {terminal: true});
	await load(['--no-encrypt', '--decrypt', '--cipher-pass', 'x']);
	await load(['-B', '/']);
});

test('a command that has no dry run is refused with --dry-run, and never executed instead', async () => {
	for (const command of [
		...[['--swap-back', 'app'], ['--cleanup-restores'], ['--pin', 'x'], ['--unpin', 'x'], ['--verify', 'backup']],
		...[['--restore-drill', 'backup'], ['--resume-uploads'], ['--decrypt', '--cipher-pass', 'x', 'a']],
	]) {
		const error = await refused([...command, '--dry-run']);
		assert.equal(error.exitCode, 2);
		assert.match(error.message, new RegExp(`--dry-run and ${command[0] ?? ''} cannot be used together`));
	}
	await load(['--restore', 'backup', 'app', '--dry-run']);
	await load(['--purge', 'backup', '--purge-older-than', '3', '--dry-run']);
});

test('--swap-back and --cleanup-restores stand alone', async () => {
	for (const [argv, pattern] of [
		[['--swap-back', 'app', 'orders'], /--swap-back takes no names: orders/],
		[['--cleanup-restores', 'app'], /--cleanup-restores takes no names: app/],
		[['--swap-back', 'app', '--cleanup-restores'], /--swap-back and --cleanup-restores cannot be used together/],
		[['--restore', 'backup', '--swap-back', 'app'], /--swap-back and --restore cannot be used together/],
		[['--cleanup-restores', '--restore', 'backup'], /--cleanup-restores and --restore cannot be used together/],
	] as const) {
		const error = await refused(argv);
		assert.match(error.message, pattern);
		assert.equal(error.problems.length, 1, error.message);
		assert.equal(error.exitCode, 2);
	}
	await load(['--swap-back', 'app']);
	await load(['--cleanup-restores']);
});

test('encryption needs a key or a passphrase, from wherever', async () => {
	assert.match((await refused(['--encrypt'])).message, /--encrypt: needs cipher_public_key/);
	assert.equal((await refused([], {file: 'encrypt = yes\n'})).exitCode, 10);
	assert.match((await refused(['--decrypt'])).message, /--decrypt: needs cipher_private_key/);
	await load(['--decrypt'], {terminal: true});
	const fromVariable = await load(['--encrypt'], {env: {PGBK_CIPHER_PASS: 'x'}});
	assert.equal(fromVariable.settings.cipherPass, 'x');
	assert.deepEqual(fromVariable.origin('cipherPass'), {kind: 'environment', variable: 'PGBK_CIPHER_PASS'});
	assert.equal((await load(['--decrypt'], {env: {PGBK_CIPHER_PASS: 'x'}})).settings.cipherPass, 'x');
	for (const more of [
		['--cipher-public-key', 'k'],
		['--cipher-recipients-file', 'f'],
		['--cipher-pass-file', 'f'],
		['--cipher-pass-command', 'c'],
	]) {
		assert.equal(
			(await load(['--encrypt', ...more], {env: {PGBK_CIPHER_PASS: 'x'}})).settings.cipherPass,
			'',
			more.join(' '),
		);
	}
	for (const more of [
		['--cipher-private-key', 'k'],
		['--cipher-identity-file', 'f'],
	]) {
		assert.equal(
			(await load(['--decrypt', ...more], {env: {PGBK_CIPHER_PASS: 'x'}})).settings.cipherPass,
			'',
			more.join(' '),
		);
	}
	await load(['--decrypt', '--cipher-private-key', 'k'], {file: 'encrypt = true\n'});
});

test('a passphrase on the command line is refused with a public key in the file, and overrides its alternatives', async () => {
	const error = await refused(['--encrypt', '--cipher-pass', 'x'], {file: 'cipher_public_key = age1x\n'});
	assert.match(error.message, /a passphrase on the command line cannot be combined with cipher_public_key \(.*:1\)/);
	assert.equal(error.exitCode, 2);
	assert.match(
		(await refused(['--cipher-pass-file', 'x'], {file: 'cipher_recipients_file = r\n'})).message,
		/cipher_recipients_file/,
	);
	const {settings} = await load(['--decrypt', '--cipher-pass', 'x'], {
		file: 'cipher_public_key = age1x\ncipher_pass_file = f\n',
	});
	assert.deepEqual([settings.cipherPass, settings.cipherPassFile], ['x', '']);
	const both = await load([], {file: 'encrypt = true\ncipher_public_key = age1x\ncipher_pass = x\n'});
	assert.match(both.warnings.join(), /cipher_pass is not used for encryption/);
	const twice = await refused([], {file: 'cipher_pass = x\ncipher_pass_file = f\n'});
	assert.match(twice.message, /:2: cipher_pass_file: only one of/);
});

test('a command without a name is refused', async () => {
	const error = await refused(['--post-backup-hook', "'' x"], {file: `pre_backup_hook = "" a\n`});
	assert.match(error.message, /pg_back\.conf:1: pre_backup_hook: the name of the command is empty/);
	assert.match(error.message, /--post-backup-hook: the name of the command is empty/);
});

test('each store needs its settings, from file, command line or environment', async () => {
	const cases: readonly (readonly [string, readonly string[], readonly string[]])[] = [
		['s3', ['s3_bucket'], ['--s3-bucket', 'b']],
		['b2', ['b2_bucket', 'b2_key_id', 'b2_app_key'], ['--b2-bucket', 'b', '--b2-key-id', 'i', '--b2-app-key', 'k']],
		['sftp', ['sftp_host'], ['--sftp-host', 'h']],
		['gcs', ['gcs_bucket'], ['--gcs-bucket', 'b']],
		['azure', ['azure_container', 'azure_account'], ['--azure-container', 'c', '--azure-account', 'a']],
		['local', ['local_directory'], ['--local-directory', '/mnt']],
	];
	for (const [store, missing, enough] of cases) {
		const error = await refused(['--upload', store]);
		assert.deepEqual(error.problems.length, missing.length);
		for (const key of missing) assert.match(error.message, new RegExp(`--upload: ${store} needs ${key}`));
		const {settings} = await load([...enough], {file: `upload = ${store.toUpperCase()}\n`});
		assert.deepEqual(settings.upload, [store]);
		await load(['--list-remote', store, ...enough]);
	}
	assert.match(
		(await refused(['--upload', 's3', '--s3-bucket', 'b', '--s3-key-id', 'i'])).message,
		/both or none of s3_key_id and s3_secret/,
	);
	assert.match(
		(await refused(['--upload', 'sftp', '--sftp-host', 'h', '--sftp-port', '0'])).message,
		/0 in sftp_port is not a port/,
	);
	assert.match(
		(await refused(['--upload', 'sftp', '--sftp-host', 'h', '--sftp-port', 'ssh'])).message,
		/is not a port/,
	);
	await load(['--upload', 'sftp', '--sftp-host', 'h', '--sftp-port', '22']);
	await load([
		'--upload',
		'azure',
		'--azure-container',
		'c',
		'--azure-endpoint',
		'https://a.blob.core.windows.net/?sv=1',
	]);
	await load(['--upload', 'azure', '--azure-container', 'c'], {env: {AZURE_STORAGE_CONNECTION_STRING: 'x'}});
	const fromVariables = await load(['--upload', 'azure', '--azure-container', 'c'], {
		env: {AZURE_STORAGE_ACCOUNT: 'a', AZURE_STORAGE_KEY: 'k', PGBK_SSH_PASS: 'p'},
	});
	assert.deepEqual(
		[fromVariables.settings.azureAccount, fromVariables.settings.azureKey, fromVariables.settings.sftpPassword],
		['a', 'k', 'p'],
	);
	await load(['--upload', 'b2', '--b2-bucket', 'b'], {env: {B2_APPLICATION_KEY_ID: 'i', B2_APPLICATION_KEY: 'k'}});
	assert.match((await load(['--b2-force-path', 'yes'])).warnings.join(), /b2_force_path has no effect/);
});

test('store flags on the command line count when the file chooses the store', async () => {
	const file = 'upload = s3\ns3_bucket = b\ns3_force_path = yes\ns3_tls = yes\nb2_concurrent_connections = 9\n';
	const {settings} = await load(['--s3-force-path', 'no', '--s3-tls=NO'], {file});
	assert.deepEqual([settings.s3ForcePath, settings.s3Tls, settings.b2ConcurrentConnections], [false, false, 9]);
});

test('secrets that others can read are warned of', async () => {
	const {warnings} = await load(['--cipher-pass', 'x', '--s3-secret', 'y', '-d', 'postgres://u:p@h/d']);
	assert.equal(warnings.length, 2);
	assert.match(warnings.join('\n'), /^--cipher-pass on the command line is visible .* use cipher_pass in/);
	const path = join(directory, 'pg_back.conf');
	await writeFile(path, 'cipher_pass = x\nhost = h\n');
	const open = async (mode: number) => {
		await chmod(path, mode);
		return (await loadConfiguration({commandLine: await parseCommandLine(['-c', path]), env: {}})).warnings;
	};
	assert.match(
		(await open(0o644)).join(),
		/pg_back\.conf holds secrets \(cipher_pass\) and is readable by other users/,
	);
	assert.deepEqual(await open(0o600), []);
	await writeFile(path, 'host = h\n');
	assert.deepEqual(await open(0o644), []);
});
