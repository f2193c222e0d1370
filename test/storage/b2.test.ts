import assert from 'node:assert/strict';
import {createServer, type Server} from 'node:http';
import type {AddressInfo} from 'node:net';
import {describe, it} from 'node:test';
import {type B2Settings, openB2} from '../../source/storage/b2/b2.js';
import {StorageError} from '../../source/storage/errors.js';
import {startS3Server, testCredential} from '../helpers/s3-server.js';
import {storageSuite} from '../helpers/storage-suite.js';
import {fastClock, testContext} from '../helpers/storage-tools.js';

const mebi = 1024 * 1024;

/** Backblaze's b2_authorize_account: says where the S3 interface of the account is. */
async function startAuthority(
	answer: (attempt: number) => {
		readonly status?: number;
		readonly body: unknown;
		readonly headers?: Record<string, string>;
	},
): Promise<{url: string; server: Server; seen: string[]}> {
	const seen: string[] = [];
	const server = createServer((request, response) => {
		seen.push(`${request.url} ${Buffer.from((request.headers.authorization ?? '').slice(6), 'base64').toString()}`);
		const {status = 200, body, headers} = answer(seen.length);
		response.writeHead(status, {'content-type': 'application/json', ...headers});
		response.end(typeof body === 'string' ? body : JSON.stringify(body));
	});
	await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
	return {url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server, seen};
}

const settings = (authorizeUrl: string): B2Settings => ({
	bucket: 'bucket',
	keyId: testCredential.keyId,
	appKey: testCredential.secret,
	authorizeUrl,
});

storageSuite(
	'b2 (own server, without CRC32 and If-None-Match)',
	async () => {
		const s3 = await startS3Server({lacks: ['checksums', 'conditions']});
		const authority = await startAuthority(() => ({body: {apiInfo: {storageApi: {s3ApiUrl: s3.url}}}}));
		return {
			storage: await openB2({...settings(authority.url), partSize: mebi}, testContext()),
			everything: () => Promise.resolve([...s3.objects.keys(), ...[...s3.uploads.values()].map(one => one.key)]),
			async close() {
				authority.server.close();
				await s3.close();
			},
		};
	},
	{
		metadata: true,
		resumes: true,
		skip: {
			'of two uploads with ifAbsent at once one wins, whole':
				'B2 knows no If-None-Match: only a look before each upload',
			'without the right every operation fails, names the place, and is not tried again':
				'the same code as s3, where it is tested',
		},
	},
);

describe('b2', () => {
	const open = async (answer: Parameters<typeof startAuthority>[0], more: Partial<B2Settings> = {}) => {
		const authority = await startAuthority(answer);
		const context = testContext({clock: fastClock(), retryBudget: 60_000});
		try {
			const storage = await openB2({...settings(authority.url), ...more}, context);
			await storage.close();
			return {storage, seen: authority.seen};
		} finally {
			authority.server.close();
		}
	};

	it('finds its endpoint from the key, in both versions of the answer', async () => {
		const endpoint = 'https://s3.us-west-004.backblazeb2.com';
		for (const body of [{s3ApiUrl: endpoint}, {apiInfo: {storageApi: {s3ApiUrl: endpoint}}}]) {
			const {storage, seen} = await open(() => ({body}));
			assert.deepEqual([storage.kind, storage.location], ['b2', 'b2://bucket/']);
			assert.deepEqual(seen, [`/b2api/v3/b2_authorize_account ${testCredential.keyId}:${testCredential.secret}`]);
		}
	});

	it('tries again when the service is busy', async () => {
		const busy = {status: 503, body: {code: 'service_unavailable'}, headers: {'retry-after': '3'}};
		const {seen} = await open(attempt => (attempt < 3 ? busy : {body: {s3ApiUrl: 'http://127.0.0.1:1'}}));
		assert.equal(seen.length, 3);
	});

	const failures = [
		[
			'a wrong key',
			{status: 401, body: {code: 'bad_auth_token', message: 'Invalid authorization'}},
			'forbidden',
			/bad_auth_token/,
		],
		[
			'a key for another bucket',
			{body: {s3ApiUrl: 'http://x', allowed: {bucketName: 'other'}}},
			'forbidden',
			/restricted to the bucket other/,
		],
		['an answer without an endpoint', {body: {}}, 'server', /no S3 endpoint/],
		['an endpoint that is no text', {body: {s3ApiUrl: 5, apiInfo: {storageApi: null}}}, 'server', /no S3 endpoint/],
		[
			'an error that is no text',
			{status: 400, body: {code: {a: 1}, message: ['b']}},
			'invalid',
			/b2:\/\/bucket\/: HTTP status 400/,
		],
		['an answer that is not JSON', {body: '<html>'}, 'server', /not Backblaze B2 \(.*\)/],
		['a page with an error', {status: 502, body: '<html>'}, 'server', /not Backblaze B2 \(.*, HTTP status 502\)/],
		['a proxy that wants a login', {status: 407, body: '<html>'}, 'invalid', /HTTP status 407\)$/],
		['a service that stays busy', {status: 429, body: {}}, 'throttled', /gave up/],
	] as const;
	for (const [what, answer, kind, text] of failures) {
		it(`${what} is an error that names the bucket`, async () => {
			await assert.rejects(
				open(() => answer),
				error => {
					assert.ok(error instanceof StorageError, String(error));
					assert.equal(error.fault, kind);
					assert.match(error.message, /b2:\/\/bucket\//);
					assert.doesNotMatch(error.message, new RegExp(testCredential.secret.replaceAll('+', '\\+')));
					return text.test(error.message);
				},
			);
		});
	}

	it('missing settings are named all at once', async () => {
		await assert.rejects(openB2({bucket: '', keyId: 'x', appKey: ''}, testContext()), /b2_bucket, b2_app_key/);
	});

	it('a server that refuses connections is an error', async () => {
		const {url, server} = await startAuthority(() => ({body: {}}));
		await new Promise(resolve => server.close(resolve));
		await assert.rejects(
			openB2(settings(url), testContext({clock: fastClock(), retryBudget: 1000})),
			/connection refused/,
		);
	});
});
