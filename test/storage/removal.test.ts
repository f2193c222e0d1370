/** Removals that a service confirms and does not do: an error that names the object, at every store. */
import assert from 'node:assert/strict';
import {randomBytes} from 'node:crypto';
import {createServer} from 'node:http';
import type {AddressInfo} from 'node:net';
import {describe, it} from 'node:test';
import {CancelledError} from '../../source/core/errors.js';
import {openB2} from '../../source/storage/b2/b2.js';
import {withConfirmedRemoval} from '../../source/storage/decorators/confirm-removal.js';
import {storageError} from '../../source/storage/errors.js';
import {wrapStorage} from '../../source/storage/open.js';
import {removalWaits} from '../../source/storage/removal-check.js';
import {openS3} from '../../source/storage/s3/s3.js';
import {openSftp} from '../../source/storage/sftp/sftp.js';
import {bytesSource} from '../../source/storage/source.js';
import type {RemoveResult, Storage} from '../../source/storage/storage.js';
import {azuriteMissing} from '../helpers/azurite.js';
import {createMemoryStorage} from '../helpers/memory-storage.js';
import {scratchDirectory} from '../helpers/program.js';
import {bucketAt} from '../helpers/s3-bucket.js';
import {type S3ServerOptions, startS3Server, testCredential} from '../helpers/s3-server.js';
import {startFaultyServer} from '../helpers/sshd-faults.js';
import {fastClock, listKeys, never, testContext} from '../helpers/storage-tools.js';
import {startVault as startAzureVault} from './azure/lying-service.js';
import {startVault as startGcsVault} from './gcs/lying-service.js';

const bytes = randomBytes(1000);
const many = Array.from({length: 40}, (_, index) => `pre/${String(index).padStart(4, '0')}`);

async function put(storage: Storage, keys: readonly string[]): Promise<void> {
	for (const key of keys) await storage.put(key, bytesSource(bytes), {signal: never});
}

function assertUnremoved(results: readonly RemoveResult[], keys: readonly string[]): void {
	assert.deepEqual(
		results.flatMap(({key, error}) => (error ? key : [])),
		keys,
	);
	for (const {key, error} of results) {
		if (!error) continue;
		assert.match(error.message, /could not remove .* from .*: the removal was confirmed, but the object still exists/);
		assert.ok(error.message.includes(key));
	}
}

type Liar = {
	readonly storage: Storage;
	/** From now on removals are confirmed and not done; each of so many keys. */
	readonly lie: (count: number) => void;
	readonly close: () => Promise<void>;
};

async function s3Liar(options: S3ServerOptions = {}): Promise<Liar> {
	const server = await startS3Server(options);
	const context = testContext({clock: fastClock()});
	return {
		storage: wrapStorage(await openS3(bucketAt(server.url), context), context),
		lie: () =>
			server.faults.push(
				...['DeleteObject', 'DeleteObjects'].map(action => ({do: 'discard', action, times: Infinity}) as const),
			),
		close: () => server.close(),
	};
}

async function b2Liar({lacks = []}: S3ServerOptions = {}): Promise<Liar> {
	const server = await startS3Server({lacks: ['checksums', 'conditions', ...lacks]});
	const authority = createServer((_request, response) =>
		response.end(JSON.stringify({apiInfo: {storageApi: {s3ApiUrl: server.url}}})),
	);
	await new Promise<void>(resolve => authority.listen(0, '127.0.0.1', resolve));
	const authorizeUrl = `http://127.0.0.1:${(authority.address() as AddressInfo).port}`;
	const {keyId, secret: appKey} = testCredential;
	const context = testContext({clock: fastClock()});
	return {
		storage: wrapStorage(await openB2({bucket: 'bucket', keyId, appKey, authorizeUrl}, context), context),
		lie: () =>
			server.faults.push(
				...['DeleteObject', 'DeleteObjects'].map(action => ({do: 'discard', action, times: Infinity}) as const),
			),
		async close() {
			authority.close();
			await server.close();
		},
	};
}

async function gcsLiar(): Promise<Liar> {
	const vault = await startGcsVault();
	return {
		storage: await vault.openRetrying(),
		lie: () =>
			vault.server.faults.push({matches: line => line.startsWith('DELETE'), do: {status: 204}, times: Infinity}),
		close: () => vault.server.stop(),
	};
}

async function azureLiar(): Promise<Liar> {
	const vault = await startAzureVault();
	const partOf = (id: number) => `--b\r\nContent-ID: ${id}\r\n\r\nHTTP/1.1 202 Accepted\r\n\r\n\r\n`;
	return {
		storage: await vault.openRetrying(),
		lie: count =>
			vault.tell({
				hits: line => line.includes('comp=batch'),
				answer: {
					status: 202,
					headers: {'content-type': 'multipart/mixed; boundary=b'},
					body: `${Array.from({length: count}, (_, id) => partOf(id)).join('')}--b--`,
				},
			}),
		close: () => vault.stop(),
	};
}

