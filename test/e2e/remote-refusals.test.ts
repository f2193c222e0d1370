/** Uploads and purges that an S3 server refuses, breaks or delays: what is told, what stays here, and how the run ends. */
import assert from 'node:assert/strict';
import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {waitFor} from '../helpers/postgres.js';
import {type Ended, filesIn, scratchDirectory, shapesIn, startProgram, withoutTime} from '../helpers/program.js';
import {testCredential} from '../helpers/s3-server.js';
import {runWithin} from './remote-places.js';
import {dumpOf, s3Backup, type S3Place, slowDump, withServer} from './remote-s3.js';

let cluster: Cluster;

before(async () => {
	cluster = await startCluster({name: 'refusals'});
	await cluster.psql('postgres', 'create database a; create database b');
	await cluster.psql('a', 'create table one as select i from generate_series(1, 1000) i');
});
after(async () => cluster.stop());

const backup = (url: string, directory: string, lines: readonly string[], args: readonly string[]): string[] =>
	s3Backup(cluster, url, directory, lines, args);
const run = (url: string, directory: string, lines: readonly string[], args: readonly string[]): Promise<Ended> =>
	runWithin(backup(url, directory, lines, args));

describe('faults', () => {
	type Fault = S3Place['server']['faults'][number];
	const cases: readonly {
		readonly what: string;
		readonly fault: Fault;
		/** What the run ends with; 0 where it is to be overcome. */
		readonly code: number;
		readonly says?: RegExp;
		/** MiB. */
		readonly size?: number;
	}[] = [
		{
			what: '503 with Retry-After',
			fault: {action: 'PutObject', do: 'answer', status: 503, code: 'SlowDown', headers: {'retry-after': '1'}},
			code: 0,
			says: /trying again in 1\.\d s/,
		},
		{
			what: '503 for ever',
			fault: {do: 'answer', status: 503, code: 'SlowDown', times: Infinity},
			code: 14,
			says: /throttling requests.*gave up/,
		},
		{
			what: 'a reset in the middle of a part',
			fault: {action: 'UploadPart', part: 2, do: 'reset', after: 100_000},
			code: 0,
			size: 20,
		},
		{what: 'silence', fault: {action: 'UploadPart', part: 2, do: 'silence'}, code: 0, size: 20},
		{
			what: 'silence for ever',
			fault: {do: 'silence', times: Infinity},
			code: 14,
			says: /timed out|no progress|no response|timeout/i,
		},
		{
			what: 'a wrong checksum',
			fault: {action: 'UploadPart', part: 2, do: 'wrongChecksum', times: Infinity},
			code: 14,
			size: 20,
			says: /crc32/,
		},
		{
			what: '200 with an error in its body',
			fault: {action: 'CompleteMultipartUpload', do: 'errorIn200', times: Infinity},
			code: 14,
			size: 20,
			says: /InternalError|did not confirm/,
		},
		{what: 'an answer that is lost', fault: {action: 'CompleteMultipartUpload', do: 'lose'}, code: 0, size: 20},
		{
			what: 'bytes that are damaged at the server',
			fault: {action: 'PutObject', do: 'damage', how: 'truncate', times: Infinity},
			code: 14,
			says: /bytes|size/,
		},
		{
			what: 'a token that has expired',
			fault: {
				action: 'UploadPart',
				do: 'answer',
				status: 400,
				code: 'ExpiredToken',
				message: 'The provided token has expired.',
				times: Infinity,
			},
			code: 14,
			size: 20,
			says: /ExpiredToken/,
		},
		{
			what: 'a quota that is used up',
			fault: {action: 'PutObject', do: 'answer', status: 403, code: 'QuotaExceeded', times: Infinity},
			code: 14,
			says: /QuotaExceeded/,
		},
		{
			what: 'no access',
			fault: {do: 'answer', status: 403, code: 'AccessDenied', times: Infinity},
			code: 14,
			says: /access denied/,
		},
		{
			what: 'no such bucket',
			fault: {do: 'answer', status: 404, code: 'NoSuchBucket', times: Infinity},
			code: 14,
			says: /NoSuchBucket/,
		},
	];
	for (const {what, fault, code: expected, says, size = 1} of cases) {
		test(`${what}: status ${expected}`, async () => {
			await withServer({}, async place => {
				const directory = scratchDirectory('uploads');
				place.server.faults.push({...fault});
				const {code, stderr} = await run(
					place.server.url,
					directory,
					['delete_uploaded = yes'],
					['--dump-only', '-B', dumpOf(size), 'a'],
				);
				assert.equal(code, expected, stderr);
				if (says) assert.match(stderr, says);
				const here = shapesIn(directory).filter(name => name === 'a_T.dump');
				const there = (await place.keys()).map(withoutTime).filter(key => key === 'a_T.dump');
				if (expected === 0) return assert.deepEqual([here, there], [[], ['a_T.dump']]);
				assert.deepEqual(here, ['a_T.dump'], 'the local file stays');
				assert.match(stderr, /ERROR: .*a_\d[^ ]*\.dump .*s3:\/\/bucket\//, 'names the key and the place');
				if (fault.do !== 'damage') assert.deepEqual(there, [], 'nothing half-visible');
				assert.ok(!stderr.includes(testCredential.secret));
			});
		});
	}

	test('a clock that is an hour off is named, and corrected', async () => {
		await withServer({clockOffset: 3_600_000}, async place => {
			const {code, stderr} = await run(place.server.url, scratchDirectory('uploads'), [], ['--dump-only', 'a']);
			assert.equal(code, 0, stderr);
			assert.match(stderr, /the clock of this machine is 3\d\d\d s behind the server's/);
		});
	});

	test('a key that exists with other content is not overwritten', async () => {
		await withServer({}, async place => {
			const directory = scratchDirectory('uploads');
			const go = join(scratchDirectory('go'), 'go');
			const running = await startProgram(
				backup(
					place.server.url,
					directory,
					['timestamp_format = legacy'],
					['--dump-only', '-B', slowDump(go, 1, 1), 'a'],
				),
			);
			await waitFor(() => Promise.resolve(filesIn(directory).some(name => name.endsWith('.part'))), 'the dump');
			const foreign = Buffer.from('another client was here');
			const proxy = place.server.objects;
			// Whatever its second: everything that the name may be.
			for (let second = -60; second < 60; second++) {
				const text = new Date(Date.now() + second * 1000)
					.toISOString()
					.replace('T', '_')
					.replaceAll(':', '-')
					.slice(0, 19);
				proxy.set(`a_${text}.dump`, {
					bytes: foreign,
					size: foreign.length,
					etag: 'x',
					modified: Date.now(),
					headers: {},
					version: 'x',
				});
			}
			writeFileSync(go, '');
			const {code, stderr} = await running.ended;
			assert.equal(code, 14, stderr);
			assert.match(stderr, /could not upload a_.* an object with different content already exists/);
			for (const {bytes} of [...proxy].filter(([key]) => key.startsWith('a_')).map(([, held]) => held))
				assert.equal(bytes, foreign);
		});
	});

	test('a purge whose removals are confirmed and not done: status 14, each key by name, none counted', async () => {
		await withServer({}, async place => {
			const directory = scratchDirectory('uploads');
			const lines = ['purge_remote = yes', 'purge_older_than = 0', 'purge_min_keep = 1'];
			assert.equal((await run(place.server.url, directory, lines, ['--dump-only', 'a'])).code, 0);
			const [dump] = [...place.server.objects].find(([key]) => key.startsWith('a_')) ?? [''];
			const old = Array.from({length: 40}, (_, minute) => `a_2020-01-01T00:${String(minute + 10)}:00Z.dump`);
			for (const key of old) place.server.objects.set(key, place.server.objects.get(dump)!);
			place.server.faults.push({do: 'discard', action: 'DeleteObjects', times: Infinity});
			const {code, stderr} = await run(place.server.url, directory, lines, ['-v', '--dump-only', 'a']);
			assert.equal(code, 14, stderr);
			const told = [
				...stderr.matchAll(/ ERROR: could not remove (a_2020\S+) from s3:\/\/bucket\/: the removal was confirmed/g),
			];
			assert.deepEqual(told.map(([, key]) => key).toSorted(), old, stderr);
			assert.doesNotMatch(stderr, /removing a_2020/);
		});
	});

	test('a purge that may not delete: status 14, each key once, a summary, and the dump counts', async () => {
		const may = (_id: string, action: string) => !action.startsWith('Delete');
		await withServer({may}, async place => {
			const directory = scratchDirectory('uploads');
			const purge = ['purge_remote = yes', 'purge_older_than = 0', 'purge_min_keep = 1'];
			assert.equal((await run(place.server.url, directory, purge, ['--dump-only', 'a'])).code, 0);
			const [dump] = [...place.server.objects].find(([key]) => key.startsWith('a_')) ?? [''];
			const old = [1, 2, 3].map(day => `a_2020-01-0${day}T00:00:00Z.dump`);
			for (const key of old) place.server.objects.set(key, place.server.objects.get(dump)!);
			const second = Math.floor(Date.now() / 1000);
			await waitFor(async () => Math.floor(Date.now() / 1000) > second, 'the next second: ages count by it');
			const {code, stderr} = await run(place.server.url, directory, purge, ['--dump-only', 'a']);
			assert.equal(code, 14, stderr);
			const manifest = /could not remove (pg_back_\S+) from/.exec(stderr)?.[1] ?? '';
			const told = [...stderr.matchAll(/ ERROR: could not remove (\S+) from s3:\/\/bucket\/: access denied/g)];
			assert.deepEqual(told.map(([, key]) => key).toSorted(), [...old, manifest].toSorted(), stderr);
			assert.match(
				stderr,
				/FATAL: 4 operations failed, the first: could not remove \S+ from s3:\/\/bucket\/: access denied/,
			);
			assert.doesNotMatch(stderr, /could not remove.*could not remove/);
			assert.equal((await place.keys()).filter(key => key.endsWith('.dump')).length, 5);
		});
	});
});
