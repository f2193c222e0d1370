/** What a service answers is believed only where it can be: damaged objects, addresses elsewhere, missing rights. */
import assert from 'node:assert/strict';
import {createServer} from 'node:http';
import type {AddressInfo} from 'node:net';
import {after, afterEach, before, describe, it} from 'node:test';
import {StorageError} from '../../../source/storage/errors.js';
import {chunkSize, isStorageError, large, operations, small, startVault, type Vault} from './lying-service.js';

const sizes = [
	['small', small],
	['large', large],
] as const;

let vault: Vault;
before(async () => {
	vault = await startVault();
});
after(() => vault.server.stop());
afterEach(() => vault.calm());

describe('GCS: what proves an upload', () => {
	for (const [size, bytes] of sizes) {
		it(`${size}: the crc32c of the service is the proof`, async () => {
			const result = await vault.put(`proof/${size}`, bytes);
			assert.deepEqual(result, {size: bytes.length, proof: {by: 'checksum', algorithm: 'crc32c'}, created: true});
		});

		it(`${size}: an answer without crc32c proves nothing`, async () => {
			vault.quirk({without: ['crc32c']});
			assert.deepEqual((await vault.put(`none/${size}`, bytes)).proof, {by: 'size'});
		});

		for (const damage of ['flip', 'cut'] as const) {
			it(`${size}: an object that was stored damaged (${damage}) is removed again`, async () => {
				vault.quirk({damage});
				await assert.rejects(vault.put(`damaged/${size}${damage}`, bytes), error =>
					isStorageError(error, /was removed/),
				);
				assert.ok(!vault.server.objects.has(`damaged/${size}${damage}`));
			});

			it(`${size}: the same when the last answer is lost and the session forgotten (${damage})`, async () => {
				vault.quirk({damage, losesLastAnswer: true});
				await assert.rejects(vault.put(`lost/${size}${damage}`, bytes), error => isStorageError(error, /was removed/));
				assert.ok(!vault.server.objects.has(`lost/${size}${damage}`));
			});

			it(`${size}: damage that cannot be removed (${damage}) stays an error, also in the next run`, async () => {
				vault.quirk({damage, denied: ['remove']});
				const key = `stays/${size}${damage}`;
				let journal: unknown;
				const onJournal = (value: unknown) => (journal = value);
				const storage = await vault.openRetrying();
				const stays = (error: unknown) =>
					isStorageError(error, /damaged object/) && error instanceof StorageError && error.exhausted;
				await assert.rejects(vault.put(key, bytes, {onJournal}, storage), stays);
				await assert.rejects(vault.put(key, bytes, {onJournal, journal}, storage), stays);
				const kept: unknown = JSON.parse(JSON.stringify(journal));
				await assert.rejects(vault.put(key, bytes, {onJournal, journal: kept}, await vault.openRetrying()), stays);
				await assert.rejects(vault.put(key, bytes), {code: 'EXISTS'});
			});
		}

		it(`${size}: an upload whose last answer was lost is recognized by its checksum`, async () => {
			vault.quirk({losesLastAnswer: true});
			const {proof} = await vault.put(`ours/${size}`, bytes);
			assert.deepEqual(proof, {by: 'checksum', algorithm: 'crc32c'});
		});

		it(`${size}: the object of an interrupted run is compared with the source`, async () => {
			for (const damage of [undefined, 'flip'] as const) {
				const key = `killed/${size}${damage}`;
				let journal: unknown;
				vault.quirk({damage});
				await vault.put(key, bytes, {onJournal: value => (journal ??= value)}).catch(() => undefined);
				vault.server.quirks.damage = undefined;
				if (damage !== undefined) {
					// The run died before it could look: the object is still there.
					await vault.put(key, Buffer.from('x'), {metadata: () => ({upload: (journal as {upload: string}).upload})});
					const stored = vault.server.objects.get(key);
					assert.ok(stored);
					stored.metadata['upload'] = (journal as {upload: string}).upload;
					await assert.rejects(vault.put(key, bytes, {journal}), error => isStorageError(error, /was removed/));
					assert.ok(!vault.server.objects.has(key));
				} else {
					const {proof} = await vault.put(key, bytes, {journal});
					assert.deepEqual(proof, {by: 'checksum', algorithm: 'crc32c'});
				}
			}
		});

		it(`${size}: works with the rights to create and to view only`, async () => {
			vault.quirk({denied: ['update', 'remove']});
			const before = vault.server.requests.length;
			const {proof} = await vault.put(`rights/${size}`, bytes, {metadata: () => ({sha256: 'abc'})});
			assert.equal(proof.by, 'checksum');
			assert.ok(vault.server.requests.slice(before).every(line => !line.startsWith('PATCH')));
			assert.equal(vault.server.objects.get(`rights/${size}`)?.metadata['sha256'], 'abc');
		});

		it(`${size}: works with the right to create only`, async () => {
			vault.quirk({denied: ['update', 'remove', 'read']});
			assert.equal((await vault.put(`create/${size}`, bytes)).proof.by, 'checksum');
			await assert.rejects(vault.put(`create/${size}`, bytes), {code: 'EXISTS'});
		});
	}

	for (const [what, notation, by] of [
		['in hexadecimal', (crc: string) => Buffer.from(crc, 'base64').toString('hex'), 'size'],
		['null', () => null, 'size'],
		['a number', () => 7, 'size'],
		['in base64url', (crc: string) => Buffer.from(crc, 'base64').toString('base64url'), 'checksum'],
	] as const) {
		it(`a checksum that is ${what} is not taken for that of other bytes`, async () => {
			vault.quirk({notation});
			const key = `notation/${what}`;
			assert.equal((await vault.put(key, small)).proof.by, by);
			assert.ok(vault.server.objects.has(key));
		});
	}

	for (const status of [404, 410]) {
		it(`an upload whose session the service forgets (${status}) begins again`, async () => {
			vault.server.faults.push({matches: line => line.startsWith('PUT /upload'), do: {status}, skip: 1, times: 2});
			const {proof} = await vault.put(`forgotten/${status}`, large, {}, await vault.openRetrying());
			assert.equal(proof.by, 'checksum');
			assert.ok(vault.server.objects.get(`forgotten/${status}`)?.bytes.equals(large));
		});
	}

	it('an object of another upload is never touched, whatever a journal says', async () => {
		await vault.put('theirs/one', Buffer.from('theirs'));
		const session = `${vault.server.url}/upload/storage/v1/b/vault/o?upload_id=x`;
		const journal = {session, upload: 'guessed', bytes: 0, crc32c: 'AAAAAA=='};
		await assert.rejects(vault.put('theirs/one', small, {journal}), {code: 'EXISTS'});
		assert.equal(vault.server.objects.get('theirs/one')?.bytes.toString(), 'theirs');
	});

	it('an object that does not exist after a confirmed upload is an error', async () => {
		const name = 'gone/it';
		vault.server.faults.push({
			matches: line => line.startsWith('PUT /upload'),
			do: {status: 200, body: JSON.stringify({name, size: String(small.length), generation: '7'})},
		});
		await assert.rejects(vault.put(name, small), error => {
			isStorageError(error, /does not exist after the upload/);
			assert.match((error as StorageError).hint ?? '', /did not keep/);
			return true;
		});
	});

	it('an answer that describes another object is none', async () => {
		vault.server.faults.push({
			matches: line => line.startsWith('PUT /upload'),
			do: {status: 200, body: JSON.stringify({name: 'other', size: String(small.length), generation: '7'})},
			times: Infinity,
		});
		await assert.rejects(vault.put('this/one', small), error => isStorageError(error, /another object is described/));
	});
});

