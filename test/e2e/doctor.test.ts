/** `--doctor`, and the help by topics. */
import assert from 'node:assert/strict';
import {chmodSync, readdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {helpText, topicNames, topicText} from '../../source/cli/help.js';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {connectTo, newAgeKeys, runProgram, scratchDirectory} from '../helpers/program.js';

let server: Cluster;
before(async () => {
	server = await startCluster({name: 'doctor'});
});
after(() => server.stop());

describe('the doctor', () => {
	test('finds nothing wrong after a good backup: 0, one page', async () => {
		const directory = scratchDirectory('doctor');
		const {identity, recipient} = await newAgeKeys();
		const keyFile = join(scratchDirectory('key'), 'key.txt');
		writeFileSync(keyFile, `${identity}\n`, {mode: 0o600});
		const remote = scratchDirectory('remote');
		const words = [
			...connectTo(server, directory),
			...['--encrypt', '--cipher-public-key', recipient, '--upload', 'local', '--local-directory', remote],
		];
		assert.equal((await runProgram(words)).code, 0);
		const {code, stdout, stderr} = await runProgram([...words, '--doctor', '--cipher-identity-file', keyFile]);
		// The tools of this host may have known vulnerabilities, which is a warning.
		assert.ok(
			code === 0 || (code === 1 && /WARNING +tools: .*known vulnerabilities/.test(stdout)),
			`${stdout}${stderr}`,
		);
		for (const pattern of [
			/^PG_BACK (OK|WARNING) - /,
			/^OK +server: PostgreSQL \d+/m,
			/^OK +tools: \/.*pg_dump/m,
			/^OK +clock: /m,
			/^OK +backup directory: .*is writable/m,
			/^OK +remote local: .*can be written, read, listed and purged/m,
			/^OK +keys: the configured private key decrypts new dumps/m,
			/^OK +newest dumps: \d+ databases?, oldest good backup/m,
			/^OK +files: no file in /m,
		])
			assert.match(stdout, pattern);
		const dump = readdirSync(directory).find(name => name.startsWith('postgres_')) ?? '';
		chmodSync(join(directory, dump), 0o644);
		const open = await runProgram([...words, '--doctor', '--cipher-identity-file', keyFile]);
		assert.equal(open.code, 1, open.stdout);
		assert.match(
			open.stdout,
			/^WARNING +files: 1 file with more permissions than backup_file_mode, such as postgres_/m,
		);
	});

	test('a backup directory that a backup would create is not a problem', async () => {
		const directory = join(scratchDirectory('doctor'), 'later');
		const {stdout} = await runProgram([...connectTo(server, directory), '--doctor']);
		assert.match(stdout, /^OK +backup directory: \S+ will be created in /m);
		assert.match(stdout, /^(?:OK|WARNING) +disk: .* free of /m);
		assert.match(stdout, /^OK +files: /m);
	});

	test('names what is wrong and goes on: a wrong key, no server, no dump: 2', async () => {
		const [ours, other] = [await newAgeKeys(), await newAgeKeys()];
		const keyFile = join(scratchDirectory('key'), 'key.txt');
		writeFileSync(keyFile, `${other.identity}\n`, {mode: 0o600});
		const {code, stdout} = await runProgram([
			...['--no-config-file', '-h', '/nonexistent', '-p', '1', '-b', scratchDirectory('doctor'), '--doctor'],
			...['--encrypt', '--cipher-public-key', ours.recipient, '--cipher-identity-file', keyFile],
		]);
		assert.equal(code, 2, stdout);
		assert.match(stdout, /^PG_BACK CRITICAL - /);
		assert.match(stdout, /^CRITICAL +server: .*\n {10}\S/m);
		assert.match(stdout, /^CRITICAL +keys: .*no private key matches/m);
		assert.match(stdout, /^OK +backup directory: /m);
		assert.match(stdout, /^WARNING +newest dumps: there is no backup/m);
	});
});

describe('the help', () => {
	test('fits the terminal, between 60 and 120 columns', () => {
		for (const [columns, widest] of [
			[20, 60],
			[80, 80],
			[300, 120],
		] as const) {
			// Examples are command lines to copy, and an option is not broken apart from its value.
			const unbroken = /^ {2}(?:\S| {4}--\S+$|-\S, --\S+(?: \S+)?$)/;
			const lines = helpText(columns).split('\n');
			const wide = lines.filter(line => line.length > widest && !unbroken.test(line));
			assert.deepEqual(wide, [], String(columns));
		}
	});

	test('has a topic for each heading and each option', async () => {
		for (const topic of topicNames()) assert.ok(topicText(topic), topic);
		assert.match(topicText('jobs') ?? '', /--jobs N/);
		assert.match(topicText('--upload_jobs'.replace('--', '')) ?? '', /--upload-jobs/);
		const {code, stdout, stderr} = await runProgram(['--help', 'retention']);
		assert.deepEqual([code, stderr], [0, '']);
		assert.match(stdout, /^Retention:\n/);
		assert.doesNotMatch(stdout, /--host/);
	});

	test('is whole for a topic that does not exist, with a warning', async () => {
		const {code, stdout, stderr} = await runProgram(['--help', 'nosuch']);
		assert.equal(code, 0);
		assert.match(stdout, /--host/);
		assert.match(stderr, /WARN: no help topic nosuch; topics are /);
	});

	test('a word that other programs take as a command names a database, and the hint says what to write', async () => {
		const {code, stderr} = await runProgram([...connectTo(server, scratchDirectory('help')), 'help']);
		assert.equal(code, 1);
		assert.match(stderr, /database "help" does not exist/);
		assert.match(stderr, /HINT: .*pg_back --help/);
	});
});
