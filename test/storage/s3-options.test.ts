/** What can be set for S3, what services lack, and how sizes become parts. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {createHash, randomBytes} from 'node:crypto';
import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {describe, it} from 'node:test';
import fc from 'fast-check';
import {PgBackError} from '../../source/core/errors.js';
import {largestPart, partSizeOf, planParts} from '../../source/storage/s3/parts.js';
import {openS3, type S3Settings} from '../../source/storage/s3/s3.js';
import {bytesSource, openFileSource} from '../../source/storage/source.js';
import {type S3ServerOptions, startS3Server, testCredential} from '../helpers/s3-server.js';
import {chunked, fastClock, never, readAll, testContext} from '../helpers/storage-tools.js';

const mebi = 1024 * 1024;
const tebi = mebi * mebi;

async function withServer(
	options: S3ServerOptions,
	run: (
		server: Awaited<ReturnType<typeof startS3Server>>,
		open: (settings?: Partial<S3Settings>) => ReturnType<typeof openS3>,
		lines: string[],
	) => Promise<void>,
): Promise<void> {
	const server = await startS3Server(options);
	const context = testContext({clock: fastClock()});
	const opened: Awaited<ReturnType<typeof openS3>>[] = [];
	try {
		await run(
			server,
			async settings => {
				const storage = await openS3(
					{
						bucket: 'bucket',
						region: 'us-east-1',
						endpoint: server.url,
						forcePath: true,
						partSize: mebi,
						...testCredential,
						...settings,
					},
					context,
				);
				opened.push(storage);
				return storage;
			},
			context.lines,
		);
	} finally {
		for (const storage of opened) await storage.close();
		await server.close();
	}
}

describe('s3 parts', () => {
	const partsFor = (size: number, plan: ReturnType<typeof planParts>) => {
		let sent = 0;
		let number = 0;
		while (sent < size) {
			number++;
			sent += partSizeOf(plan, number, sent);
		}
		return number;
	};

	it('never are too many or too large, for any known size up to 48 TiB', () => {
		fc.assert(
			fc.property(fc.double({min: 0, max: 1, noNaN: true}), fc.constantFrom(1000, 10_000), (fraction, maxParts) => {
				const limit = maxParts === 10_000 ? 43 * tebi : 4 * tebi;
				const size = Math.floor(limit ** fraction);
				const plan = planParts({size, maxParts});
				assert.ok(plan.base <= largestPart);
				assert.ok(
					Math.ceil(size / plan.base) <= maxParts,
					`${Math.ceil(size / plan.base)} parts of ${plan.base} for ${size}`,
				);
			}),
		);
	});

	it('hold 48 TiB in 10,000 when the size is unknown', () => {
		assert.ok(partsFor(48 * tebi, planParts({})) <= 10_000);
		assert.ok(partsFor(4 * tebi, planParts({maxParts: 1000})) <= 1000);
	});

	it('stay equal up to twice the prediction, and hold far more than that', () => {
		const expectedSize = 100 * 1024 * mebi;
		const plan = planParts({expectedSize});
		assert.equal(partSizeOf(plan, 9000, 2 * expectedSize - 1), partSizeOf(plan, 1, 0));
		assert.ok(partsFor(4 * tebi, plan) <= 10_000);
	});

	it('are what a server that counts gets', async () => {
		const maxParts = process.env['PG_BACK_TEST_FULL'] === '1' ? 10_000 : 1000;
		await withServer({maxParts}, async (server, open) => {
			const storage = await open({partSize: 4096, maxParts});
			const bytes = randomBytes(maxParts * 4096 - 3);
			await storage.put('known', bytesSource(bytes), {signal: never});
			await storage.put('unknown', {read: () => chunked(bytes, 100_000)}, {signal: never});
			for (const key of ['known', 'unknown']) assert.ok(server.objects.get(key)?.bytes.equals(bytes), key);
			const parts = server.requests.filter(one => one.action === 'UploadPart' && one.key === 'known').length;
			assert.ok(parts > maxParts * 0.8 && parts <= maxParts * 0.9, `${parts} parts`);
			const few = await open({partSize: 16, maxParts: 10});
			await assert.rejects(
				few.put('endless', {read: () => chunked(bytes, 100)}, {signal: never, expectedSize: 1}),
				/more than 10 parts/,
			);
			assert.equal(server.uploads.size, 0);
		});
	});

	it('that are too large for memory are read twice and arrive whole, also unsigned and at a service without CRC32', async () => {
		for (const lacks of [[], ['checksums']] as const) {
			await withServer({lacks}, async (server, open) => {
				const storage = await open({partSize: 17 * mebi, concurrency: 2});
				const bytes = randomBytes(40 * mebi + 5);
				let reads = 0;
				const source = {
					size: bytes.length,
					read(offset: number) {
						reads++;
						return chunked(bytes.subarray(offset), 300_000);
					},
				};
				await storage.put('big', source, {signal: never});
				assert.ok(server.objects.get('big')?.bytes.equals(bytes));
				assert.equal(server.requests.filter(one => one.action === 'UploadPart').length, 3);
				assert.equal(reads, 4);
				await storage.put(
					'one',
					{...source, size: 16.5 * mebi, read: () => chunked(bytes.subarray(0, 16.5 * mebi), 300_000)},
					{signal: never},
				);
				assert.equal(server.objects.get('one')?.size, 16.5 * mebi);
			});
		}
	});
});

describe('s3 services that lack something', () => {
	const bytes = randomBytes(3 * mebi + 1);

	it('without CRC32 get an MD5 with every part', async () => {
		await withServer({lacks: ['checksums']}, async (server, open, lines) => {
			const storage = await open();
			for (const [key, content] of [
				['small', bytes.subarray(0, 10)],
				['large', bytes],
			] as const) {
				const result = await storage.put(key, bytesSource(content), {signal: never});
				assert.deepEqual(result.proof, {by: 'etag'});
				assert.ok(server.objects.get(key)?.bytes.equals(content));
			}
			assert.equal(lines.filter(line => line.includes('MD5')).length, 1);
			const sent = server.requests.filter(one => one.action === 'UploadPart' && one.headers['content-md5']);
			assert.equal(sent.length, 4);
		});
	});

	it('without If-None-Match are looked at before each upload', async () => {
		await withServer({lacks: ['conditions']}, async (server, open) => {
			const storage = await open();
			await storage.put('it', bytesSource(bytes), {signal: never, ifAbsent: true});
			await assert.rejects(storage.put('it', bytesSource(bytes), {signal: never, ifAbsent: true}), {code: 'EXISTS'});
			assert.equal(server.counts.get('CreateMultipartUpload'), 1);
		});
	});

	it('without batches have their objects removed one by one', async () => {
		await withServer({lacks: ['batches']}, async (server, open) => {
			const storage = await open();
			for (const key of ['a', 'b']) await storage.put(key, bytesSource(bytes.subarray(0, 5)), {signal: never});
			assert.deepEqual(await storage.remove(['a', 'b'], {signal: never}), [{key: 'a'}, {key: 'b'}]);
			assert.equal(server.objects.size, 0);
		});
	});

	it('where we may not look are believed what they confirmed on the way, and nothing else', async () => {
		await withServer({may: (_, action) => action !== 'HeadObject'}, async (server, open) => {
			const storage = await open();
			for (const content of [bytes, bytes.subarray(0, 10)]) {
				const result = await storage.put('it', bytesSource(content), {signal: never, ifAbsent: true});
				// The end of a multipart upload tells no CRC32 here.
				const proof = content.length > 10 ? {by: 'etag'} : {by: 'checksum', algorithm: 'crc32'};
				assert.deepEqual(result.proof, proof);
				await assert.rejects(storage.put('it', bytesSource(content), {signal: never, ifAbsent: true}), {
					code: 'EXISTS',
				});
				server.objects.clear();
			}
		});
		const may = (_: string, action: string) => action !== 'HeadObject' && action !== 'GetObject';
		await withServer({may, lacks: ['checksums', 'md5Tags']}, async (_, open) => {
			const storage = await open();
			await assert.rejects(storage.put('it', bytesSource(bytes), {signal: never}), /access denied/);
		});
	});
});

describe('s3 settings', () => {
	it('storage class, encryption, lock and tags go with every new object', async () => {
		await withServer({}, async (server, open) => {
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
		await withServer({}, async (server, open) => {
			const storage = await open({region: '', endpoint: `127.0.0.1:${server.port}`, tls: false});
			await storage.put('it', bytesSource(randomBytes(10)), {signal: never});
			assert.ok(server.objects.has('it'));
		});
		await assert.rejects(openS3({bucket: '', region: 'x'}, testContext()), /no bucket/);
	});

	it('the profile of the shared files gives region and credentials', async () => {
		const directory = await mkdtemp(join(tmpdir(), 'pgb-aws-'));
		const saved = {...process.env};
		try {
			await writeFile(join(directory, 'config'), '[profile dumps]\nregion = eu-west-3\n');
			await writeFile(
				join(directory, 'credentials'),
				`[dumps]\naws_access_key_id = ${testCredential.keyId}\naws_secret_access_key = ${testCredential.secret}\n`,
			);
			Object.assign(process.env, {
				AWS_CONFIG_FILE: join(directory, 'config'),
				AWS_SHARED_CREDENTIALS_FILE: join(directory, 'credentials'),
			});
			await withServer({}, async (server, open) => {
				const storage = await open({region: '', profile: 'dumps', keyId: '', secret: ''});
				await storage.put('it', bytesSource(randomBytes(10)), {signal: never});
				assert.match(server.requests[0]?.headers.authorization ?? '', /\/eu-west-3\/s3\//);
			});
		} finally {
			for (const name of ['AWS_CONFIG_FILE', 'AWS_SHARED_CREDENTIALS_FILE']) {
				if (saved[name] === undefined) Reflect.deleteProperty(process.env, name);
				else process.env[name] = saved[name];
			}
			await rm(directory, {recursive: true});
		}
	});

	it('over https the payload is not signed, but checked; an unknown certificate is refused', async () => {
		const directory = await mkdtemp(join(tmpdir(), 'pgb-tls-'));
		try {
			const [key, cert] = ['key.pem', 'cert.pem'].map(name => join(directory, name)) as [string, string];
			execFileSync(
				'openssl',
				[
					'req',
					'-x509',
					'-newkey',
					'ec',
					'-pkeyopt',
					'ec_paramgen_curve:P-256',
					'-nodes',
					'-keyout',
					key,
					'-out',
					cert,
					'-days',
					'2',
					'-subj',
					'/CN=127.0.0.1',
					'-addext',
					'subjectAltName=IP:127.0.0.1',
				],
				{stdio: 'ignore'},
			);
			const {readFile} = await import('node:fs/promises');
			const tls = {key: await readFile(key, 'utf8'), cert: await readFile(cert, 'utf8')};
			await withServer({tls}, async (server, open) => {
				const storage = await open();
				await assert.rejects(
					storage.put('it', bytesSource(randomBytes(10)), {signal: never}),
					/its certificate is self-signed/,
				);
				const script = `
					const {openS3} = await import(${JSON.stringify(new URL('../../source/storage/s3/s3.ts', import.meta.url).href)});
					const signal = new AbortController().signal;
					const storage = await openS3(${JSON.stringify({bucket: 'bucket', region: 'r', endpoint: server.url, forcePath: true, partSize: mebi, ...testCredential})}, {env: process.env, signal, log: () => undefined});
					const bytes = Buffer.alloc(${2.5 * mebi}, 'x');
					process.stdout.write((await storage.put('it', {size: bytes.length, read: async function* () { yield bytes; }}, {signal})).proof.by);
					await storage.close();`;
				const {execFile} = await import('node:child_process');
				const {promisify} = await import('node:util');
				const {stdout} = await promisify(execFile)(
					process.execPath,
					['--import', 'tsx', '--input-type=module', '-e', script],
					{
						env: {...process.env, NODE_EXTRA_CA_CERTS: cert},
					},
				);
				assert.equal(stdout, 'checksum');
				const parts = server.requests.filter(one => one.action === 'UploadPart');
				assert.equal(parts.length, 3);
				for (const part of parts) assert.equal(part.headers['x-amz-content-sha256'], 'UNSIGNED-PAYLOAD');
			});
		} finally {
			await rm(directory, {recursive: true});
		}
	});

	it('a file goes straight into the buffers of the parts', async () => {
		const directory = await mkdtemp(join(tmpdir(), 'pgb-s3-file-'));
		try {
			const path = join(directory, 'file');
			const bytes = randomBytes(4 * mebi + 99);
			await writeFile(path, bytes);
			await withServer({}, async (server, open) => {
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
		} finally {
			await rm(directory, {recursive: true});
		}
	});
});