describe('GCS: where uploads go', () => {
	let elsewhere: string;
	const heard: string[] = [];
	const thief = createServer((request, response) => {
		heard.push(`${request.method ?? ''} ${request.headers.authorization ?? ''}`);
		response.end('{}');
	});
	before(async () => {
		await new Promise<void>(resolve => thief.listen(0, '127.0.0.1', resolve));
		elsewhere = `http://127.0.0.1:${(thief.address() as AddressInfo).port}`;
	});
	after(() => thief.close());
	afterEach(() => {
		heard.length = 0;
	});

	it('an upload address at another host gets nothing', async () => {
		vault.quirk({sessionOrigin: elsewhere});
		await assert.rejects(vault.put('else/where', large), error =>
			isStorageError(error, /outside the configured endpoint/),
		);
		assert.deepEqual(heard, []);
	});

	for (const [what, session] of [
		['another host', () => `${elsewhere}/upload/storage/v1/b/vault/o?upload_id=x`],
		['another port', () => 'http://127.0.0.1:1/upload/storage/v1/b/vault/o?upload_id=x'],
		['another scheme', () => `${vault.server.url.replace('http:', 'https:')}/upload/storage/v1/b/vault/o?upload_id=x`],
		[
			'a user in front of the host',
			() => vault.server.url.replace('http://', `http://${vault.server.url.slice(7)}@`) + '.invalid/x',
		],
		['another bucket', () => `${vault.server.url}/upload/storage/v1/b/theirs/o?upload_id=x`],
		['another object', () => `${vault.server.url}/upload/storage/v1/b/vault/o?name=other&upload_id=x`],
		['no URL', () => 'not a URL'],
		['a path', () => '//127.0.0.1/upload'],
	] as const) {
		it(`a recorded session at ${what} is not used`, async () => {
			const before = vault.server.requests.length;
			const key = `session/${what}`;
			const journal = {session: session(), upload: 'ab', bytes: chunkSize, crc32c: 'AAAAAA=='};
			await vault.put(key, large, {journal});
			assert.ok(vault.server.objects.get(key)?.bytes.equals(large));
			assert.deepEqual(heard, []);
			assert.ok(vault.server.requests.slice(before).every(line => !line.includes('upload_id=x')));
		});
	}

	for (const status of [301, 302, 303, 307, 308]) {
		it(`a redirect (${status}) to another host is not followed`, async () => {
			const storage = await vault.open();
			for (const operation of operations(vault.put)) {
				vault.server.faults.push({
					matches: () => true,
					do: {status, headers: {location: `${elsewhere}/x?token=1`}},
					times: Infinity,
				});
				await assert.rejects(operation.run(storage), error =>
					isStorageError(error, /not a Google Cloud Storage service|could not/),
				);
				vault.server.faults.length = 0;
			}
			assert.deepEqual(heard, []);
		});
	}
});
