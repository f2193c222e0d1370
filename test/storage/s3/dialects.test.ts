/** Services that do not know what newer S3 has: found out once, remembered, and all works without. */
import assert from 'node:assert/strict';
import {randomBytes} from 'node:crypto';
import {describe, it} from 'node:test';
import type {S3Settings} from '../../../source/storage/s3/s3.js';
import {bytesSource} from '../../../source/storage/source.js';
import type {Storage} from '../../../source/storage/storage.js';
import {withBucket} from '../../helpers/s3-bucket.js';
import type {Refusing} from '../../helpers/s3-lies.js';
import {type S3Server, type S3ServerOptions} from '../../helpers/s3-server.js';
import {listKeys, never, readAll} from '../../helpers/storage-tools.js';

const mebi = 1024 * 1024;
const small = randomBytes(500);
const large = randomBytes(2.5 * mebi);

type Opened = {readonly server: S3Server; readonly storage: Storage; readonly lines: readonly string[]};

function withS3(
	options: S3ServerOptions,
	settings: Partial<S3Settings>,
	work: (opened: Opened) => Promise<void>,
): Promise<void> {
	return withBucket(
		options,
		async ({server, context, open}) => work({server, storage: await open(settings), lines: context.lines}),
		{idleTimeout: 10_000, retryBudget: 3000},
	);
}

const checksumHeader = /^x-amz-(checksum-(crc32|algorithm)|sdk-checksum)/;
const dialects: Readonly<Record<string, readonly Refusing[]>> = {
	'400 without a body to x-amz-checksum-mode of HEAD': [
		{header: /^x-amz-checksum-mode/, actions: ['HeadObject'], status: 400},
	],
	'400 without a body to x-amz-checksum-mode of HEAD and GET': [{header: /^x-amz-checksum-mode/, status: 400}],
	'403 SignatureDoesNotMatch to x-amz-checksum-mode': [
		{header: /^x-amz-checksum-mode/, status: 403, code: 'SignatureDoesNotMatch'},
	],
	'a plain 400 to any checksum header': [{header: /checksum/, status: 400}],
	'403 SignatureDoesNotMatch to any checksum header': [
		{header: /checksum/, status: 403, code: 'SignatureDoesNotMatch'},
	],
	'400 BadRequest to CRC32 and Content-MD5': [
		{header: checksumHeader, status: 400, code: 'BadRequest'},
		{header: /^content-md5$/, actions: ['PutObject', 'UploadPart'], status: 400, code: 'BadRequest'},
	],
	'501 to checksums and a plain 400 to If-None-Match': [
		{header: checksumHeader, status: 501, code: 'NotImplemented'},
		{header: /^if-none-match$/, status: 400},
	],
	'a plain 400 to the size at the end of many parts': [{header: /^x-amz-mp-object-size$/, status: 400}],
	'a plain 400 to encoding-type': [{header: /encoding-type/, status: 400}],
};

describe('an S3 service that answers', () => {
	for (const [name, refuses] of Object.entries(dialects)) {
		it(`${name}: everything works, and it is tried once`, async () => {
			await withS3({refuses}, {}, async ({server, storage, lines}) => {
				for (let round = 0; round < 2; round++) {
					const refused = () => server.counts.get('HeadObject') ?? 0;
					const before = refused();
					for (const [key, bytes] of [
						['small', small],
						['large', large],
					] as const) {
						const {proof} = await storage.put(`${key}${round}`, bytesSource(bytes), {signal: never, ifAbsent: true});
						assert.ok(proof.by === 'checksum' || proof.by === 'etag', proof.by);
						assert.ok(bytes.equals(await readAll(storage.get(`${key}${round}`, {signal: never}))));
						assert.equal((await storage.stat(`${key}${round}`, {signal: never}))?.size, bytes.length);
					}
					if (round > 0) assert.equal(refused() - before, 6, 'nothing is tried again in the second round');
				}
				assert.deepEqual(await listKeys(storage, ''), ['large0', 'large1', 'small0', 'small1']);
				const said = lines.filter(line => line.includes('does not support'));
				assert.ok(said.length > 0 && new Set(said).size === said.length, lines.join('\n'));
				await storage.remove(['large0', 'large1', 'small0', 'small1'], {signal: never});
				assert.equal(server.objects.size, 0);
			});
		});
	}

	it('403 to everything: the first refusal is the error, after a bounded number of attempts', async () => {
		await withS3({}, {secret: 'wrong'}, async ({server, storage}) => {
			for (let round = 0; round < 6; round++)
				await assert.rejects(storage.put('it', bytesSource(small), {signal: never}), /SignatureDoesNotMatch/);
			assert.ok((server.counts.get('PutObject') ?? 0) < 20, String(server.counts.get('PutObject')));
		});
	});
});

