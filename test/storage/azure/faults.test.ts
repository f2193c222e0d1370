import assert from 'node:assert/strict';
import {randomBytes} from 'node:crypto';
import {createServer, request as send, type Server} from 'node:http';
import type {AddressInfo} from 'node:net';
import {after, afterEach, before, describe, it} from 'node:test';
import {ContainerSASPermissions, generateBlobSASQueryParameters, StorageSharedKeyCredential} from '@azure/storage-blob';
import {PgBackError} from '../../../source/core/errors.js';
import {openAzure} from '../../../source/storage/azure/azure.js';
import {blockSizeAt} from '../../../source/storage/azure/blocks.js';
import {bytesSource} from '../../../source/storage/source.js';
import type {OpenContext, Storage} from '../../../source/storage/storage.js';
import {type Azurite, azuriteMissing, startAzurite} from '../../helpers/azurite.js';
import {collect, never, readAll, testContext} from '../../helpers/storage-tools.js';

type Fault = {
	readonly matches: (line: string) => boolean;
	/** `unheard`: the request is done, and its answer lost. */
	readonly do:
		| 'reset'
		| 'silence'
		| 'cut'
		| 'unheard'
		| {readonly status: number; readonly code: string; readonly headers?: Record<string, string>};
	times?: number;
	skip?: number;
};

const blockSize = 256 * 1024;
const bytes = randomBytes(3 * blockSize + 1000);

