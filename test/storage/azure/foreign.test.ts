/** Answers of other servers, redirects, listings without an end, locked blobs, and downloads that are damaged or interrupted. */
import assert from 'node:assert/strict';
import {createServer} from 'node:http';
import type {AddressInfo} from 'node:net';
import {after, afterEach, before, describe, it} from 'node:test';
import {wrapStorage} from '../../../source/storage/open.js';
import type {Storage} from '../../../source/storage/storage.js';
import {isBlock, isCommit, isWhole} from '../../helpers/azure-front.js';
import {azuriteMissing} from '../../helpers/azurite.js';
import {collect, never, readAll} from '../../helpers/storage-tools.js';
import {isStorageError, large, small, startVault, type Vault} from './lying-service.js';

const html = {'content-type': 'text/html; charset=utf-8'};
const xml = {'content-type': 'application/xml'};
const page = '<!DOCTYPE html><html><body>Sign in to the guest network</body></html>';
const foreign = [
	['a web page', {status: 200, headers: html, body: page}],
	['a web page with 201', {status: 201, headers: html, body: page}],
	['a web page with 202', {status: 202, headers: html, body: page}],
	['a web page that calls itself XML', {status: 200, headers: xml, body: '<html><body>x</body></html>'}],
	['JSON', {status: 200, headers: {'content-type': 'application/json'}, body: '{}'}],
	['null', {status: 200, headers: {'content-type': 'application/json'}, body: 'null'}],
	['an empty body', {status: 200}],
	['an empty body with 202', {status: 202}],
	['an error with status 200', {status: 200, headers: xml, body: '<Error><Code>ServerBusy</Code></Error>'}],
	['cut XML', {status: 200, headers: xml, body: '<EnumerationResults><Blobs><Blob><Name>a'}],
	['a listing without blobs', {status: 200, headers: xml, body: '<EnumerationResults></EnumerationResults>'}],
	[
		'blobs without names',
		{status: 200, headers: xml, body: '<EnumerationResults><Blobs><Blob/></Blobs></EnumerationResults>'},
	],
	['a page with 404', {status: 404, headers: html, body: page}],
	['a page with 409', {status: 409, headers: html, body: page}],
	['a page with 412', {status: 412, headers: html, body: page}],
	['a page with 403', {status: 403, headers: html, body: page}],
	['a page with 407', {status: 407, headers: html, body: page}],
	['a page with 502', {status: 502, headers: html, body: page}],
	['an empty 409', {status: 409}],
	['a redirect', {status: 302, headers: {location: 'http://127.0.0.1:1/login'}}],
	['a permanent redirect', {status: 308, headers: {location: 'http://127.0.0.1:1/login'}}],
] as const;

type Step = {
	readonly name: string;
	readonly hits: (line: string) => boolean;
	readonly run: (vault: Vault, storage: Storage) => Promise<unknown>;
};

const steps: readonly Step[] = [
	{
		name: 'a listing',
		hits: line => line.includes('comp=list'),
		run: (_vault, storage) => collect(storage.list('', {signal: never})),
	},
	{
		name: 'a download',
		hits: line => line.startsWith('GET'),
		run: (_vault, storage) => readAll(storage.get('foreign/it', {signal: never})),
	},
	{name: 'Put Blob', hits: isWhole, run: (vault, storage) => vault.put('foreign/new', small, {}, storage)},
	{name: 'Put Block', hits: isBlock, run: (vault, storage) => vault.put('foreign/new', large, {}, storage)},
	{name: 'Put Block List', hits: isCommit, run: (vault, storage) => vault.put('foreign/new', large, {}, storage)},
	{
		name: 'a removal',
		hits: line => !line.startsWith('PUT'),
		async run(_vault, storage) {
			const results = await storage.remove(['foreign/it', 'foreign/other'], {signal: never});
			for (const {error} of results) if (error) throw error;
		},
	},
	{
		name: 'everything',
		hits: () => true,
		run: (vault, storage) => vault.put('foreign/new', large, {}, storage),
	},
];