describe('s3_checksum and the settings of the AWS SDK', () => {
	const headersOf = async (settings: Partial<S3Settings>) => {
		const seen: string[] = [];
		await withS3({}, settings, async ({server, storage}) => {
			await storage.put('it', bytesSource(small), {signal: never, ifAbsent: true});
			await readAll(storage.get('it', {signal: never}));
			for (const {action, headers} of server.requests)
				for (const name of Object.keys(headers)) if (/checksum|content-md5/.test(name)) seen.push(`${action} ${name}`);
		});
		return [...new Set(seen)].toSorted();
	};
	const reads = ['GetObject x-amz-checksum-mode', 'HeadObject x-amz-checksum-mode'];

	it('crc32, md5 and none decide what goes with an upload and what is asked', async () => {
		assert.deepEqual(await headersOf({}), [...reads, 'PutObject x-amz-checksum-crc32']);
		assert.deepEqual(await headersOf({checksum: 'crc32'}), [...reads, 'PutObject x-amz-checksum-crc32']);
		assert.deepEqual(await headersOf({checksum: 'md5'}), ['PutObject content-md5']);
		assert.deepEqual(await headersOf({checksum: 'none'}), []);
	});

	it('crc32 is kept although the service refuses it', async () => {
		await withS3({lacks: ['checksums']}, {checksum: 'crc32'}, async ({storage}) => {
			await assert.rejects(storage.put('it', bytesSource(small), {signal: never}), /x-amz-checksum-crc32/);
		});
	});

	it('AWS_REQUEST_CHECKSUM_CALCULATION and AWS_RESPONSE_CHECKSUM_VALIDATION are heeded', async () => {
		const names = ['AWS_REQUEST_CHECKSUM_CALCULATION', 'AWS_RESPONSE_CHECKSUM_VALIDATION'];
		try {
			process.env['AWS_REQUEST_CHECKSUM_CALCULATION'] = 'WHEN_REQUIRED';
			assert.deepEqual(await headersOf({}), [...reads, 'PutObject content-md5']);
			process.env['AWS_RESPONSE_CHECKSUM_VALIDATION'] = 'when_required';
			assert.deepEqual(await headersOf({}), ['PutObject content-md5']);
			assert.deepEqual(await headersOf({checksum: 'crc32'}), [...reads, 'PutObject x-amz-checksum-crc32']);
		} finally {
			for (const name of names) Reflect.deleteProperty(process.env, name);
		}
	});

	it('s3_acl goes with every new object', async () => {
		await withS3({}, {acl: 'bucket-owner-full-control'}, async ({server, storage}) => {
			await storage.put('small', bytesSource(small), {signal: never});
			await storage.put('large', bytesSource(large), {signal: never});
			const withAcl = server.requests.filter(one => one.headers['x-amz-acl'] === 'bucket-owner-full-control');
			assert.deepEqual(
				withAcl.map(one => one.action),
				['PutObject', 'CreateMultipartUpload'],
			);
		});
	});
});

describe('an S3 service whose HEAD tells no size', () => {
	it('uploads are proven by their checksums, and the size comes from a listing', async () => {
		await withS3({lacks: ['contentLength']}, {}, async ({storage}) => {
			const {proof} = await storage.put('it', bytesSource(small), {signal: never});
			assert.deepEqual(proof, {by: 'checksum', algorithm: 'crc32'});
			assert.equal((await storage.stat('it', {signal: never}))?.size, small.length);
		});
		await withS3({lacks: ['contentLength', 'checksumAnswers', 'md5Tags']}, {}, async ({storage}) => {
			assert.deepEqual((await storage.put('it', bytesSource(small), {signal: never})).proof, {by: 'read back'});
		});
	});
});

describe('a service that lacks several things and names one at a time', () => {
	it('is used without all of them, for every upload', () =>
		withS3({lacks: ['checksums', 'conditions']}, {}, async ({storage}) => {
			for (const key of ['a', 'b']) await storage.put(key, bytesSource(small), {signal: never, ifAbsent: true});
			await storage.put('c', bytesSource(large), {signal: never, ifAbsent: true});
			assert.deepEqual(await listKeys(storage, ''), ['a', 'b', 'c']);
			await assert.rejects(storage.put('a', bytesSource(large), {signal: never, ifAbsent: true}), {code: 'EXISTS'});
		}));
});
