/** What goes wrong between us and S3: no false success, nothing half there, and an error that says what and where. */
import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import {PgBackError} from '../../../source/core/errors.js';
import {StorageError} from '../../../source/storage/errors.js';
import {bytesSource} from '../../../source/storage/source.js';
import {isCorrupt} from '../../helpers/errors.js';
import type {S3Fault} from '../../helpers/s3-requests.js';
import {startS3Server, testCredential} from '../../helpers/s3-server.js';
import {never, readAll} from '../../helpers/storage-tools.js';
import {withVariables} from '../../helpers/variables.js';
import {bucketInTrouble, failure, large, mebi, put, small} from './trouble.js';

describe('s3 in trouble', () => {
	const bucket = bucketInTrouble();
	const {open, assertHeld, assertNothing} = bucket;

	const passing: readonly (readonly [string, S3Fault])[] = [
		['a 503 with Retry-After', {do: 'answer', status: 503, code: 'SlowDown', headers: {'retry-after': '7'}}],
		['a 429', {do: 'answer', status: 429, code: 'TooManyRequests'}],
		['a 500', {do: 'answer', status: 500, code: 'InternalError'}],
		['a 409', {do: 'answer', status: 409, code: 'OperationAborted'}],
		['a 499', {do: 'answer', status: 499, code: 'ClientClosedRequest'}],
		['a refused checksum', {do: 'answer', status: 400, code: 'BadDigest'}],
		['a reset at the first byte', {do: 'reset', after: 0}],
		['a reset in the middle', {do: 'reset', after: 700}],
		['an answer that is lost', {do: 'lose'}],
		['a server that says nothing', {do: 'silence'}],
		['a server that does not read', {do: 'stall'}],
	];
	for (const [what, fault] of passing) {
		for (const [action, bytes] of [
			['PutObject', small],
			['UploadPart', large],
		] as const) {
			it(`${what} at ${action} is tried again`, async () => {
				const hangs = fault.do === 'silence' || fault.do === 'stall';
				const {storage, clock, lines} = await open({}, hangs ? {idleTimeout: 1000} : {});
				bucket.server.faults.push({...fault, action, times: 2});
				const result = await put(storage, bytes, {ifAbsent: true});
				assert.equal(result.size, bytes.length);
				assertHeld(bytes);
				assert.ok(
					lines.some(line => line.includes('trying again') && line.includes('db/it.dump')),
					lines.join('\n'),
				);
				if ('headers' in fault) assert.ok(clock.slept.includes(7000), 'waits as long as it was asked to');
			});
		}
	}

	for (const action of ['CreateMultipartUpload', 'CompleteMultipartUpload', 'HeadObject']) {
		it(`a 503 at ${action} is tried again`, async () => {
			const {storage} = await open();
			bucket.server.faults.push({do: 'answer', status: 503, code: 'SlowDown', action, times: 3});
			await put(storage, large);
			assertHeld(large);
		});
	}

	it('only the part that failed goes out again', async () => {
		const {storage} = await open();
		bucket.server.faults.push({do: 'reset', after: mebi / 2, action: 'UploadPart', part: 3, times: 2});
		await put(storage, large);
		assertHeld(large);
		assert.equal(bucket.server.counts.get('UploadPart'), 6 + 2);
	});

	it('an end of the upload whose answer is lost is recognised as done', async () => {
		const {storage} = await open();
		bucket.server.faults.push({do: 'lose', action: 'CompleteMultipartUpload'});
		await put(storage, large, {ifAbsent: true});
		assertHeld(large);
	});

	it('trouble that does not end, ends within the budget', async () => {
		const {storage, clock} = await open();
		bucket.server.faults.push({do: 'answer', status: 503, code: 'SlowDown', action: 'UploadPart', times: 1e6});
		await assert.rejects(put(storage, large), failure('throttled', /gave up after \d+ attempts/));
		assertNothing();
		const waited = clock.slept.reduce((sum, one) => sum + one, 0);
		assert.ok(clock.now() <= 15 * 60_000 + 60_000, `${clock.now()} ms`);
		assert.ok(waited > 10 * 60_000, 'the budget is used');
	});

	it('credentials that expire midway are fetched anew, and the upload goes on', async () => {
		const stale = {...testCredential, token: 'old'};
		const fresh = {...testCredential, token: 'new'};
		bucket.server.credentials = [stale];
		const source = {
			size: large.length,
			async *read(offset: number) {
				for (let at = offset; at < large.length; at += mebi) {
					if (at >= 3 * mebi) {
						bucket.server.credentials = [fresh];
						process.env['AWS_SESSION_TOKEN'] = fresh.token;
					}
					yield large.subarray(at, at + mebi);
					await Promise.resolve();
				}
			},
		};
		const variables = {
			AWS_ACCESS_KEY_ID: stale.keyId,
			AWS_SECRET_ACCESS_KEY: stale.secret,
			AWS_SESSION_TOKEN: stale.token,
		};
		try {
			await withVariables(variables, async () => {
				const {storage, lines} = await open({keyId: '', secret: ''});
				await storage.put('db/it.dump', source, {signal: never});
				assertHeld(large);
				assert.equal(bucket.server.counts.get('CreateMultipartUpload'), 1);
				assert.ok(lines.some(line => line.includes('were renewed')));
				bucket.server.credentials = [];
				await assert.rejects(
					put(storage, small),
					(error: unknown) => error instanceof StorageError && /InvalidAccessKeyId/.test(error.message),
				);
			});
		} finally {
			bucket.server.credentials = [testCredential];
		}
	});

	it('static credentials that have expired are an error', async () => {
		bucket.server.credentials = [{...testCredential, token: 'new'}];
		const {storage} = await open({sessionToken: 'old'});
		await assert.rejects(put(storage, large), failure('expired', 'ExpiredToken'));
		bucket.server.credentials = [testCredential];
	});

	it('a wrong clock is named, and the upload goes on with the time of the server', async () => {
		const late = await startS3Server({clockOffset: 3_600_000});
		try {
			const {storage, lines} = await open({endpoint: late.url});
			await put(storage, large);
			assert.ok(late.objects.get('db/it.dump')?.bytes.equals(large));
			assert.ok(
				lines.some(line => /the clock of this machine is 3(600|599|601) s behind the server's/.test(line)),
				lines.join('\n'),
			);
		} finally {
			await late.close();
		}
	});

	it('a download that is cut goes on where it was, and one with wrong bytes is an error', async () => {
		const {storage, lines} = await open();
		await put(storage, large);
		bucket.server.faults.push({do: 'cut', after: 2 * mebi, action: 'GetObject', times: 2});
		assert.ok(large.equals(await readAll(storage.get('db/it.dump', {signal: never}))));
		assert.equal(bucket.server.counts.get('GetObject'), 3);
		assert.ok(lines.some(line => line.includes('trying again')));
		await put(storage, small);
		const held = bucket.server.objects.get('db/it.dump');
		assert.ok(held);
		held.bytes[0]! ^= 1;
		await assert.rejects(
			readAll((await open({}, {retryBudget: 2000})).storage.get('db/it.dump', {signal: never})),
			(error: unknown) => isCorrupt(error, /hecksum/),
		);
	});

	it('a listing whose page fails or is cut is complete all the same', async () => {
		const paged = await startS3Server({pageSize: 10});
		try {
			const {storage} = await open({endpoint: paged.url});
			for (let at = 0; at < 35; at++) await storage.put(`list/${at + 100}`, bytesSource(small), {signal: never});
			paged.faults.push({do: 'answer', status: 503, code: 'SlowDown', action: 'ListObjectsV2', skip: 1, times: 2});
			paged.faults.push({do: 'cut', after: 300, action: 'ListObjectsV2', skip: 2});
			const keys: string[] = [];
			for await (const {key} of storage.list('list/', {signal: never})) keys.push(key);
			assert.deepEqual(
				keys,
				Array.from({length: 35}, (_, at) => `list/${at + 100}`),
			);
		} finally {
			await paged.close();
		}
	});

	it('a full quota is an error at once, and leaves nothing', async () => {
		const tight = await startS3Server({quota: 2 * mebi});
		try {
			const {storage, clock} = await open({endpoint: tight.url});
			tight.objects.set('db/old', {bytes: small, size: 1.5 * mebi, etag: 'x', modified: 0, headers: {}, version: '1'});
			await assert.rejects(put(storage, large), failure('full', 'QuotaExceeded'));
			assert.deepEqual([...tight.objects.keys()], ['db/old']);
			assert.equal(tight.uploads.size, 0);
			assert.deepEqual(clock.slept, []);
		} finally {
			await tight.close();
		}
	});

	it('what may not be removed is told key by key', async () => {
		const strict = await startS3Server({
			may: (_, action, key) => !action.startsWith('Delete') || key === 'a' || key === '',
		});
		try {
			const {storage} = await open({endpoint: strict.url});
			for (const key of ['a', 'b', 'c']) await storage.put(key, bytesSource(small), {signal: never});
			const results = await storage.remove(['a', 'b', 'c'], {signal: never});
			assert.deepEqual(
				results.map(({key, error}) => [key, error instanceof PgBackError && error.exitCode]),
				[
					['a', false],
					['b', 14],
					['c', 14],
				],
			);
			assert.match(results[1]?.error?.message ?? '', /could not remove b from s3:\/\/bucket\/: access denied/);
			assert.deepEqual([...strict.objects.keys()], ['b', 'c']);
		} finally {
			await strict.close();
		}
	});

	it('an interrupted upload keeps its parts for the next run, and a clean-up removes them', async () => {
		const {storage} = await open({}, {retryBudget: 3000});
		let journal: unknown;
		const onJournal = (state: unknown) => (journal = state);
		bucket.server.faults.push({do: 'answer', status: 503, code: 'SlowDown', action: 'UploadPart', part: 4, times: 1e6});
		await assert.rejects(put(storage, large, {onJournal}), failure('throttled'));
		assert.equal(bucket.server.uploads.size, 1);
		assert.equal(bucket.server.objects.size, 0);
		const sent = bucket.server.counts.get('UploadPart') ?? 0;
		bucket.server.faults.length = 0;
		// What the service has is compared with our bytes: a part that is not ours goes out again.
		const [upload] = bucket.server.uploads.values();
		const first = upload?.parts.get(1);
		assert.ok(first);
		first.crc32 = 'AAAAAA==';
		await put(storage, large, {onJournal, journal});
		assertHeld(large);
		assert.equal(journal, undefined);
		assert.ok((bucket.server.counts.get('UploadPart') ?? 0) - sent <= 6);
		bucket.server.faults.push({do: 'answer', status: 403, code: 'AccessDenied', action: 'UploadPart', part: 2});
		await assert.rejects(put(storage, large, {onJournal}));
		assert.equal(bucket.server.uploads.size, 1);
		assert.deepEqual(await storage.cleanup?.('other/', {signal: never, olderThan: Date.now() + 1000}), []);
		assert.deepEqual(await storage.cleanup?.('db/', {signal: never, olderThan: Date.now() - 60_000}), []);
		assert.deepEqual(await storage.cleanup?.('db/', {signal: never, olderThan: Date.now() + 1000}), ['db/it.dump']);
		assert.equal(bucket.server.uploads.size, 0);
	});

	it('a wrong secret and a missing bucket are errors at once', async () => {
		const {storage, clock} = await open({secret: 'wrong'});
		await assert.rejects(put(storage, small), failure('forbidden', 'SignatureDoesNotMatch'));
		await assert.rejects(put(storage, large), failure('forbidden', 'SignatureDoesNotMatch'));
		assert.deepEqual(clock.slept, []);
		bucket.server.faults.push({
			do: 'answer',
			status: 404,
			code: 'NoSuchBucket',
			message: 'The specified bucket does not exist',
			action: 'PutObject',
		});
		await assert.rejects(put((await open()).storage, small), failure('missing', 'NoSuchBucket'));
	});

	it('a refused connection is a network error', async () => {
		const {storage} = await open({endpoint: 'http://127.0.0.1:1'}, {retryBudget: 2000});
		await assert.rejects(put(storage, small), failure('network', 'connection refused'));
	});

	it('no secret stands in a message or a log line', async () => {
		const {storage, lines} = await open({secret: 'CANARY-secret'}, {retryBudget: 2000});
		bucket.server.faults.push({do: 'answer', status: 503, code: 'SlowDown'});
		const error = await put(storage, small).catch((one: unknown) => one);
		assert.doesNotMatch(`${String(error)} ${lines.join(' ')}`, /CANARY/);
	});
});
