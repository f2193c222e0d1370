import assert from 'node:assert/strict';
import {randomBytes} from 'node:crypto';
import {after, afterEach, before, describe, it} from 'node:test';
import {PgBackError} from '../../../source/core/errors.js';
import {openGcs} from '../../../source/storage/gcs/gcs.js';
import {bytesSource} from '../../../source/storage/source.js';
import type {OpenContext, Storage} from '../../../source/storage/storage.js';
import {type GcsFault, type GcsServer, startGcsServer} from '../../helpers/gcs-server.js';
import {chunked, collect, never, readAll, testContext} from '../../helpers/storage-tools.js';

const chunkSize = 256 * 1024;
const bytes = randomBytes(3 * chunkSize + 1000);
/** Waits cost nothing, and the budget is spent by them all the same. */
function fastClock() {
	let now = 0;
	const waits: number[] = [];
	return {
		waits,
		now: () => now,
		random: () => 1,
		async sleep(milliseconds: number) {
			now += milliseconds;
			waits.push(milliseconds);
		},
	};
}

describe('GCS: what goes wrong', () => {
	let server: GcsServer;
	before(async () => {
		server = await startGcsServer('vault');
	});
	after(() => server.stop());
	afterEach(() => {
		server.faults.length = 0;
		server.token = undefined;
	});

	const open = (more: Partial<OpenContext> = {}): Promise<Storage> =>
		openGcs(
			{bucket: 'vault', chunkSize},
			testContext({env: {STORAGE_EMULATOR_HOST: server.url}, clock: fastClock(), ...more}),
		);
	const fault = (method: string, what: GcsFault['do'], more: Partial<GcsFault> = {}): void => {
		server.faults.push({matches: line => line.startsWith(method), do: what, ...more});
	};
	const put = async (key: string, storage?: Storage) =>
		(storage ?? (await open())).put(key, bytesSource(bytes), {signal: never});
	/** An error for exit status 14 that names the place, the key and the cause, and nothing under the key. */
	const failsWith = async (key: string, pattern: RegExp, storage?: Storage) => {
		await assert.rejects(put(key, storage), error => {
			assert.ok(error instanceof PgBackError, String(error));
			assert.equal(error.exitCode, 14);
			assert.match(error.message, pattern);
			assert.ok(error.message.includes(key) && error.message.includes('gcs://vault/'), error.message);
			assert.ok(error.hint);
			return true;
		});
		assert.ok(!server.objects.has(key));
	};

	for (const [name, what] of [
		['503 with Retry-After', {status: 503, headers: {'retry-after': '7'}}],
		['429', {status: 429}],
		['500', {status: 500, body: 'Internal <b>error</b>'}],
		['a reset connection', 'reset'],
	] as const) {
		it(`goes on after ${name} in the middle`, async () => {
			const clock = fastClock();
			fault('PUT /upload', what, {skip: 1, times: 2});
			const key = `after/${name}`;
			await put(key, await open({clock}));
			assert.ok(server.objects.get(key)?.bytes.equals(bytes));
			assert.equal(server.sessions.size, 0);
			if (name.startsWith('503')) assert.ok(clock.waits.every(wait => wait >= 7000));
		});
	}

	it('gives up when the service never comes back, and leaves nothing', async () => {
		fault('PUT /upload', {status: 503}, {times: Infinity});
		await failsWith('never/back', /throttling requests, HTTP status 503 \(gave up after \d+ attempts\)/);
	});

	it('ends a request on which nothing moves', async () => {
		fault('PUT /upload', 'silence', {times: Infinity});
		await failsWith('silent/one', /no progress/, await open({idleTimeout: 50, retryBudget: 100}));
	});

	it('takes part of a chunk for what it is', async () => {
		// Half of the second chunk gets lost on the way: the service says what it has.
		fault('PUT /upload', {status: 308, headers: {range: `bytes=0-${chunkSize - 1}`}}, {skip: 1});
		await put('part/taken');
		assert.ok(server.objects.get('part/taken')?.bytes.equals(bytes));
	});

	for (const [what, ranges] of [
		['goes back and forth', [chunkSize - 2, 0]],
		['grows by a byte', Array.from({length: 5000}, (_, at) => at)],
		['is everything, without an object', [chunkSize - 1]],
	] as const) {
		it(`gives up when what the service says to have ${what}`, {timeout: 30_000}, async () => {
			let asked = 0;
			server.faults.push({
				matches: line => line.startsWith('PUT /upload'),
				get do() {
					return {status: 308, headers: {range: `bytes=0-${ranges[asked++ % ranges.length]}`}};
				},
				times: Infinity,
			});
			const storage = await open({retryBudget: 60_000});
			const one = bytesSource(bytes.subarray(0, chunkSize));
			await assert.rejects(
				storage.put('not/ending', one, {signal: never}),
				/the service (?:accepted only \d+ of \d+ bytes|has received everything, but does not complete the upload) \(gave up/,
			);
			assert.ok(asked < 100, `${asked} requests`);
		});
	}

	it('refuses what arrived wrongly', async () => {
		server.faults.push({
			matches: (line, headers) => line.startsWith('PUT /upload') && headers['x-goog-hash'] !== undefined,
			do: {
				status: 400,
				body: JSON.stringify({error: {message: 'Provided CRC32C does not match', errors: [{reason: 'invalid'}]}}),
			},
			times: Infinity,
		});
		await failsWith('wrong/checksum', /different data than was sent/, await open({retryBudget: 1}));
	});

	it('takes an object away whose checksum is not that of what was sent', async () => {
		const wrong = {name: 'lied/about', size: String(bytes.length), crc32c: 'AAAAAA==', generation: '424242'};
		server.faults.push({
			matches: (line, headers) => line.startsWith('PUT /upload') && headers['x-goog-hash'] !== undefined,
			do: {status: 200, body: JSON.stringify(wrong)},
		});
		fault('DELETE /storage', {status: 204});
		await failsWith('lied/about', /the crc32c is AAAAAA==/);
		assert.ok(
			server.requests.some(line => line.startsWith('DELETE /storage') && line.endsWith('ifGenerationMatch=424242')),
		);
	});

	it('refuses access at once', async () => {
		server.token = 'another client';
		await failsWith('no/access', /access denied|expired/, await open({retryBudget: 1}));
		const storage = await open({retryBudget: 1});
		await assert.rejects(collect(storage.list('', {signal: never})), /could not list gcs:\/\/vault\/: /);
		await assert.rejects(storage.stat('no/access', {signal: never}), /HTTP status 401/);
	});

	it('says that the bucket is missing', async () => {
		const storage = await openGcs({bucket: 'other'}, testContext({env: {STORAGE_EMULATOR_HOST: server.url}}));
		const check = (error: unknown) =>
			error instanceof PgBackError && storage.isPermanent(error) && /bucket does not exist/.test(error.message);
		await assert.rejects(storage.stat('x', {signal: never}), check);
		await assert.rejects(collect(storage.list('', {signal: never})), check);
		await assert.rejects(put('x', storage), check);
	});

	it('says that the quota is full', async () => {
		fault('PUT /upload', {
			status: 403,
			body: JSON.stringify({error: {message: 'Over quota', errors: [{reason: 'quotaExceeded'}]}}),
		});
		await failsWith('quota/full', /Over quota/);
	});

	it('does not take a cut or changed download for the whole', async () => {
		await put('down/load');
		const storage = await open();
		fault('GET /storage/v1/b/vault/o/down%2Fload?alt', 'cut');
		await assert.rejects(
			readAll(storage.get('down/load', {signal: never})),
			/could not download down\/load from gcs:\/\/vault\/: /,
		);
		fault('GET /storage/v1/b/vault/o/down%2Fload?alt', 'flip');
		await assert.rejects(readAll(storage.get('down/load', {signal: never})), /the crc32c of the received data is/);
		assert.ok(bytes.equals(await readAll(storage.get('down/load', {signal: never}))));
	});

	it('tells of a removal that was refused', async () => {
		await put('kept/one');
		fault('DELETE /storage', {status: 403});
		const [result] = await (await open()).remove(['kept/one'], {signal: never});
		assert.match(result?.error?.message ?? '', /could not remove kept\/one from gcs:\/\/vault\/: access denied/);
		assert.ok(server.objects.has('kept/one'));
	});

	it('a page that fails ends the listing with an error', async () => {
		await put('page/one');
		fault('GET /storage/v1/b/vault/o?', {status: 500});
		await assert.rejects(collect((await open()).list('page/', {signal: never})), /could not list page\/ at gcs/);
	});

	it('goes on from the journal without sending again what is there', async () => {
		const journals: unknown[] = [];
		const storage = await open({retryBudget: 1});
		fault('PUT /upload', {status: 503}, {skip: 2, times: 2});
		const onJournal = (journal: unknown) => journals.push(journal);
		await assert.rejects(storage.put('journal/it', bytesSource(bytes), {signal: never, onJournal}));
		const source = {size: bytes.length, read: (offset: number) => chunked(bytes.subarray(offset), 9973)};
		server.faults.length = 0;
		const before = server.requests.length;
		await storage.put('journal/it', source, {signal: never, journal: journals.at(-1), onJournal});
		assert.equal(
			server.requests.slice(before).filter(line => line.startsWith('PUT /upload')).length,
			3,
			'a question and two chunks',
		);
		assert.ok(server.objects.get('journal/it')?.bytes.equals(bytes));
	});
});