describe('Azure: what goes wrong', {skip: azuriteMissing}, () => {
	let azurite: Azurite;
	let front: Server;
	let url: string;
	const faults: Fault[] = [];
	const requests: string[] = [];
	before(async () => {
		azurite = await startAzurite();
		await azurite.service.createContainer('vault');
		front = createServer((incoming, outgoing) => {
			const line = `${incoming.method ?? ''} ${incoming.url ?? ''}`;
			requests.push(line);
			const fault = faults.find(one => one.times !== 0 && one.matches(line) && (one.skip ?? 0) <= 0);
			for (const one of faults) if (one.matches(line)) one.skip = (one.skip ?? 0) - 1;
			if (fault) fault.times = (fault.times ?? 1) - 1;
			if (typeof fault?.do === 'object') {
				incoming.resume();
				outgoing.writeHead(fault.do.status, {'x-ms-error-code': fault.do.code, ...fault.do.headers}).end();
			} else if (fault?.do === 'reset') incoming.socket.resetAndDestroy();
			else if (fault?.do === 'silence') incoming.resume();
			else {
				const upstream = send(
					{
						port: azurite.port,
						host: '127.0.0.1',
						method: incoming.method,
						path: incoming.url,
						headers: incoming.headers,
					},
					answer => {
						if (fault?.do === 'unheard') return void answer.resume().on('end', () => incoming.socket.resetAndDestroy());
						outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
						if (fault?.do === 'cut')
							return void answer.once('data', (chunk: Buffer) =>
								outgoing.write(chunk.subarray(0, chunk.length >> 1), () => incoming.socket.destroy()),
							);
						return answer.pipe(outgoing);
					},
				);
				upstream.on('error', () => incoming.socket.destroy());
				incoming.pipe(upstream);
			}
		});
		await new Promise<void>(resolve => front.listen(0, '127.0.0.1', resolve));
		url = `http://127.0.0.1:${(front.address() as AddressInfo).port}/${azurite.account}`;
	});
	after(async () => {
		front.closeAllConnections();
		front.close();
		await azurite.stop();
	});
	afterEach(() => {
		faults.length = 0;
	});

	const open = (more: Partial<OpenContext> = {}): Promise<Storage> => {
		let now = 0;
		const clock = {
			now: () => now,
			random: () => 1,
			sleep: async (milliseconds: number) => {
				now += milliseconds;
			},
		};
		return openAzure(
			{container: 'vault', account: azurite.account, key: azurite.key, endpoint: url, blockSize},
			testContext({clock, ...more}),
		);
	};
	const put = async (key: string, storage?: Storage, ifAbsent = false) =>
		(storage ?? (await open())).put(key, bytesSource(bytes), {signal: never, ifAbsent});
	const held = async (key: string) => readAll((await open()).get(key, {signal: never}));
	const failsWith = async (key: string, pattern: RegExp, storage?: Storage) => {
		await assert.rejects(put(key, storage), error => {
			assert.ok(error instanceof PgBackError, String(error));
			assert.equal(error.exitCode, 14);
			assert.match(error.message, pattern);
			assert.ok(
				error.message.includes(key) && error.message.includes(`azure://${azurite.account}/vault/`),
				error.message,
			);
			assert.ok(!error.message.includes(azurite.key));
			assert.ok(error.hint);
			return true;
		});
		assert.equal(await (await open()).stat(key, {signal: never}), undefined);
	};
	const isBlock = (line: string) => line.startsWith('PUT') && /comp=block(&|$)/.test(line);
	const isCommit = (line: string) => line.startsWith('PUT') && line.includes('comp=blocklist');

	for (const [name, what] of [
		['503 with Retry-After', {status: 503, code: 'ServerBusy', headers: {'retry-after': '7'}}],
		['429', {status: 429, code: 'TooManyRequests'}],
		['500', {status: 500, code: 'InternalError'}],
		['a reset connection', 'reset'],
		['a block that arrived wrongly', {status: 400, code: 'Md5Mismatch'}],
	] as const) {
		it(`goes on after ${name} in the middle`, async () => {
			faults.push({matches: isBlock, do: what, skip: 1, times: 2});
			await put(`after/${name}`, await open({retryBudget: 60_000}));
			assert.equal(faults[0]?.times, 0, 'it was hit');
			assert.ok(bytes.equals(await held(`after/${name}`)));
		});
	}

	it('knows its own blob again when the answer to the last request is lost', async () => {
		faults.push({matches: isCommit, do: 'unheard'});
		await put('unheard/it', undefined, true);
		assert.ok(bytes.equals(await held('unheard/it')));
		faults.push({matches: line => line.startsWith('PUT') && line.includes('unheard/small'), do: 'unheard'});
		await (await open()).put('unheard/small', bytesSource(Buffer.from('x')), {signal: never, ifAbsent: true});
	});

	it('gives up when the service never comes back, and shows nothing', async () => {
		faults.push({matches: isBlock, do: {status: 503, code: 'ServerBusy'}, times: Infinity});
		await failsWith('never/back', /throttling requests, ServerBusy, HTTP status 503 \(gave up after \d+ attempts\)/);
	});

	it('ends a request on which nothing moves', async () => {
		faults.push({matches: isCommit, do: 'silence', times: Infinity});
		await failsWith('silent/one', /no progress/, await open({idleTimeout: 200, retryBudget: 100}));
	});

	it('names what was refused', async () => {
		for (const [code, status, pattern] of [
			['AuthorizationPermissionMismatch', 403, /access denied, AuthorizationPermissionMismatch/],
			['ContainerNotFound', 404, /ContainerNotFound/],
			['BlobImmutableDueToPolicy', 409, /locked, BlobImmutableDueToPolicy/],
		] as const) {
			faults.push({matches: line => line.startsWith('PUT'), do: {status, code}, times: 1});
			await failsWith(`refused/${code}`, pattern);
			faults.length = 0;
		}
	});

	it('does not take a cut download for the whole', async () => {
		await put('down/load');
		faults.push({matches: line => line.startsWith('GET') && line.includes('down'), do: 'cut'});
		await assert.rejects(held('down/load'), /could not download down\/load from azure:.*(ended after|connection was)/);
		assert.ok(bytes.equals(await held('down/load')));
	});

	it('sends only the blocks that are not there when it goes on', async () => {
		const journals: unknown[] = [];
		const onJournal = (journal: unknown) => journals.push(journal);
		faults.push({matches: isCommit, do: {status: 503, code: 'ServerBusy'}, times: Infinity});
		const storage = await open({retryBudget: 1});
		await assert.rejects(storage.put('journal/it', bytesSource(bytes), {signal: never, onJournal}));
		faults.length = 0;
		const before = requests.length;
		await storage.put('journal/it', bytesSource(bytes), {signal: never, onJournal, journal: journals.at(-1)});
		assert.equal(requests.slice(before).filter(isBlock).length, 0);
		assert.ok(bytes.equals(await held('journal/it')));
		assert.equal(journals.at(-1), undefined, 'nothing is left to be done');
	});

	it('gets in with every form of address', async () => {
		await put('forms/it');
		const credential = new StorageSharedKeyCredential(azurite.account, azurite.key);
		const sas = (container: string) =>
			generateBlobSASQueryParameters(
				{
					containerName: container,
					permissions: ContainerSASPermissions.parse('racwdl'),
					expiresOn: new Date(Date.now() + 3_600_000),
				},
				credential,
			).toString();
		const {account, key} = azurite;
		const forms = {
			'account and key': {settings: {container: 'vault', account, key, endpoint: url}},
			'the environment': {
				settings: {container: 'vault', endpoint: url},
				env: {AZURE_STORAGE_ACCOUNT: account, AZURE_STORAGE_KEY: key},
			},
			'the account URL with a SAS': {settings: {container: 'vault', endpoint: `${url}?${sas('vault')}`}},
			'the container URL with a SAS': {settings: {container: 'vault', endpoint: `${url}/vault?${sas('vault')}`}},
			'the container URL alone': {settings: {container: '', endpoint: `${url}/vault?${sas('vault')}`}},
			'a SAS token beside the URL': {settings: {container: 'vault', endpoint: url, sasToken: `?${sas('vault')}`}},
			'a connection string': {
				settings: {
					container: 'vault',
					connectionString: `AccountName=${account};AccountKey=${key};BlobEndpoint=${url}`,
				},
			},
			'a connection string as the endpoint': {
				settings: {container: 'vault', endpoint: `BlobEndpoint=${url};SharedAccessSignature=${sas('vault')}`},
			},
			'a connection string in the environment': {
				settings: {container: 'vault'},
				env: {AZURE_STORAGE_CONNECTION_STRING: `AccountName=${account};AccountKey=${key};BlobEndpoint=${url}`},
			},
		};
		for (const [name, form] of Object.entries(forms)) {
			const storage = await openAzure(form.settings, testContext({env: 'env' in form ? form.env : {}}));
			assert.equal((await storage.stat('forms/it', {signal: never}))?.size, bytes.length, name);
			assert.doesNotMatch(storage.location, /sig=|\?/, name);
			await storage.put(`forms/${name}`, bytesSource(Buffer.from('x')), {signal: never});
			assert.deepEqual(
				await storage.remove([`forms/${name}`, 'forms/none'], {signal: never}),
				[{key: `forms/${name}`}, {key: 'forms/none'}],
				name,
			);
			assert.equal((await collect(storage.list('forms/', {signal: never}))).length, 1, name);
		}
	});

	it('says what is wrong with settings before anything is done', async () => {
		const context = testContext();
		const refuses = (settings: Parameters<typeof openAzure>[0], pattern: RegExp) =>
			assert.rejects(
				openAzure(settings, context),
				error =>
					error instanceof PgBackError &&
					error.code === 'CONFIG' &&
					pattern.test(error.message) &&
					error.hint !== undefined,
			);
		await refuses({container: 'vault'}, /no Azure account/);
		await refuses({container: 'vault', account: 'a'}, /no key configured for the Azure account a/);
		await refuses({container: 'vault', account: 'a', key: 'not base64!'}, /not valid base64/);
		await refuses(
			{container: 'other', endpoint: 'https://a.blob.core.windows.net/vault?sig=x'},
			/container vault, but azure_container is other/,
		);
		await refuses({container: '', account: 'a', key: 'YQ=='}, /no Azure container/);
		await refuses({container: 'vault', connectionString: 'EndpointSuffix=x'}, /neither AccountName nor BlobEndpoint/);
	});

	it('never needs more than 50,000 blocks, also for an unknown size', () => {
		let sent = 0;
		for (let count = 0; count < 50_000; count++) sent += blockSizeAt(8 * 1024 * 1024, sent);
		assert.ok(sent > 48 * 1024 ** 4);
	});
});
