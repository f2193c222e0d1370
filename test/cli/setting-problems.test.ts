import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, test} from 'node:test';
import {generateIdentity, identityToRecipient} from 'age-encryption';
import {parseCommandLine} from '../../source/cli/parse.js';
import {settingProblems} from '../../source/cli/setting-problems.js';
import {loadConfiguration} from '../../source/config/configuration.js';
import {ProblemsError} from '../../source/core/errors.js';

const directory = mkdtempSync(join(tmpdir(), 'pg_back-problems-'));
after(() => rmSync(directory, {recursive: true}));
const file = (name: string, text: string): string => {
	const path = join(directory, name);
	writeFileSync(path, text, {mode: 0o600});
	return path;
};

const identity = await generateIdentity();
const recipient = await identityToRecipient(identity);

async function problemsOf(text: string, ...argv: readonly string[]): Promise<readonly string[]> {
	const path = file('pg_back.conf', text);
	const commandLine = await parseCommandLine(['-c', path, ...argv]);
	try {
		await loadConfiguration({commandLine, env: {}, check: settingProblems});
		return [];
	} catch (error) {
		assert.ok(error instanceof ProblemsError, String(error));
		assert.ok(!error.message.includes(identity.slice(0, -4)), 'shows a secret');
		return error.problems.map(problem => problem.replaceAll(`${directory}/`, ''));
	}
}

