/** Settings that cannot work, --check-config=connect, hostile keys, and what much data costs. */
import assert from 'node:assert/strict';
import {existsSync, mkdirSync, symlinkSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {startGcsServer} from '../helpers/gcs-server.js';
import {type Ended, filesIn, newAgeKeys, scratchDirectory} from '../helpers/program.js';
import {recordingTools} from '../helpers/recorder.js';
import {startS3Server, testCredential} from '../helpers/s3-server.js';
import {type ConfiguredOptions, placeKinds, runConfigured, s3Settings, startS3Place} from './remote-places.js';

const full = process.env['PG_BACK_FULL'] === '1';
let cluster: Cluster;

before(async () => {
	cluster = await startCluster({name: 'settings'});
});
after(async () => cluster.stop());

const run = (lines: readonly string[], args: readonly string[], options: ConfiguredOptions = {}): Promise<Ended> =>
	runConfigured(cluster, lines, args, options);

const connect = ['--check-config=connect'];

describe('settings that cannot work are errors before anything is dumped', () => {
	const cases: readonly (readonly [string, readonly string[], RegExp])[] = [
		['s3 without a bucket', ['upload = s3'], /s3_bucket/],
		['s3 with half a key', ['upload = s3', 's3_bucket = b', 's3_key_id = x'], /s3_secret/],
		['b2 without a key', ['upload = b2', 'b2_bucket = b'], /b2_key_id/],
		['sftp without a host', ['upload = sftp'], /sftp_host/],
		['sftp with no port', ['upload = sftp', 'sftp_host = h', 'sftp_port = 99999'], /port/],
		[
			'sftp told to ignore host keys, and which to take',
			[
				'upload = sftp',
				'sftp_host = h',
				'sftp_ignore_hostkey = yes',
				'sftp_host_key_fingerprint = SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
			],
			/contradict/,
		],
		['gcs without a bucket', ['upload = gcs'], /gcs_bucket/],
		[
			'gcs with a key file that is none',
			['upload = gcs', 'gcs_bucket = b', 'gcs_keyfile = /etc/hostname'],
			/gcs_keyfile|key file/,
		],
		['azure without a container', ['upload = azure'], /azure_container/],
		['azure without an account', ['upload = azure', 'azure_container = c'], /azure_account/],
		['azure without a key', ['upload = azure', 'azure_container = c', 'azure_account = a'], /azure_key/],
		['local without a directory', ['upload = local'], /local_directory/],
	];
	for (const [store, prefix, says] of [
		['s3', '..', /upload_prefix.*"\.\." has a segment "\.\."/],
		['gcs', 'a/../b', /upload_prefix.*has a segment "\.\."/],
		['azure', 'a/../..', /upload_prefix.*has a segment "\.\."/],
		['b2', '/a', /upload_prefix.*begins with a slash/],
		['sftp', '../a', /upload_prefix.*has a segment "\.\."/],
		['local', 'a/..', /upload_prefix.*has a segment "\.\."/],
	] as const)
		test(`${store}: upload_prefix = ${prefix} is refused by --check-config and a run`, async () => {
			const [directory, remote] = [scratchDirectory('settings'), scratchDirectory('remote')];
			const of = {
				...{s3: ['s3_bucket = b', 's3_key_id = k', 's3_secret = s'], gcs: ['gcs_bucket = b']},
				...{azure: ['azure_container = c', 'azure_account = a', 'azure_key = QQ==']},
				...{b2: ['b2_bucket = b', 'b2_key_id = k', 'b2_app_key = s'], sftp: ['sftp_host = 127.0.0.1']},
				local: [`local_directory = ${remote}`],
			};
			const lines = [`upload = ${store}`, ...of[store], `upload_prefix = ${prefix}`];
			for (const args of [['--check-config'], ['--dump-only', 'postgres']]) {
				const {code, stderr} = await run(lines, args, {directory});
				assert.equal(code, 10, stderr);
				assert.match(stderr, says);
			}
			assert.deepEqual([...filesIn(directory), ...filesIn(remote)], []);
		});

	for (const [what, lines, says] of cases) {
		test(what, async () => {
			const directory = scratchDirectory('settings');
			const {code, stderr} = await run(lines, ['--dump-only', 'postgres'], {directory});
			assert.equal(code, 10, stderr);
			assert.match(stderr, says);
			assert.deepEqual(filesIn(directory), []);
		});
	}

	test('a local directory that is not mounted is no reason not to dump, but an error', async () => {
		const directory = scratchDirectory('settings');
		const lines = ['upload = local', `local_directory = ${directory}/nas`];
		const {code, stderr} = await run(lines, ['--dump-only', 'postgres'], {directory});
		assert.equal(code, 14, stderr);
		assert.match(stderr, /cannot use the local directory .*no such file/);
		assert.ok(filesIn(directory).some(name => /^postgres_.*\.dump$/.test(name)));
		assert.ok(!existsSync(join(directory, 'nas')));
		mkdirSync(join(directory, 'nas'));
		const resumed = await run(lines, ['--resume-uploads'], {directory});
		assert.equal(resumed.code, 0, resumed.stderr);
		assert.ok(filesIn(join(directory, 'nas')).some(name => /^postgres_.*\.dump$/.test(name)));
	});
});

describe('check-config=connect', () => {
	const wrong: Readonly<Partial<Record<string, readonly [RegExp, string]>>> = {
		s3: [/^s3_secret = .*/, 's3_secret = wrong'],
		b2: [/^b2_app_key = .*/, 'b2_app_key = wrong'],
		sftp: [/^sftp_identity = .*/, 'sftp_password = wrong'],
	};
	for (const {store, missing, start} of placeKinds) {
		test(`${store}: a wrong secret is told, with status 14`, {skip: missing}, async t => {
			const place = await start();
			try {
				if (store === 'gcs' || store === 'local')
					return t.skip(`${store}: nothing to log in with (an emulator, a directory)`);
				const [from, to] = wrong[store] ?? [/^$/, ''];
				const lines = [...place.settings.map(line => line.replace(from, to)), `upload = ${store}`];
				const key = Buffer.from('wrong').toString('base64');
				const {code, stdout, stderr} = await run(lines, connect, {
					env: {...place.env, ...(store === 'azure' && {AZURE_STORAGE_KEY: key})},
				});
				assert.equal(code, 14, stderr);
				assert.match(stderr, new RegExp(`ERROR: remote location ${store}: `));
				assert.match(stderr, /INFO: server: PostgreSQL/, 'the other checks are made');
				assert.ok(!`${stdout}${stderr}`.includes(testCredential.secret));
			} finally {
				await place.stop();
			}
		});
	}

	test('gcs: a token that is refused is told, with status 14', async () => {
		const server = await startGcsServer('suite');
		server.token = 'another';
		try {
			const env = {STORAGE_EMULATOR_HOST: server.url};
			const {code, stderr} = await run(['gcs_bucket = suite', 'upload = gcs'], connect, {env});
			assert.equal(code, 14, stderr);
			assert.match(stderr, /ERROR: remote location gcs: .*Invalid Credentials/);
		} finally {
			await server.stop();
		}
	});

	test('no right to delete: a warning, and an error where purge_remote needs it', async () => {
		const place = await startS3Place({may: (_id, action) => !action.startsWith('Delete')});
		try {
			const lines = [...place.settings, 'upload = s3'];
			const kept = await run(lines, connect);
			assert.equal(kept.code, 0, kept.stderr);
			assert.match(kept.stderr, /WARN: could not remove pg_back_probe_.*purge_remote needs permission to delete/);
			const purging = await run([...lines, 'purge_remote = yes'], connect);
			assert.equal(purging.code, 14, purging.stderr);
		} finally {
			await place.stop();
		}
	});

	test('a lock that keeps the probe is told, and is no error', async () => {
		// The key of the probe is not known before.
		const locked = new Proxy<Record<string, string>>({}, {get: () => '2099-01-01T00:00:00Z'});
		const place = await startS3Place({locked});
		try {
			for (const purge of ['no', 'yes']) {
				const lines = [...place.settings, 'upload = s3', `purge_remote = ${purge}`];
				const {code, stderr} = await run(lines, connect);
				assert.equal(code, 0, stderr);
				assert.match(stderr, /can be written, read and listed.*pg_back_probe_\S+ is kept: locked until 2099-01-01/);
				assert.doesNotMatch(stderr, /purged/);
			}
		} finally {
			await place.stop();
		}
	});
});

describe('hostile keys', () => {
	test('each is refused by itself, and the others are fetched', async () => {
		const place = await startS3Place();
		try {
			const hostile = [
				'../../escaped',
				'/absolute',
				'a/../../b',
				'a//b',
				'./c',
				'nul\0l',
				'esc\u001B[31m',
				'new\nline',
				'linked/file',
				'x'.repeat(300),
			];
			const bytes = Buffer.from('content');
			for (const key of [...hostile, 'good', 'deep/er/good']) {
				place.server.objects.set(key, {
					bytes,
					size: bytes.length,
					etag: 'x',
					modified: Date.now(),
					headers: {},
					version: 'x',
				});
			}
			const outside = scratchDirectory('outside');
			const target = join(scratchDirectory('target'), 'in');
			mkdirSync(target);
			symlinkSync(outside, join(target, 'linked'));
			const {code, stderr} = await run(place.settings, ['--download', 's3', '*', '*/*', '*/*/*', '*/*/*/*'], {
				directory: target,
			});
			assert.equal(code, 14, stderr);
			assert.deepEqual(
				filesIn(target).filter(name => !/\.lock$/.test(name)),
				['deep', 'deep/er', 'deep/er/good', 'good', 'linked'],
			);
			assert.deepEqual(filesIn(outside), []);
			assert.ok(
				!existsSync(join(target, '../escaped')) && !existsSync(join(target, '../b')) && !existsSync('/absolute'),
			);
			assert.equal(stderr.match(/ERROR: .*refused to download/g)?.length, hostile.length, stderr);

			assert.doesNotMatch(stderr, /[\u0000-\u0009\u000B-\u001F]/);
		} finally {
			await place.stop();
		}
	});
});

describe('what much data costs', () => {
	const time = (wrapped: Ended) =>
		Number(/Maximum resident set size \(kbytes\): (\d+)/.exec(wrapped.stderr)?.[1] ?? Infinity) / 1024;
	const measured = existsSync('/usr/bin/time') ? ['/usr/bin/time', '-v'] : undefined;

	test(
		'a dump of 1 GiB (256 MiB without PG_BACK_FULL) is uploaded in less than 200 MiB',
		{skip: !measured && 'no /usr/bin/time'},
		async t => {
			const server = await startS3Server({forget: true});
			try {
				const size = full ? 1024 : 256;
				const {directory: tools} = recordingTools({pg_dump: `head -c ${size}M /dev/zero`});
				const {recipient} = await newAgeKeys();
				const lines = [
					...s3Settings(server.url),
					'upload = s3',
					'encrypt = true',
					`cipher_public_key = ${recipient}`,
					'remote_timeout = 60',
				];
				const ended = await run(lines, ['--dump-only', '-B', tools, 'postgres'], {wrapper: measured!});
				assert.equal(ended.code, 0, ended.stderr);
				t.diagnostic(`${size} MiB: ${Math.round(time(ended))} MiB`);
				assert.ok(time(ended) < 200, `${time(ended)} MiB`);
			} finally {
				await server.close();
			}
		},
	);

	test(
		'1,000,000 keys (100,000 without PG_BACK_FULL) are listed in constant memory',
		{skip: !measured && 'no /usr/bin/time'},
		async t => {
			const count = full ? 1_000_000 : 100_000;
			const server = await startS3Server({synthetic: count});
			try {
				const started = performance.now();
				const ended = await run([...s3Settings(server.url), 'remote_timeout = 60'], ['--list-remote', 's3'], {
					wrapper: measured!,
				});
				const seconds = (performance.now() - started) / 1000;
				assert.equal(ended.code, 0, ended.stderr);
				assert.equal(ended.stdout.split('\n').length - 1, count);
				t.diagnostic(`${count} keys: ${seconds.toFixed(1)} s, ${Math.round(time(ended))} MiB`);
				assert.ok(time(ended) < 256, `${time(ended)} MiB`);
				if (full) assert.ok(seconds < 60, `${seconds} s`);
			} finally {
				await server.close();
			}
		},
	);
});
