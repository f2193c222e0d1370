/** Answers that are not the protocol's, listings without an end, other regions, locked objects: said in words, with exit status 14. */
import assert from 'node:assert/strict';
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http';
import type {AddressInfo} from 'node:net';
import {describe, it} from 'node:test';
import {StorageError} from '../../../source/storage/errors.js';
import {wrapStorage} from '../../../source/storage/open.js';
import {openS3, type S3Settings} from '../../../source/storage/s3/s3.js';
import {bytesSource} from '../../../source/storage/source.js';
import type {Storage} from '../../../source/storage/storage.js';
import {bucketAt} from '../../helpers/s3-bucket.js';
import {type S3ServerOptions, startS3Server} from '../../helpers/s3-server.js';
import {element, xml} from '../../helpers/s3-xml.js';
import {collect, fastClock, listKeys, never, readAll, testContext} from '../../helpers/storage-tools.js';

async function openAt(url: string, settings: Partial<S3Settings> = {}): Promise<Storage> {
	const context = testContext({clock: fastClock(), idleTimeout: 10_000, retryBudget: 5000});
	return wrapStorage(await openS3(bucketAt(url, settings), context), context);
}

type Handler = (request: IncomingMessage, response: ServerResponse, count: number) => void;

/** A server that answers each request by `handle`. */
async function withAnswers(handle: Handler, work: (storage: Storage, count: () => number) => Promise<void>) {
	let count = 0;
	const server = createServer((request, response) => {
		request.resume();
		request.on('end', () => handle(request, response, ++count));
	});
	await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
	const storage = await openAt(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
	try {
		await work(storage, () => count);
	} finally {
		await storage.close();
		server.closeAllConnections();
		await new Promise(resolve => server.close(resolve));
	}
}

const answering =
	(status: number, headers: Record<string, string>, body: string): Handler =>
	(_request, response) =>
		response.writeHead(status, headers).end(body);

const page = '<!DOCTYPE html><html><body>Please log in</body></html>';
const foreign: Readonly<Record<string, readonly [Handler, RegExp]>> = {
	'a page with 200': [answering(200, {'content-type': 'text/html'}, page), /not an S3 service \(text\/html\)/],
	'a page without a type': [answering(200, {}, page), /not an S3 service \(no content type\)/],
	'a page with 404': [answering(404, {'content-type': 'text/html; charset=utf-8'}, page), /not an S3 service/],
	'a page with 403': [answering(403, {'content-type': 'text/html'}, page), /not an S3 service/],
	'a page with 502': [answering(502, {'content-type': 'text/html'}, page), /not an S3 service/],
	'an empty 200': [answering(200, {}, ''), /the response is empty|not an S3 service/],
	'JSON with 200': [
		answering(200, {'content-type': 'application/json'}, '{}'),
		/not an S3 service \(application\/json\)/,
	],
	'other XML': [answering(200, {'content-type': 'application/xml'}, '<?xml version="1.0"?><a/>'), /not an S3 service/],
	'cut XML': [
		answering(200, {'content-type': 'application/xml'}, '<?xml version="1.0"?><ListBucketResult><Contents><Key>a</K'),
		/is truncated|not an S3 service/,
	],
	'an error of XML that is cut': [answering(400, {'content-type': 'application/xml'}, '<Error><Co'), /HTTP status 400/],
	'plain text with 407': [answering(407, {}, 'log in'), /: the proxy requires a login, .*HTTP status 407/],
	'nothing with 407': [answering(407, {}, ''), /: the proxy requires a login, HTTP status 407/],
	'plain text with 500': [answering(500, {}, 'oops'), /: the response is not XML, HTTP status 500/],
	'a redirect to a login page': [
		answering(302, {location: 'https://login.example/?session=abc'}, ''),
		/the bucket is at another endpoint: https:\/\/login\.example(?:$| \()/,
	],
	'nothing with 204': [answering(204, {}, ''), /the response is empty|not an S3 service/],
	'objects without keys': [
		answering(
			200,
			{'content-type': 'application/xml'},
			'<?xml version="1.0"?><ListBucketResult><Contents><Size>1</Size></Contents></ListBucketResult>',
		),
		/the listed objects have no keys|not an S3 service/,
	],
	'bytes that are no text': [answering(200, {}, '\u0000\u0001\u0002'), /not an S3 service/],
};

describe('what answers is not an S3 service:', () => {
	for (const [name, [handler, text]] of Object.entries(foreign)) {
		it(name, async () => {
			await withAnswers(handler, async (storage, count) => {
				const check = (error: unknown) => {
					assert.ok(error instanceof StorageError, String(error));
					assert.equal(error.exitCode, 14);
					assert.match(error.message, text);
					assert.doesNotMatch(error.message, /\n|Deserialization/);
					return true;
				};
				await assert.rejects(collect(storage.list('', {signal: never})), check);
				assert.ok(count() <= 12, `${count()} requests`);
				await assert.rejects(storage.put('it', bytesSource(Buffer.from('x')), {signal: never}), StorageError);
				const [removed] = await storage
					.remove(['it'], {signal: never})
					.catch((error: unknown) => [{key: 'it', error: error as Error}]);
				// Some services answer a removal by an empty 200, or by XML.
				if (!/an empty 200|XML/.test(name)) assert.ok(removed?.error instanceof StorageError);
				await assert.rejects(readAll(storage.get('it', {signal: never})), StorageError);
			});
		});
	}

	it('a download without a length ends at the size of the object', {timeout: 30_000}, async () => {
		const described = {etag: '"x"', 'last-modified': 'Sat, 28 Nov 2026 17:00:00 GMT'};
		const handler =
			(sends: (response: ServerResponse) => void): Handler =>
			({method}, response) => {
				if (method === 'HEAD') return void response.writeHead(200, {...described, 'content-length': '10'}).end();
				response.writeHead(200, described);
				sends(response);
			};
		const read = (storage: Storage) => readAll(storage.get('it', {signal: never}));
		const endless = (response: ServerResponse) => {
			const timer = setInterval(() => response.write('more than ten'), 1);
			response.once('close', () => clearInterval(timer));
		};
		await withAnswers(handler(endless), storage => assert.rejects(read(storage), /received more than 10 bytes/));
		await withAnswers(
			handler(response => response.end('ten')),
			storage => assert.rejects(read(storage), /the connection ended after 3 of 10 bytes/),
		);
		await withAnswers(
			handler(response => response.end('ten bytes.')),
			async storage => assert.equal((await read(storage)).toString(), 'ten bytes.'),
		);
	});

	it('a page between two pages of a listing is asked for again', async () => {
		const server = await startS3Server({pageSize: 2});
		try {
			const storage = await openAt(server.url);
			for (const key of ['a', 'b', 'c']) await storage.put(key, bytesSource(Buffer.from(key)), {signal: never});
			const headers = {'content-type': 'text/html'};
			server.faults.push({do: 'raw', status: 200, headers, body: page, action: 'ListObjectsV2', skip: 1, times: 4});
			assert.deepEqual(await listKeys(storage, ''), ['a', 'b', 'c']);
		} finally {
			await server.close();
		}
	});
});

const listing = (keys: readonly string[], more: Record<string, string | boolean>) =>
	xml(
		'ListBucketResult',
		element('', {Name: 'bucket', ...more}) + keys.map(key => element('Contents', {Key: key, Size: 1})).join(''),
	).body;

describe('a listing', () => {
	const endless: Readonly<Record<string, (count: number) => string>> = {
		'of the same page each time, with the same token': () =>
			listing(['a', 'b'], {IsTruncated: true, NextContinuationToken: 't'}),
		'of the same page each time, with new tokens': count =>
			listing(['a', 'b'], {IsTruncated: true, NextContinuationToken: `t${count}`}),
		'of pages that go in a circle': count =>
			listing([`k${count % 3}`], {IsTruncated: true, NextContinuationToken: `t${count}`}),
		'of empty pages with new tokens': count => listing([], {IsTruncated: true, NextContinuationToken: `t${count}`}),
		'without any token or key': () => listing([], {IsTruncated: true}),
		'with markers that do not move': () => listing(['a', 'b'], {IsTruncated: true, NextMarker: 'b'}),
	};
	for (const [name, body] of Object.entries(endless)) {
		it(`${name} is an error after a bounded number of requests`, async () => {
			const handle: Handler = (_request, response, count) =>
				response.writeHead(200, {'content-type': 'application/xml', 'x-amz-request-id': '1'}).end(body(count));
			await withAnswers(handle, async (storage, count) => {
				await assert.rejects(
					collect(storage.list('', {signal: never})),
					(error: unknown) =>
						error instanceof StorageError &&
						/does not end|without a continuation token/.test(error.message) &&
						storage.isPermanent(error),
				);
				assert.ok(count() < 150, `${count()} requests`);
			});
		});
	}

	it('a few empty pages are no end', async () => {
		const handle: Handler = (_request, response, count) => {
			const body =
				count < 20
					? listing([], {IsTruncated: true, NextContinuationToken: `t${count}`})
					: listing(['a'], {IsTruncated: false});
			response.writeHead(200, {'content-type': 'application/xml'}).end(body);
		};
		await withAnswers(handle, async storage => assert.deepEqual(await listKeys(storage, ''), ['a']));
	});

	it('goes on by NextMarker, or by the last key, where the service has no tokens', async () => {
		const keys = Array.from({length: 7}, (_, at) => `k${at} &+%`);
		for (const says of [true, false]) {
			const handle: Handler = (request, response) => {
				const query = new URL(request.url ?? '', 'http://x').searchParams;
				const marker = query.get('marker') ?? '';
				const left = keys.filter(key => key > marker);
				const some = left.slice(0, 2);
				const more = left.length > 2;
				const body = listing(some, {
					IsTruncated: more,
					...(more && says && {NextMarker: some.at(-1) ?? ''}),
				});
				response.writeHead(200, {'content-type': 'application/xml'}).end(body);
			};
			await withAnswers(handle, async storage => assert.deepEqual(await listKeys(storage, ''), keys));
		}
	});
});

it('a list of unfinished uploads that does not end is an error', async () => {
	let count = 0;
	const handle: Handler = (request, response) => {
		if (!(request.url ?? '').includes('uploads')) return void response.writeHead(404).end();
		const next = {IsTruncated: true, NextKeyMarker: 'k', NextUploadIdMarker: `u${count++}`};
		response
			.writeHead(200, {'content-type': 'application/xml'})
			.end(xml('ListMultipartUploadsResult', element('', next)).body);
	};
	await withAnswers(handle, async storage =>
		assert.rejects(async () => storage.cleanup?.('', {signal: never, olderThan: Date.now()}), /listing does not end/),
	);
	assert.ok(count < 200, `${count} pages`);
});

describe('a bucket in another region', () => {
	const headers = {'content-type': 'application/xml', 'x-amz-bucket-region': 'eu-west-1'};
	const body = xml('Error', element('', {Code: 'PermanentRedirect', Message: 'other endpoint', Endpoint: 'b.s3'})).body;
	for (const [name, status, text] of [
		['a redirect', 301, body],
		['a redirect without a body', 301, ''],
		['a temporary redirect', 307, body],
		['a plain 400', 400, ''],
	] as const) {
		it(`that answers ${name} is named with the option`, async () => {
			await withAnswers(answering(status, headers, text), async (storage, count) => {
				for (const run of [
					() => collect(storage.list('', {signal: never})),
					() => storage.put('it', bytesSource(Buffer.from('x')), {signal: never}),
					() => storage.stat('it', {signal: never}),
				])
					await assert.rejects(run, (error: unknown) => {
						assert.ok(error instanceof StorageError, String(error));
						assert.match(error.message, /the bucket is in the region eu-west-1, not us-east-1/);
						assert.equal(error.hint, 'set s3_region = eu-west-1');
						return true;
					});
				assert.ok(count() < 12, `${count()} requests`);
			});
		});
	}
});

describe('locked objects', () => {
	for (const deleteVersion of [false, true]) {
		it(`are kept and no error${deleteVersion ? ', also where versions are removed' : ''}; others go`, async () => {
			const until = '2099-01-01T00:00:00.000Z';
			const options: S3ServerOptions = {locked: {a: until, b: until}};
			const server = await startS3Server(options);
			try {
				const storage = await openAt(server.url, {deleteVersion});
				for (const key of ['a', 'b', 'c']) await storage.put(key, bytesSource(Buffer.from(key)), {signal: never});
				const removed = await storage.remove(['a', 'b', 'c'], {signal: never});
				assert.deepEqual(
					removed.map(({version: _version, ...result}) => result),
					[{key: 'a', kept: `locked until ${until}`}, {key: 'b', kept: `locked until ${until}`}, {key: 'c'}],
				);
				assert.deepEqual(await storage.remove(['a'], {signal: never}), [{key: 'a', kept: `locked until ${until}`}]);
				assert.deepEqual([...server.objects.keys()], ['a', 'b']);
			} finally {
				await server.close();
			}
		});
	}
});

describe('an object in an archive tier', () => {
	it('is told from a lack of rights, and not tried again', () =>
		withAnswers(
			(_request, response) => {
				const {body} = xml(
					'Error',
					element('', {Code: 'InvalidObjectState', Message: 'not valid for the storage class'}),
				);
				response.writeHead(403, {'content-type': 'application/xml'}).end(body);
			},
			async (storage, count) => {
				await assert.rejects(readAll(storage.get('key', {signal: never})), (error: unknown) => {
					assert.ok(error instanceof StorageError);
					assert.match(error.message, /InvalidObjectState/);
					assert.doesNotMatch(error.message, /access denied/);
					assert.match(error.hint ?? '', /archive tier such as Glacier: restore it there first/);
					return true;
				});
				assert.equal(count(), 1);
			},
		));
});