async function sftpLiar(): Promise<Liar> {
	const server = await startFaultyServer({password: 'secret'});
	const context = testContext({clock: fastClock()});
	const settings = {host: '127.0.0.1', port: server.port, user: 'me', password: 'secret', ignoreHostKey: true};
	const target = await openSftp(settings, {...context, home: scratchDirectory('home')});
	// The idle timeout of the whole would pass at once.
	const storage = withConfirmedRemoval(target, context.clock);
	return {
		storage,
		lie: () => (server.refuse = request => (request === 'REMOVE' ? {code: 0} : undefined)),
		async close() {
			await storage.close();
			await server.stop();
		},
	};
}

const liars: readonly (readonly [
	name: string,
	start: (options?: S3ServerOptions) => Promise<Liar>,
	skip?: string | undefined,
])[] = [
	['s3', s3Liar],
	['b2', b2Liar],
	['gcs', gcsLiar],
	['azure', azureLiar, azuriteMissing],
	['sftp', sftpLiar],
];

describe('a removal that is confirmed and not done', () => {
	for (const [name, start, skip] of liars)
		it(`${name}: is an error, for one object and for many`, {skip}, async () => {
			const {storage, lie, close} = await start();
			try {
				await put(storage, [...many, 'pre/other']);
				const [first = '', ...others] = many;
				assert.deepEqual(
					(await storage.remove([first, 'pre/none'], {signal: never})).map(({key, error}) => [key, error]),
					[first, 'pre/none'].map(key => [key, undefined]),
				);
				lie(1);
				assertUnremoved(await storage.remove(others.slice(0, 1), {signal: never}), others.slice(0, 1));
				lie(others.length);
				assertUnremoved(await storage.remove(others, {signal: never}), others);
				assert.deepEqual(await listKeys(storage, ''), [...others, 'pre/other']);
			} finally {
				await close();
			}
		});

	it('is waited for, because a service may show a removed object for a while, and only once', async () => {
		const memory = createMemoryStorage();
		let shown = 3;
		const clock = fastClock();
		const storage = withConfirmedRemoval(
			{
				...memory,
				stat: async (key, options) => (shown-- > 0 ? {key, size: 1, metadata: {}} : memory.stat(key, options)),
			},
			clock,
		);
		assert.deepEqual(await storage.remove(['a'], {signal: never}), [{key: 'a'}]);
		assert.deepEqual(clock.slept, removalWaits.slice(0, 3));
		shown = Infinity;
		assertUnremoved(await storage.remove(['a'], {signal: never}), ['a']);
		const {length} = clock.slept;
		assertUnremoved(await storage.remove(['b'], {signal: never}), ['b']);
		assert.equal(clock.slept.length, length);
	});

	it('takes one listing for thousands of objects, and at most 1,000 objects per call', async () => {
		const memory = createMemoryStorage();
		const keys = Array.from({length: 2500}, (_, index) => `pre/${index}`);
		await put(memory, keys);
		const calls: string[] = [];
		const storage = withConfirmedRemoval({
			...memory,
			list: (prefix, options) => (calls.push(`list ${prefix}`), memory.list(prefix, options)),
			stat: (key, options) => (calls.push(`stat ${key}`), memory.stat(key, options)),
			remove: (wanted, options) => (calls.push(`remove ${wanted.length}`), memory.remove(wanted, options)),
		});
		assert.equal((await storage.remove(keys, {signal: never})).filter(({error}) => error).length, 0);
		assert.deepEqual(calls, ['remove 1000', 'remove 1000', 'remove 500', 'list pre/']);
	});

	it('is found by a listing where reading is not allowed; without both it is said what is known', async () => {
		const memory = createMemoryStorage();
		const denied = storageError('forbidden', {operation: 'inspect', location: memory.location}, 'access denied');
		const blind: Storage = {...memory, stat: () => Promise.reject(denied)};
		await put(memory, ['a']);
		const lazy: Storage = {...blind, remove: keys => Promise.resolve(keys.map(key => ({key})))};
		assertUnremoved(await withConfirmedRemoval(lazy, fastClock()).remove(['a', 'b'], {signal: never}), ['a']);
		assert.deepEqual(await withConfirmedRemoval(blind).remove(['a'], {signal: never}), [{key: 'a'}]);
		const none: Storage = {
			...blind,
			async *list() {
				yield await Promise.reject(denied);
			},
		};
		const [result] = await withConfirmedRemoval(none).remove(['a'], {signal: never});
		assert.equal(result?.unchecked, 'confirmed');
		assert.match(
			result.error?.message ?? '',
			/could not check the removal of a from .*: the service confirmed it, but whether the file is gone is not known: .*access denied/,
		);
	});

	it('is not the older version that a removal uncovers', async () => {
		const memory = createMemoryStorage();
		const storage = withConfirmedRemoval(
			{
				...memory,
				stat: key => Promise.resolve({key, size: 1, metadata: {}, version: 'older'}),
				remove: keys => Promise.resolve(keys.map(key => ({key, version: key === 'kept' ? 'older' : 'newer'}))),
			},
			fastClock(),
		);
		assertUnremoved(await storage.remove(['gone', 'kept'], {signal: never}), ['kept']);
	});

	it('of an unfinished upload is an error', async () => {
		const server = await startS3Server();
		const context = testContext({clock: fastClock()});
		const storage = wrapStorage(await openS3(bucketAt(server.url), context), context);
		try {
			const upload = {key: 'big', id: 'u1', initiated: 1000, headers: {}, parts: new Map(), checksums: false};
			server.uploads.set('u1', upload);
			server.faults.push({do: 'raw', action: 'AbortMultipartUpload', status: 204});
			await assert.rejects(async () => storage.cleanup?.('', {signal: never, olderThan: 2000}), {
				message: /could not clean up big at s3:\/\/bucket\/: the abort of its unfinished upload was confirmed, but/,
			});
			assert.deepEqual(await storage.cleanup?.('', {signal: never, olderThan: 2000}), ['big']);
		} finally {
			await server.close();
		}
	});
});

