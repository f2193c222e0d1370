/** What can be set for S3, and settings that no request can be made of. */
import assert from 'node:assert/strict';
import {execFile} from 'node:child_process';
import {createHash, randomBytes} from 'node:crypto';
import {writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, it, test} from 'node:test';
import {promisify} from 'node:util';
import {PgBackError} from '../../../source/core/errors.js';
import {openS3, type S3Settings} from '../../../source/storage/s3/s3.js';
import {bytesSource, openFileSource} from '../../../source/storage/source.js';
import {createAuthority} from '../../helpers/certificates.js';
import {scratchDirectory} from '../../helpers/program.js';
import {bucketAt, withBucket} from '../../helpers/s3-bucket.js';
import {testCredential} from '../../helpers/s3-server.js';
import {never, readAll, testContext} from '../../helpers/storage-tools.js';
import {withVariables} from '../../helpers/variables.js';

const mebi = 1024 * 1024;

async function refusal(settings: Partial<S3Settings>): Promise<PgBackError> {
	try {
		const all = {bucket: 'bucket', region: 'us-east-1', keyId: 'k', secret: 's', ...settings};
		const storage = await openS3(all, testContext());
		try {
			for await (const entry of storage.list('', {signal: never})) assert.fail(`listed ${entry.key}`);
		} finally {
			await storage.close();
		}
	} catch (error) {
		assert.ok(error instanceof PgBackError, String(error));
		return error;
	}
	return assert.fail('not refused');
}

test('a bucket, a region, an endpoint or an access point that is none is CONFIG, and names its option', async () => {
	const cases: readonly (readonly [Partial<S3Settings>, RegExp])[] = [
		[{bucket: 'backups/prod'}, /^s3_bucket is not the name of a bucket/],
		[{bucket: 'backups/prod', kind: 'b2'}, /^b2_bucket is not the name of a bucket/],
		[{bucket: 'arn:aws:s3:x'}, /^the settings of the bucket are not valid: /],
		[{bucket: 'arn:aws:s3:us-east-1:123456789012:accesspoint/'}, /^the settings of the bucket are not valid: /],
		[{region: 'eu west'}, /^"eu west" is not the name of a region$/],
		...['ftp://x', '://', 'http://[::1', 'http://user:secret@:99999'].map(
			endpoint => [{endpoint}, /^s3_endpoint is not an http:\/\/ or https:\/\/ URL$/] as const,
		),
	];
	for (const [settings, message] of cases) {
		const error = await refusal(settings);
		assert.equal(error.code, 'CONFIG', JSON.stringify(settings));
		assert.match(error.message, message);
		assert.ok(error.hint);
	}
});

