/** What proves a blob: checksums that the service answers, and its list of blocks; damaged blobs, lost answers and missing rights. */
import assert from 'node:assert/strict';
import {after, afterEach, before, describe, it} from 'node:test';
import {crc64} from '../../../source/storage/azure/crc64.js';
import {StorageError} from '../../../source/storage/errors.js';
import {isBlock} from '../../helpers/azure-front.js';
import {azuriteMissing} from '../../helpers/azurite.js';
import {isCorrupt} from '../../helpers/errors.js';
import {never, readAll} from '../../helpers/storage-tools.js';
import {isStorageError, large, small, startVault, type Vault} from './lying-service.js';

const sizes = [
	['small', small],
	['large', large],
] as const;

describe('Azure: what proves an upload', {skip: azuriteMissing}, () => {
	let vault: Vault;
	before(async () => {
		vault = await startVault();
	});
	after(() => vault.stop());
	afterEach(() => vault.calm());
	const isThere = async (key: string) => {
		vault.calm();
		return (await (await vault.open()).stat(key, {signal: never})) !== undefined;
	};

	for (const [size, bytes] of sizes) {
		it(`${size}: the md5 that the service answers is the proof`, async () => {
			const result = await vault.put(`proof/${size}`, bytes);
			assert.deepEqual(result, {size: bytes.length, proof: {by: 'checksum', algorithm: 'md5'}, created: true});
		});

		it(`${size}: an answer without a checksum proves nothing`, async () => {
			vault.tell({md5: 'none'});
			assert.deepEqual((await vault.put(`none/${size}`, bytes)).proof, {by: 'size'});
		});

		it(`${size}: a wrong crc64 without an md5 is damage`, async () => {
			vault.tell({md5: 'none', crc64: crc64(Buffer.from('other')).toString('base64')});
			await assert.rejects(vault.put(`crc/${size}`, bytes), error => isStorageError(error, /crc64/));
			assert.equal(await isThere(`crc/${size}`), false);
		});

		for (const md5 of ['stored', 'wrong'] as const) {
			it(`${size}: bytes that were damaged on their way are noticed by the answer (md5 ${md5})`, async () => {
				vault.tell({damage: 'flip', md5});
				await assert.rejects(vault.put(`flip/${size}${md5}`, bytes), error => isStorageError(error, /md5/));
				assert.equal(await isThere(`flip/${size}${md5}`), false);
			});
		}

		it(`${size}: a cut blob does not stay and does not block its key`, async () => {
			vault.tell({damage: 'cut', md5: 'sent'});
			await assert.rejects(vault.put(`cut/${size}`, bytes), error =>
				isStorageError(error, /bytes were stored; the damaged blob was removed/),
			);
			vault.calm();
			await vault.put(`cut/${size}`, bytes);
			assert.ok(bytes.equals(await readAll((await vault.open()).get(`cut/${size}`, {signal: never}))));
		});

		it(`${size}: damage that cannot be removed stays an error, also in the next run`, async () => {
			vault.tell({damage: 'cut', md5: 'sent', denied: ['DELETE']});
			const key = `stays/${size}`;
			let journal: unknown;
			const onJournal = (value: unknown) => (journal = value);
			const stays = (error: unknown) =>
				isStorageError(error, /damaged blob/) && error instanceof StorageError && error.exhausted;
			await assert.rejects(vault.put(key, bytes, {onJournal}, await vault.openRetrying()), stays);
			await assert.rejects(vault.put(key, bytes, {onJournal, journal}, await vault.openRetrying()), stays);
			await assert.rejects(vault.put(key, bytes), {code: 'EXISTS'});
		});

		it(`${size}: a blob whose answer was lost is recognized, but not proven by what we wrote ourselves`, async () => {
			vault.tell({losesLastAnswer: true});
			const {proof} = await vault.put(`lost/${size}`, bytes);
			// The blocks were confirmed one by one, and their list is read from the service.
			assert.equal(proof.by, size === 'large' ? 'checksum' : 'size');
		});

		it(`${size}: a cut blob whose answer was lost is removed`, async () => {
			vault.tell({losesLastAnswer: true, damage: 'cut', md5: 'sent'});
			await assert.rejects(vault.put(`lostcut/${size}`, bytes), error => isStorageError(error, /was removed/));
			assert.equal(await isThere(`lostcut/${size}`), false);
		});

		it(`${size}: the blob of an interrupted run is not proven by its metadata`, async () => {
			let journal: unknown;
			await vault.put(`killed/${size}`, bytes, {onJournal: value => (journal ??= value)});
			const {proof, created} = await vault.put(`killed/${size}`, bytes, {journal});
			assert.deepEqual([proof, created], [{by: 'size'}, true]);
			await assert.rejects(vault.put(`killed/${size}`, bytes.subarray(1), {journal}), error =>
				isStorageError(error, /was removed/),
			);
			assert.equal(await isThere(`killed/${size}`), false);
		});

		it(`${size}: a blob of another upload is EXISTS, whatever a journal says`, async () => {
			await vault.put(`theirs/${size}`, Buffer.from('theirs'));
			const journal = {upload: '0123456789abcdef', base: 65536};
			await assert.rejects(vault.put(`theirs/${size}`, bytes, {journal}), {code: 'EXISTS'});
			assert.equal(await isThere(`theirs/${size}`), true);
		});

		it(`${size}: works with the rights to create and write only, and says what is not checked`, async () => {
			vault.tell({denied: ['GET', 'HEAD', 'DELETE']});
			const context = vault.contextOf();
			const storage = await vault.open(context);
			const {proof} = await vault.put(`write/${size}`, bytes, {}, storage);
			assert.equal(proof.by, size === 'small' ? 'checksum' : 'size');
			assert.match(context.lines.join('\n'), /warn: no permission to read at azure:.*cannot be checked/);
			await assert.rejects(vault.put(`write/${size}`, bytes, {}, storage), {code: 'EXISTS'});
		});
	}

	it('a block that the service left out of the blob is noticed', async () => {
		vault.tell({damage: 'drop block'});
		await assert.rejects(vault.put('dropped/it', large), error => isStorageError(error, /was removed/));
		assert.equal(await isThere('dropped/it'), false);
	});

	it('blocks that an earlier run left are used, and then nothing proves the blob', async () => {
		const journals: unknown[] = [];
		const onJournal = (value: unknown) => journals.push(value);
		vault.tell({answer: {status: 503}, hits: line => line.includes('comp=blocklist') && line.startsWith('PUT')});
		await assert.rejects(vault.put('resumed/it', large, {onJournal}));
		vault.calm();
		const before = vault.requests.length;
		const {proof} = await vault.put('resumed/it', large, {journal: journals.at(-1)});
		assert.equal(vault.requests.slice(before).filter(isBlock).length, 0);
		assert.deepEqual(proof, {by: 'size'});
	});

	it('Content-MD5 of a blob is no checksum of the service, but downloads are compared with it', async () => {
		const client = vault.azurite.service.getContainerClient('vault').getBlockBlobClient('md5/wrong');
		const wrong = Buffer.alloc(16, 7);
		await client.upload(small, small.length);
		await client.setHTTPHeaders({blobContentMD5: wrong});
		assert.equal((await (await vault.open()).stat('md5/wrong', {signal: never}))?.checksums, undefined);
		const storage = await vault.openRetrying();
		await assert.rejects(readAll(storage.get('md5/wrong', {signal: never})), error => isCorrupt(error, /the md5 of/));
	});
});