describe('a removal that is canceled', () => {
	const stores = liars.filter(([name]) => name !== 'azure'); // its smallest batch has 256 objects
	for (const [name, start] of stores)
		it(`${name}: ends between two requests, and has a result for each object`, async () => {
			const {storage, close} = await start({lacks: ['batches']});
			try {
				const keys = Array.from({length: 80}, (_, index) => `pre/${String(index).padStart(4, '0')}`);
				await put(storage, keys);
				const stop = new AbortController();
				const onRemoved = () => stop.abort(new CancelledError('stop'));
				const results = await storage.remove(keys, {signal: never, stop: stop.signal, onRemoved});
				const there = await listKeys(storage, '');
				assert.ok(there.length > 0 && there.length < keys.length, String(there.length));
				for (const {key, error} of results) assert.equal(error instanceof CancelledError, there.includes(key), key);
			} finally {
				await close();
			}
		});

	it('says what is known of the requests that were aborted', async () => {
		const memory = createMemoryStorage();
		const controller = new AbortController();
		const storage = withConfirmedRemoval({
			...memory,
			remove(keys, {onRemoved}) {
				const [first = ''] = keys;
				onRemoved?.({key: first});
				controller.abort(new CancelledError('stop'));
				return Promise.reject(controller.signal.reason as Error);
			},
		});
		const keys = Array.from({length: 1001}, (_, index) => `k${index}`);
		const results = await storage.remove(keys, {signal: controller.signal, stop: controller.signal});
		assert.deepEqual(
			[0, 1, 999, 1000].map(index => results[index]?.unchecked),
			['confirmed', 'requested', 'requested', undefined],
		);
		assert.ok(results.every(({error}) => error !== undefined));
	});
});

describe('a damaged object whose removal is confirmed and not done', () => {
	it('s3: is named, also when it can only be uploaded', async () => {
		const server = await startS3Server();
		const context = testContext({clock: fastClock()});
		const storage = wrapStorage(await openS3(bucketAt(server.url), context), context);
		try {
			for (const more of [
				[],
				[{do: 'answer', action: 'HeadObject', status: 403, code: '', times: Infinity}],
			] as const) {
				server.faults.length = 0;
				server.objects.clear();
				server.faults.push(
					{do: 'damage', action: 'PutObject', how: 'flip', truthful: true},
					{do: 'discard', action: 'DeleteObject', times: Infinity},
					...more,
				);
				await assert.rejects(storage.put('a', bytesSource(bytes), {signal: never, ifAbsent: true}), {
					message:
						more.length === 0
							? /the damaged object could not be removed: the removal was confirmed, but the object still exists/
							: /the damaged object may still be there: the service confirmed its removal, but whether it is gone is not known/,
				});
				assert.deepEqual([...server.objects.keys()], ['a']);
			}
		} finally {
			await server.close();
		}
	});

	it('gcs: is named', async () => {
		const vault = await startGcsVault();
		try {
			vault.quirk({damage: 'flip'});
			vault.server.faults.push({matches: line => line.startsWith('DELETE'), do: {status: 204}, times: Infinity});
			await assert.rejects(vault.put('a', bytes, {}, await vault.openRetrying()), {
				message: /the damaged object could not be removed: the removal was confirmed, but the object still exists/,
			});
		} finally {
			await vault.server.stop();
		}
	});

	it('azure: is named', {skip: azuriteMissing}, async () => {
		const vault = await startAzureVault();
		try {
			vault.tell({damage: 'flip', hits: line => line.startsWith('DELETE'), answer: {status: 202}});
			await assert.rejects(vault.put('a', bytes, {}, await vault.openRetrying()), {
				message: /the damaged blob could not be removed: the removal was confirmed, but the object still exists/,
			});
		} finally {
			await vault.stop();
		}
	});
});