describe('s3 settings', () => {
	it('storage class, encryption, lock and tags go with every new object', async () => {
		await withBucket({}, async ({server, open}) => {
			const storage = await open({
				storageClass: 'STANDARD_IA',
				sse: 'aws:kms',
				sseKmsKeyId: 'key-1',
				objectLockMode: 'GOVERNANCE',
				objectLockDays: 30,
				tags: {team: 'a b', kind: 'x&y'},
			});
			for (const [key, size] of [
				['small', 10],
				['large', 3 * mebi],
			] as const) {
				await storage.put(key, bytesSource(randomBytes(size)), {
					signal: never,
					metadata: () => ({sha256: 'abc', empty: ''}),
				});
				const {headers} = server.objects.get(key)!;
				assert.equal(headers['x-amz-storage-class'], 'STANDARD_IA');
				assert.equal(headers['x-amz-server-side-encryption'], 'aws:kms');
				assert.equal(headers['x-amz-server-side-encryption-aws-kms-key-id'], 'key-1');
				assert.equal(headers['x-amz-object-lock-mode'], 'GOVERNANCE');
				const days = (Date.parse(headers['x-amz-object-lock-retain-until-date'] ?? '') - Date.now()) / 86_400_000;
				assert.ok(days > 29.9 && days <= 30, String(days));
				assert.equal(headers['x-amz-tagging'], 'team=a+b&kind=x%26y');
				assert.equal(headers['x-amz-meta-sha256'], 'abc');
				assert.equal(headers['x-amz-meta-empty'], undefined);
			}
			const locked = server.requests.filter(one => one.headers['x-amz-object-lock-mode']);
			for (const {headers} of locked) assert.ok(headers['x-amz-checksum-crc32'] ?? headers['x-amz-checksum-algorithm']);
		});
	});

	it('no region is an error before any work, except with an endpoint', async () => {
		await assert.rejects(openS3({bucket: 'b', keyId: 'k', secret: 's'}, testContext()), error => {
			assert.ok(error instanceof PgBackError);
			assert.equal(error.code, 'CONFIG');
			return /region/.test(error.message) && /s3_region/.test(error.hint ?? '');
		});
		await withBucket({}, async ({server, open}) => {
			const storage = await open({region: '', endpoint: `127.0.0.1:${server.port}`, tls: false});
			await storage.put('it', bytesSource(randomBytes(10)), {signal: never});
			assert.ok(server.objects.has('it'));
		});
		await assert.rejects(openS3({bucket: '', region: 'x'}, testContext()), /no bucket/);
	});

	it('the profile of the shared files gives region and credentials', async () => {
		const directory = scratchDirectory('aws');
		const [config, credentials] = [join(directory, 'config'), join(directory, 'credentials')];
		const {keyId, secret} = testCredential;
		await writeFile(config, '[profile dumps]\nregion = eu-west-3\n');
		await writeFile(credentials, `[dumps]\naws_access_key_id = ${keyId}\naws_secret_access_key = ${secret}\n`);
		await withVariables({AWS_CONFIG_FILE: config, AWS_SHARED_CREDENTIALS_FILE: credentials}, () =>
			withBucket({}, async ({server, open}) => {
				const storage = await open({region: '', profile: 'dumps', keyId: '', secret: ''});
				await storage.put('it', bytesSource(randomBytes(10)), {signal: never});
				assert.match(server.requests[0]?.headers.authorization ?? '', /\/eu-west-3\/s3\//);
			}),
		);
	});

	it('over https the payload is not signed, but checked; an unknown certificate is refused', async () => {
		const {self} = createAuthority();
		await withBucket({tls: self}, async ({server, open}) => {
			const storage = await open();
			await assert.rejects(
				storage.put('it', bytesSource(randomBytes(10)), {signal: never}),
				/its certificate is self-signed/,
			);
			const script = `
				const {openS3} = await import(${JSON.stringify(new URL('../../../source/storage/s3/s3.ts', import.meta.url).href)});
				const signal = new AbortController().signal;
				const storage = await openS3(${JSON.stringify(bucketAt(server.url))}, {env: process.env, signal, log: () => undefined});
				const bytes = Buffer.alloc(${2.5 * mebi}, 'x');
				process.stdout.write((await storage.put('it', {size: bytes.length, read: async function* () { yield bytes; }}, {signal})).proof.by);
				await storage.close();`;
			const {stdout} = await promisify(execFile)(
				process.execPath,
				['--import', 'tsx', '--input-type=module', '-e', script],
				{env: {...process.env, NODE_EXTRA_CA_CERTS: self.certFile}},
			);
			assert.equal(stdout, 'checksum');
			const parts = server.requests.filter(one => one.action === 'UploadPart');
			assert.equal(parts.length, 3);
			for (const part of parts) assert.equal(part.headers['x-amz-content-sha256'], 'UNSIGNED-PAYLOAD');
		});
	});

	it('a file goes straight into the buffers of the parts', async () => {
		const path = join(scratchDirectory('s3-file'), 'file');
		const bytes = randomBytes(4 * mebi + 99);
		await writeFile(path, bytes);
		await withBucket({}, async ({server, open}) => {
			const storage = await open();
			const source = await openFileSource(path);
			const digest = createHash('sha256').update(bytes).digest('hex');
			await storage.put('it', source, {signal: never, metadata: () => ({sha256: digest})});
			assert.ok(server.objects.get('it')?.bytes.equals(bytes));
			await writeFile(path, 'more', {flag: 'a'});
			await assert.rejects(storage.put('grown', source, {signal: never}), /more than/);
			await writeFile(path, bytes.subarray(0, 3 * mebi));
			await assert.rejects(storage.put('shrunk', source, {signal: never}), /ended after/);
			await source.close();
			assert.deepEqual([...server.objects.keys()], ['it']);
			assert.equal((await readAll(storage.get('it', {signal: never}))).length, bytes.length);
		});
	});
});