test('keys and connection strings are told with all other problems, each with its place', async () => {
	const recipients = file('recipients', `# team\n${recipient}\nage1oops\n\nhunter2\n`);
	const identities = file('identities', `# mine\n${identity}\n${identity.slice(0, -3)}\nAGE-PLUGIN-X-1QQ\n`);
	const found = await problemsOf(
		[
			'jobs = many',
			'encrypt = on',
			'dbname = "host=x user=y zzz=1"',
			`cipher_public_key = age1nope, ${recipient}, ${identity}`,
			`cipher_recipients_file = ${recipients}, ${join(directory, 'absent')}`,
			`cipher_private_key = ${identity.slice(0, -3)}`,
			`cipher_identity_file = ${identities}`,
			'',
		].join('\n'),
		'--check-config',
	);
	assert.deepEqual(
		found.map(problem => problem.replace(/ \(.*/, '')),
		[
			'pg_back.conf:1: jobs: "many" is not a whole number',
			'pg_back.conf:3: dbname: invalid connection string: unknown keyword "zzz" at character 15',
			'pg_back.conf:4: cipher_public_key: malformed public key age1nope',
			'pg_back.conf:4: cipher_public_key: this is a private key, expected a public key',
			'pg_back.conf:5: cipher_recipients_file: recipients:3: malformed public key age1oops',
			'pg_back.conf:5: cipher_recipients_file: recipients:5: malformed public key',
			'pg_back.conf:5: cipher_recipients_file: could not read absent: no such file or directory',
			'pg_back.conf:6: cipher_private_key: malformed private key',
			'pg_back.conf:7: cipher_identity_file: identities:3: malformed private key',
			'pg_back.conf:7: cipher_identity_file: identities:4: a key of an age plugin is not supported',
		],
	);
});

test('on the command line the option is named, and its place is the command line', async () => {
	const argv = ['--encrypt', '--cipher-public-key', 'age1x', '--upload', 's3', '-d', 'postgresql://h?x'];
	assert.deepEqual(
		(await problemsOf('', ...argv)).map(problem => problem.replace(/ \(.*/, '')),
		[
			'--upload: s3 needs s3_bucket',
			'--dbname: invalid connection string: the parameter "x" has no "=" at character 16',
			'--cipher-public-key: malformed public key age1x',
		],
	);
	assert.match(
		(await problemsOf('', '--decrypt', '--cipher-private-key', 'hunter2')).join(),
		/^--cipher-private-key: mal/,
	);
});

test('public keys of both sorts beside each other', async () => {
	const quantum = `age1pq1${'q'.repeat(20)}`;
	assert.match(
		(await problemsOf(`encrypt = 1\ncipher_public_key = ${recipient},${quantum}\n`)).join(),
		/:2: .*malformed/,
	);
	const {generateHybridIdentity} = await import('age-encryption');
	const good = await identityToRecipient(await generateHybridIdentity());
	assert.match(
		(await problemsOf(`encrypt = 1\ncipher_public_key = ${recipient},${good}\n`)).join(),
		/:2: cipher_public_key: post-quantum and classic public keys cannot be mixed/,
	);
});

test('what this run does not use is not looked at', async () => {
	const bad = 'cipher_public_key = age1x\ncipher_private_key = x\ndbname = a=b\n';
	assert.equal((await problemsOf(bad)).length, 1, 'a backup without encryption: the connection');
	assert.equal((await problemsOf(bad, '--encrypt')).length, 2);
	assert.equal((await problemsOf(bad, '--decrypt')).length, 1, 'the private key');
	assert.equal((await problemsOf(bad, '--list-remote', 's3', '--s3-bucket', 'b')).length, 0);
	assert.equal((await problemsOf(`${bad}verify = full\n`)).length, 2, 'dumps are read back with the private key');
	assert.equal((await problemsOf('dbname = mydb\n')).length, 0);
});

test('a pipe is left for when it is needed, and so is a file of keys with a passphrase', async () => {
	const pipe = join(directory, 'pipe');
	execFileSync('mkfifo', [pipe]);
	const locked = file('locked', 'age-encryption.org/v1\n-> scrypt x 18\n');
	assert.deepEqual(await problemsOf(`cipher_identity_file = ${pipe}, ${locked}\n`, '--decrypt'), []);
	assert.deepEqual(await problemsOf(`encrypt = on\ncipher_recipients_file = ${pipe}\n`), []);
});

test('addresses that a run would refuse are problems of --check-config, without their secrets', async () => {
	const s3 = 'upload = s3\ns3_bucket = b\ns3_key_id = a\ns3_secret = b\n';
	const cases: readonly (readonly [text: string, problem: RegExp])[] = [
		...['ftp://x', 'https://', 'a b', 'h:99999', 'ftp://u:hunter2@h'].map(
			endpoint => [`${s3}s3_endpoint = ${endpoint}\n`, /:5: s3_endpoint: s3: s3_endpoint is not an http/] as const,
		),
		[`${s3}s3_region = eu west\n`, /:5: s3_region: s3: "eu west" is not the name of a region/],
		['upload = s3\ns3_bucket = a/b\ns3_region = x\n', /:2: s3_bucket: s3: s3_bucket is not the name of a bucket/],
		['gcs_bucket = b\ngcs_endpoint = ftp://x\n', /:2: gcs_endpoint: gcs: /],
		['gcs_bucket = b\ngcs_keyfile = /nonexistent\n', /:2: gcs_keyfile: gcs: .*no such file/],
		['azure_container = c\nazure_connection_string = foo\n', /azure: /],
		['sftp_host = h\nsftp_password = x\nsftp_host_key_fingerprint = foo\n', /: sftp: not a SHA256 fingerprint/],
		['upload = sftp\nsftp_host = h/x\nsftp_password = x\n', /sftp h\/x in sftp_host is not a host name/],
		...['ftp://x', 'h', '/x', 'https://'].map(
			url => [`health_url = ${url}\n`, /:1: health_url: is not an http:\/\/ or https:\/\/ URL$/] as const,
		),
	];
	for (const [text, problem] of cases) {
		const found = await problemsOf(text, '--check-config');
		assert.equal(found.length, 1, `${text}${found.join('\n')}`);
		assert.match(found[0] ?? '', problem);
		assert.doesNotMatch(found[0] ?? '', /hunter2/);
	}
	const good = `${s3}s3_endpoint = minio.example:9000\nhealth_url = https://hc.example/x\ngcs_bucket = b\nazure_container = c\nazure_account = acc\nazure_key = c2VjcmV0\nsftp_host = h\nsftp_password = x\nlocal_directory = /nonexistent\n`;
	assert.deepEqual(await problemsOf(good, '--check-config'), []);
});