describe('Azure: answers of another server', {skip: azuriteMissing}, () => {
	let vault: Vault;
	before(async () => {
		vault = await startVault();
		await vault.put('foreign/it', small);
	});
	after(() => vault.stop());
	afterEach(() => vault.calm());
	const stat = async (key: string) => (await vault.open()).stat(key, {signal: never});

	for (const [what, answer] of foreign) {
		for (const {name, hits, run} of steps) {
			it(`${what} for ${name} is an error`, async () => {
				const storage = await vault.open();
				vault.tell({answer, hits});
				await assert.rejects(run(vault, storage), error => isStorageError(error, /could not /));
				vault.calm();
				assert.equal((await stat('foreign/it'))?.size, small.length);
				assert.equal(await stat('foreign/new'), undefined);
			});
		}
	}

	it('a page for a HEAD is no blob', async () => {
		const storage = await vault.open();
		for (const answer of [{status: 200, headers: html}, {status: 200}, {status: 404, headers: html}]) {
			vault.tell({answer});
			await assert.rejects(storage.stat('foreign/it', {signal: never}), error =>
				isStorageError(error, /not an Azure Blob/),
			);
		}
	});

	it('names what answers, and tries again where that may help', async () => {
		vault.tell({answer: {status: 200, headers: html, body: page}, times: 2});
		const context = vault.contextOf();
		const storage = wrapStorage(await vault.open(), context);
		assert.ok((await collect(storage.list('', {signal: never}))).length > 0);
		assert.match(context.lines.join(), /not an Azure Blob Storage service \(text\/html/);
	});

	for (const status of [300, 301, 302, 303, 307, 308]) {
		it(`a redirect (${status}) to another host gets nothing`, async () => {
			const heard: string[] = [];
			const thief = createServer((request, response) => {
				heard.push(`${request.method ?? ''} ${request.url ?? ''}`);
				response.end();
			});
			await new Promise<void>(resolve => thief.listen(0, '127.0.0.1', resolve));
			const location = `http://127.0.0.1:${(thief.address() as AddressInfo).port}/`;
			try {
				const storage = await vault.open();
				vault.tell({answer: {status, headers: {location}}});
				for (const {run} of steps)
					await assert.rejects(run(vault, storage), error => isStorageError(error, /could not /));
				assert.deepEqual(heard, []);
			} finally {
				thief.close();
			}
		});
	}

	const listing = (blobs: string, marker: string) =>
		`<?xml version="1.0"?><EnumerationResults ContainerName="vault"><Blobs>${blobs}</Blobs><NextMarker>${marker}</NextMarker></EnumerationResults>`;
	const blob = '<Blob><Name>same</Name><Properties><Content-Length>1</Content-Length></Properties></Blob>';
	for (const [what, blobs] of [
		['the same keys', blob],
		['empty pages', ''],
	] as const) {
		it(`a listing that never ends (${what}) is an error`, async () => {
			vault.tell({answer: {status: 200, headers: xml, body: listing(blobs, 'again')}});
			const storage = await vault.openRetrying();
			await assert.rejects(collect(storage.list('', {signal: never})), error => isStorageError(error, /does not end/));
		});
	}

	it('an empty listing is empty', async () => {
		vault.tell({answer: {status: 200, headers: xml, body: listing('', '')}});
		assert.deepEqual(await collect((await vault.open()).list('', {signal: never})), []);
	});

	for (const [code, kept] of [
		['BlobImmutableDueToPolicy', 'locked until 2031-01-02T03:04:05.000Z'],
		['BlobImmutableDueToLegalHold', 'locked by a legal hold'],
	] as const) {
		it(`a blob that is ${kept} is kept, which is no error`, async () => {
			const part = `--b\r\nContent-Type: application/http\r\nContent-ID: 0\r\n\r\nHTTP/1.1 409 Conflict\r\nx-ms-error-code: ${code}\r\n\r\n\r\n--b--`;
			const storage = await vault.open();
			const until = {
				'x-ms-immutability-policy-until-date': 'Thu, 02 Jan 2031 03:04:05 GMT',
				etag: '"1"',
				'content-length': '1',
			};
			vault.tell({
				hits: line => line.includes('comp=batch'),
				answer: {status: 202, headers: {'content-type': 'multipart/mixed; boundary=b'}, body: part},
				next: {status: 200, headers: until},
			});
			assert.deepEqual(await storage.remove(['foreign/it'], {signal: never}), [{key: 'foreign/it', kept}]);
		});
	}

	it('what the service did not answer in a batch is not removed', async () => {
		const part = '--b\r\nContent-ID: 0\r\n\r\nHTTP/1.1 202 Accepted\r\n\r\n\r\n--b--';
		vault.tell({answer: {status: 202, headers: {'content-type': 'multipart/mixed; boundary=b'}, body: part}});
		const results = await (await vault.open()).remove(['foreign/it', 'foreign/other'], {signal: never});
		assert.deepEqual(results[0], {key: 'foreign/it'});
		assert.match(results[1]?.error?.message ?? '', /did not answer for it/);
	});
});
