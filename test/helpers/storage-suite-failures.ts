/** The storage suite: uploads that fail, are aborted, are refused or go on later. */
import assert from 'node:assert/strict';
import {randomBytes} from 'node:crypto';
import {PgBackError} from '../../source/core/errors.js';
import {bytesSource} from '../../source/storage/source.js';
import type {PutSource} from '../../source/storage/storage.js';
import {isStorageFailure, type Suite} from './storage-suite-context.js';
import {chunked, collect, listKeys, never, readAll} from './storage-tools.js';

export function failureTests(suite: Suite): void {
	const {test, put, get, stat, assertNothing, large, traits} = suite;

	for (const [which, length] of [
		['small', 100],
		['large', large],
	] as const) {
		test(`a ${which} source that ends early fails and shows nothing`, async () => {
			const bytes = randomBytes(length);
			const source = {size: length + 1, read: (offset: number) => chunked(bytes.subarray(offset), 65_536)};
			await assert.rejects(put(`early-${which}/it`, source), error => isStorageFailure(error, 'ended after'));
			await assertNothing(`early-${which}/it`);
		});

		test(`a ${which} source with more than it said fails and shows nothing`, async () => {
			const bytes = randomBytes(length);
			const source = {size: length - 1, read: (offset: number) => chunked(bytes.subarray(offset), 65_536)};
			await assert.rejects(put(`longer-${which}/it`, source), error => isStorageFailure(error, 'more than'));
			await assertNothing(`longer-${which}/it`);
		});

		for (const size of [length, undefined]) {
			const knows = size === undefined ? 'unknown' : 'known';
			test(`a ${which} source of ${knows} size that fails is the error of the upload and shows nothing`, async () => {
				const boom = new PgBackError('DUMP_FAILED', 'the dump died');
				const source: PutSource = {size, read: () => failing(randomBytes(length - 10), boom)};
				await assert.rejects(put(`fails-${which}-${knows}/it`, source), error => error === boom);
				await assertNothing(`fails-${which}-${knows}/it`);
			});
		}

		test(`an abort in the middle of a ${which} upload rejects with its reason and shows nothing`, async () => {
			const controller = new AbortController();
			const reason = new Error('stopped by the test');
			const bytes = randomBytes(length);
			const source = {size: length, read: () => abortingHalfway(bytes, () => controller.abort(reason))};
			await assert.rejects(put(`abort-${which}/it`, source, {signal: controller.signal}), error => error === reason);
			await assertNothing(`abort-${which}/it`);
		});
	}

	test('a failed upload leaves the object that was there', async () => {
		await put('kept/it', Buffer.from('the old one'));
		await assert.rejects(put('kept/it', {size: large, read: () => failing(randomBytes(large - 1), new Error('boom'))}));
		assert.equal((await get('kept/it')).toString(), 'the old one');
		assert.deepEqual(await listKeys(suite.storage, 'kept/'), ['kept/it']);
	});

	test('an operation with an aborted signal rejects with the reason', async () => {
		const reason = new Error('stopped before');
		const signal = AbortSignal.abort(reason);
		const same = (error: unknown) => error === reason;
		await assert.rejects(put('aborted/it', Buffer.from('x'), {signal}), same);
		await assert.rejects(suite.storage.stat('aborted/it', {signal}), same);
		await assert.rejects(collect(suite.storage.list('', {signal})), same);
		await assert.rejects(suite.storage.remove(['aborted/it'], {signal}), same);
		await assertNothing('aborted/it');
	});

	test('without the right every operation fails, names the place, and is not tried again', async () => {
		const {forbidden} = suite.place;
		assert.ok(forbidden, 'no forbidden storage given: skip this test with its reason');
		await put('forbidden/it', Buffer.from('x'));
		const check = (error: unknown) => isStorageFailure(error, '') && forbidden.isPermanent(error);
		await assert.rejects(forbidden.put('forbidden/new', bytesSource(Buffer.from('y')), {signal: never}), check);
		await assert.rejects(forbidden.put('forbidden/large', bytesSource(randomBytes(large)), {signal: never}), check);
		await assert.rejects(readAll(forbidden.get('forbidden/it', {signal: never})), check);
		await assert.rejects(forbidden.stat('forbidden/it', {signal: never}), check);
		await assert.rejects(collect(forbidden.list('forbidden/', {signal: never})), check);
		const failed = await forbidden
			.remove(['forbidden/it'], {signal: never})
			.catch((error: unknown) => [{key: 'forbidden/it', error}]);
		assert.ok(check(failed[0]?.error), 'removal fails');
		assert.deepEqual(await listKeys(suite.storage, 'forbidden/'), ['forbidden/it']);
		if (suite.place.everything)
			assert.deepEqual(
				(await suite.place.everything()).filter(key => /forbidden\/(new|large)/.test(key)),
				[],
			);
	});

	test('an interrupted upload goes on where it was', async () => {
		assert.ok(traits.resumes, 'this target does not resume: skip this test with its reason');
		const bytes = randomBytes(large);
		const journals: unknown[] = [];
		const controller = new AbortController();
		const reason = new Error('the machine went down');
		const source = (limit: number): PutSource => ({
			size: large,
			async *read(offset) {
				for await (const chunk of chunked(bytes.subarray(offset, limit), 65_536)) yield chunk;
				if (limit < large) {
					await waitFor(() => confirmed > 0);
					controller.abort(reason);
					await new Promise(() => undefined);
				}
			},
		});
		let confirmed = 0;
		const options = {
			onJournal: (journal: unknown) => journals.push(journal),
			onProgress: (at: number) => (confirmed = at),
		};
		await assert.rejects(
			put('resume/it', source(large - 1), {...options, signal: controller.signal}),
			error => error === reason,
		);
		assert.equal(await stat('resume/it'), undefined);
		assert.ok(confirmed > 0);
		const journal: unknown = JSON.parse(JSON.stringify(journals.at(-1)));
		assert.ok(journal);
		const progress: number[] = [];
		await put('resume/it', source(large), {...options, journal, onProgress: at => progress.push(at)});
		assert.equal(progress.at(-1), large);
		assert.ok(bytes.equals(await get('resume/it')));
	});

	test('a resumed upload of other bytes holds the new bytes only', async () => {
		assert.ok(traits.resumes, 'this target does not resume: skip this test with its reason');
		const journals: unknown[] = [];
		const controller = new AbortController();
		const reason = new Error('the machine went down');
		let confirmed = 0;
		const first: PutSource = {
			size: large,
			async *read(offset) {
				yield Buffer.alloc(large - 1 - offset, 'a');
				await waitFor(() => confirmed > 0);
				controller.abort(reason);
				await new Promise(() => undefined);
			},
		};
		const onProgress = (at: number) => (confirmed = at);
		await assert.rejects(
			put('changed/it', first, {signal: controller.signal, onProgress, onJournal: one => journals.push(one)}),
			error => error === reason,
		);
		const bytes = randomBytes(large);
		await put('changed/it', bytesSource(bytes), {journal: journals.at(-1), onJournal: () => undefined});
		assert.ok(bytes.equals(await get('changed/it')));
	});
}

async function* failing(bytes: Buffer, error: Error): AsyncGenerator<Uint8Array> {
	yield* chunked(bytes, 65_536);
	throw error;
}

async function* abortingHalfway(bytes: Buffer, abort: () => void): AsyncGenerator<Uint8Array> {
	const half = Math.ceil(bytes.length / 2);
	yield* chunked(bytes.subarray(0, half), 65_536);
	abort();
	yield* chunked(bytes.subarray(half), 65_536);
}

async function waitFor(condition: () => boolean): Promise<void> {
	for (const end = Date.now() + 60_000; !condition();) {
		assert.ok(Date.now() < end, 'nothing was confirmed in 60 s');
		await new Promise(resolve => setTimeout(resolve, 5));
	}
}
