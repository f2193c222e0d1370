/** Answers of other servers, listings without an end, locked objects, and downloads that are damaged or interrupted. */
import assert from 'node:assert/strict';
import {randomBytes} from 'node:crypto';
import {after, afterEach, before, describe, it} from 'node:test';
import {isReplaced} from '../../../source/storage/errors.js';
import {wrapStorage} from '../../../source/storage/open.js';
import {isCorrupt} from '../../helpers/errors.js';
import {collect, never, readAll} from '../../helpers/storage-tools.js';
import {isStorageError, large, operations, small, startVault, type Vault} from './lying-service.js';

let vault: Vault;
before(async () => {
	vault = await startVault();
});
after(() => vault.server.stop());
afterEach(() => vault.calm());

const html = {'content-type': 'text/html; charset=utf-8'};
const page = '<!DOCTYPE html><html><body>Sign in to the guest network</body></html>';
const foreign = [
	['a web page', {status: 200, headers: html, body: page}],
	['a web page that calls itself JSON', {status: 200, headers: {'content-type': 'application/json'}, body: page}],
	['an empty object', {status: 200, headers: {'content-type': 'application/json'}, body: '{}'}],
	['an array', {status: 200, headers: {'content-type': 'application/json'}, body: '[]'}],
	['null', {status: 200, headers: {'content-type': 'application/json'}, body: 'null'}],
	['an empty body', {status: 200}],
	['an error with status 200', {status: 200, body: '{"error":{"code":503,"message":"backend"}}'}],
	['cut JSON', {status: 200, body: '{"kind":"storage#objects","items":[{"name":"a'}],
	['text', {status: 200, headers: {'content-type': 'text/plain'}, body: 'OK'}],
	['items of another kind', {status: 200, body: '{"items":[1,"x",null]}'}],
	['an object without a size', {status: 200, body: '{"name":"foreign/it","generation":"1"}'}],
	['a page with 404', {status: 404, headers: html, body: page}],
	['a page with 412', {status: 412, headers: html, body: page}],
	['a page with 403', {status: 403, headers: html, body: page}],
	['a page with 407', {status: 407, headers: html, body: page}],
	['a page with 502', {status: 502, headers: html, body: page}],
	['an empty 412', {status: 412}],
	['204', {status: 204}],
] as const;

describe('GCS: answers of another server', () => {
	before(() => vault.put('foreign/it', small));
	afterEach(() => vault.server.remove('foreign/new'));

	for (const [what, answer] of foreign) {
		for (const {name, hits, run} of operations((...given) => vault.put(...given))) {
			// Without a body and a status of its own, a removal was successful; the bytes of an object may be anything of its size.
			if (name === 'a removal' && ['204', 'an empty body'].includes(what)) continue;
			it(`${what} for ${name} is an error`, async () => {
				vault.server.faults.push({matches: hits, do: answer, times: Infinity});
				const storage = await vault.open();
				await assert.rejects(run(storage), error => isStorageError(error, /could not /));
				vault.server.faults.length = 0;
				assert.ok(vault.server.objects.has('foreign/it'));
				assert.ok(!vault.server.objects.has('foreign/new'));
			});
		}
	}

	it('names what answers, and tries again where that may help', async () => {
		vault.server.faults.push({matches: () => true, do: {status: 200, headers: html, body: page}, times: 2});
		const context = vault.contextOf();
		const storage = wrapStorage(await vault.open(), context);
		assert.ok((await collect(storage.list('', {signal: never}))).length > 0);
		assert.match(context.lines.join(), /not a Google Cloud Storage service \(text\/html\)/);
	});
});

describe('GCS: listings and removals', () => {
	for (const endless of ['same token', 'same keys', 'empty pages'] as const) {
		it(`a listing that never ends (${endless}) is an error`, async () => {
			vault.quirk({endless});
			const storage = await vault.openRetrying();
			await assert.rejects(collect(storage.list('', {signal: never})), error => isStorageError(error, /does not end/));
		});
	}

	for (const [reason, message, kept] of [
		[
			'retentionPolicyNotMet',
			"Object 'vault/x' is subject to bucket's retention policy and cannot be deleted until 2031-01-02T03:04:05.678-08:00",
			'locked until 2031-01-02T03:04:05.678-08:00',
		],
		['objectUnderActiveHold', 'Object is under active Temporary hold and cannot be deleted.', 'locked by a hold'],
		['retentionPolicyNotMet', 'no', 'locked by a retention policy'],
	] as const) {
		it(`an object that is ${kept} is kept, which is no error`, async () => {
			await vault.put(`locked/${kept}`, small);
			vault.quirk({locked: {reason, message}});
			assert.deepEqual(await (await vault.open()).remove([`locked/${kept}`], {signal: never}), [
				{key: `locked/${kept}`, kept},
			]);
		});
	}
});

describe('GCS: downloads under retries', () => {
	it('damage that shows at the end is an error, though all bytes were given out', async () => {
		await vault.put('read/flip', large);
		vault.server.faults.push({matches: line => line.includes('alt=media'), do: 'flip'});
		const storage = await vault.openRetrying();
		await assert.rejects(readAll(storage.get('read/flip', {signal: never})), error => isCorrupt(error, /crc32c/));
	});

	it('a download that was interrupted is compared as a whole', async () => {
		await vault.put('read/cut', large);
		const storage = await vault.openRetrying();
		vault.server.faults.push({matches: line => line.includes('alt=media'), do: 'cut'});
		assert.ok(large.equals(await readAll(storage.get('read/cut', {signal: never}))));
		vault.server.faults.push({matches: line => line.includes('alt=media'), do: 'cut'});
		vault.server.faults.push({matches: line => line.includes('alt=media'), do: 'flip'});
		await assert.rejects(readAll(storage.get('read/cut', {signal: never})), error => isCorrupt(error, /crc32c/));
	});

	it('an object that was replaced meanwhile is not put together from two', async () => {
		await vault.put('read/two', large);
		const storage = await vault.openRetrying();
		vault.server.faults.push({matches: line => line.includes('alt=media'), do: 'cut'});
		const reading = async () => {
			const chunks: Buffer[] = [];
			for await (const chunk of storage.get('read/two', {signal: never})) {
				if (chunks.length === 0) await vault.put('read/two', randomBytes(large.length), {ifAbsent: false});
				chunks.push(Buffer.from(chunk));
			}
			return Buffer.concat(chunks);
		};
		await assert.rejects(reading(), isReplaced);
	});
});
