/** Where credentials come from: environment, files and agents of the vendors' own tools, and what ssh is told. */
import assert from 'node:assert/strict';
import {mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {createServer, type IncomingMessage} from 'node:http';
import type {AddressInfo} from 'node:net';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {type Ended, filesIn, scratchDirectory} from '../helpers/program.js';
import {startS3Server, testCredential} from '../helpers/s3-server.js';
import {type Sshd, sshdMissing, startSshd} from '../helpers/sshd.js';
import {startFaultyServer} from '../helpers/sshd-faults.js';
import {type ConfiguredOptions, runConfigured, s3Settings} from './remote-places.js';

let cluster: Cluster;

before(async () => {
	cluster = await startCluster({name: 'credentials'});
});
after(async () => cluster.stop());

const run = (lines: readonly string[], args: readonly string[], options: ConfiguredOptions = {}): Promise<Ended> =>
	runConfigured(cluster, lines, args, options);

const connect = ['--check-config=connect'];

describe('credentials are found where the vendor’s own tools find them', () => {
	const bare = (url: string) => s3Settings(url).filter(line => !/^s3_(key_id|secret|region)/.test(line));

	const chains: readonly (readonly [string, readonly string[], (url: string) => Promise<Record<string, string>>])[] = [
		[
			'AWS: environment',
			[],
			() =>
				Promise.resolve({
					AWS_ACCESS_KEY_ID: testCredential.keyId,
					AWS_SECRET_ACCESS_KEY: testCredential.secret,
					AWS_REGION: 'us-east-1',
				}),
		],
		[
			'AWS: a profile of the shared files',
			['s3_profile = backups'],
			() => {
				const home = scratchDirectory('home');
				mkdirSync(join(home, '.aws'));
				writeFileSync(
					join(home, '.aws/credentials'),
					`[backups]\naws_access_key_id = ${testCredential.keyId}\naws_secret_access_key = ${testCredential.secret}\n`,
				);
				writeFileSync(join(home, '.aws/config'), '[profile backups]\nregion = us-east-1\n');
				return Promise.resolve({HOME: home});
			},
		],
		[
			'AWS: a credential process',
			[],
			() => {
				const home = scratchDirectory('home');
				mkdirSync(join(home, '.aws'));
				const answer = {Version: 1, AccessKeyId: testCredential.keyId, SecretAccessKey: testCredential.secret};
				writeFileSync(join(home, 'answer'), JSON.stringify(answer));
				writeFileSync(
					join(home, '.aws/config'),
					`[default]\nregion = us-east-1\ncredential_process = /bin/cat ${home}/answer\n`,
				);
				return Promise.resolve({HOME: home});
			},
		],
	];
	for (const [what, lines, envOf] of chains) {
		test(what, async () => {
			const server = await startS3Server();
			try {
				const {code, stderr} = await run([...bare(server.url), 'upload = s3', ...lines], connect, {
					env: await envOf(server.url),
				});
				assert.equal(code, 0, stderr);
			} finally {
				await server.close();
			}
		});
	}

	test('AWS: web identity, exchanged at the token service', async () => {
		const server = await startS3Server({credentials: [{...testCredential, token: 'session'}]});
		const seen: string[] = [];
		const sts = createServer((request: IncomingMessage, response) => {
			let body = '';
			request.on('data', (chunk: Buffer) => (body += chunk.toString()));
			request.on('end', () => {
				seen.push(body);
				response.writeHead(200, {'content-type': 'text/xml'});
				response.end(
					`<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>${testCredential.keyId}</AccessKeyId><SecretAccessKey>${testCredential.secret}</SecretAccessKey><SessionToken>session</SessionToken><Expiration>${new Date(Date.now() + 3_600_000).toISOString()}</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`,
				);
			});
		});
		await new Promise<void>(resolve => sts.listen(0, '127.0.0.1', resolve));
		try {
			const home = scratchDirectory('home');
			writeFileSync(join(home, 'token'), 'the.web.token');
			const env = {
				HOME: home,
				AWS_REGION: 'us-east-1',
				AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/backup',
				AWS_WEB_IDENTITY_TOKEN_FILE: join(home, 'token'),
				AWS_ENDPOINT_URL_STS: `http://127.0.0.1:${(sts.address() as AddressInfo).port}`,
			};
			const {code, stderr} = await run([...bare(server.url), 'upload = s3'], connect, {env});
			assert.equal(code, 0, stderr);
			assert.match(seen.join('\n'), /the\.web\.token/);
		} finally {
			sts.close();
			await server.close();
		}
	});

	describe('ssh', {skip: sshdMissing}, () => {
		let sshd: Sshd;
		before(async () => {
			sshd = await startSshd();
		});
		after(async () => sshd.stop());

		test('~/.ssh/config: Host, HostName, Port, User, IdentityFile, UserKnownHostsFile', async () => {
			const home = scratchDirectory('home');
			mkdirSync(join(home, '.ssh'), {mode: 0o700});
			writeFileSync(
				join(home, '.ssh/config'),
				`Host nas\n  HostName ${sshd.host}\n  Port ${sshd.port}\n  User ${sshd.user}\n  IdentityFile ${sshd.clientKey}\n  UserKnownHostsFile ${sshd.knownHosts}\n`,
			);
			const {code, stderr} = await run(['upload = sftp', 'sftp_host = nas', 'sftp_directory = x'], connect, {
				env: {HOME: home},
			});
			assert.equal(code, 0, stderr);
		});

		test('an unknown host key, and one that has changed: refused, both times before anything is sent', async () => {
			const home = scratchDirectory('home');
			mkdirSync(join(home, '.ssh'), {mode: 0o700});
			const lines = [
				'upload = sftp',
				`sftp_host = ${sshd.host}`,
				`sftp_port = ${sshd.port}`,
				`sftp_user = ${sshd.user}`,
				`sftp_identity = ${sshd.clientKey}`,
			];
			const unknown = await run(lines, connect, {env: {HOME: home}});
			assert.equal(unknown.code, 14, unknown.stderr);
			assert.match(unknown.stderr, /host key .*not known|unknown|no host key|is not in/i);
			const other = await startSshd();
			writeFileSync(
				join(home, '.ssh/known_hosts'),
				readFileSync(other.knownHosts, 'utf8').replaceAll(String(other.port), String(sshd.port)),
			);
			await other.stop();
			const directory = scratchDirectory('settings');
			const changed = await run(lines, ['--dump-only', 'postgres'], {env: {HOME: home}, directory});
			assert.equal(changed.code, 14, changed.stderr);
			assert.match(changed.stderr, /changed|does not match|another/i);
			assert.ok(
				filesIn(directory).some(name => /^postgres_.*\.dump$/.test(name)),
				'the dump is here all the same',
			);
			assert.deepEqual(
				filesIn(sshd.home).filter(name => /postgres|\.part/.test(name)),
				[],
			);
		});
	});

	test('PGBK_SSH_PASS', async () => {
		const server = await startFaultyServer({password: 'open sesame'});
		try {
			const lines = [
				'upload = sftp',
				'sftp_host = 127.0.0.1',
				`sftp_port = ${server.port}`,
				'sftp_user = u',
				'sftp_ignore_hostkey = yes',
			];
			const good = await run(lines, connect, {env: {PGBK_SSH_PASS: 'open sesame'}});
			assert.equal(good.code, 0, good.stderr);
			const wrong = await run(lines, connect, {env: {PGBK_SSH_PASS: 'guess'}});
			assert.equal(wrong.code, 14, wrong.stderr);
			assert.ok(!/guess|sesame/.test(wrong.stderr + wrong.stdout));
		} finally {
			await server.stop();
		}
	});
});
