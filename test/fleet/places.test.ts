/** Where the dumps of another server are, and what may be done there. */
import assert from 'node:assert/strict';
import {describe, test} from 'node:test';
import type {LocationHandle} from '../../source/fleet/location-handle.js';
import {directed} from '../../source/fleet/location-handle.js';
import {readingOnly} from '../../source/fleet/reading-only.js';
import {reportedPrefix} from '../../source/fleet/reported-place.js';
import type {ServerStatus} from '../../source/fleet/status.js';

const location = 's3://bucket/';

function reported(...keys: readonly (readonly [key: string, location?: string])[]) {
	const databases = keys.map(([key, at = location], index) => ({
		database: `d${index}`,
		lastGood: {time: '2026-11-22T02:00:00Z', bytes: 1, seconds: 1, location: at, key},
	}));
	return reportedPrefix({status: {databases} as unknown as ServerStatus}, location);
}

describe('the reported place', () => {
	for (const [what, found, expected] of [
		['is the directory of all dumps', reported(['x/db1/a_1Z.dump'], ['x/db1/b_1Z.dump']), 'x/db1'],
		['of dumps in directories of their own is above them', reported(['x/a/a_1Z.dump'], ['x/b/b_1Z.dump']), 'x'],
		['of a directory dump is not inside it', reported(['x/a_2026-11-22T02:00:00Z.d/toc.dat']), 'x'],
		['may be the root', reported(['a_1Z.dump']), ''],
		['ignores other buckets', reported(['x/a_1Z.dump'], ['evil/a_1Z.dump', 's3://other/']), 'x'],
		['is unknown without dumps', reported(), undefined],
		['is not outside the store', reported(['../../etc/a_1Z.dump']), undefined],
	] as const) {
		test(what, () => assert.equal(found, expected));
	}
});

describe('calls with a location', () => {
	const calls: (readonly unknown[])[] = [];
	/** A handle that records who was called with which location. */
	const handleOf = (name: string) =>
		new Proxy(
			{},
			{
				get: (_, call) => (first: unknown) => {
					const place = typeof first === 'string' ? first : (first as {location: string}).location;
					calls.push([name, call, place]);
					return Promise.resolve({location: 's3'});
				},
				ownKeys: () => [],
			},
		) as unknown as LocationHandle;
	const own = handleOf('own');
	const theirs = handleOf('theirs');
	const handle = directed(own, one =>
		one === 's3@db17' ? {handle: theirs, location: 's3'} : {handle: own, location: one},
	);
	const {signal} = new AbortController();

	test('go to the handle of its server, with the name that it knows', async () => {
		await handle.remove('s3@db17', ['k']);
		await handle.verify('s3', ['k']);
		await handle.planRestore({location: 's3@db17', databases: []}, {signal});
		handle.commandFor({command: 'verify', location: 's3@db17', keys: []});
		await handle.missingSecret({location: 's3@db17', keys: []});
		assert.deepEqual(await handle.dumpsToRestore('s3@db17', ['k'], {signal}), {location: 's3@db17'});
		assert.deepEqual(calls, [
			['theirs', 'remove', 's3'],
			['own', 'verify', 's3'],
			['theirs', 'planRestore', 's3'],
			['theirs', 'commandFor', 's3'],
			['theirs', 'missingSecret', 's3'],
			['theirs', 'dumpsToRestore', 's3'],
		]);
	});

	test('are refused where only a report names the place, unless they read', async () => {
		calls.length = 0;
		const limited = readingOnly({...theirs, list: theirs.list, verify: theirs.verify}, 'db17');
		for (const call of [
			limited.dumpsToRestore('s3', [], {signal}),
			limited.planRestore({location: 's3', databases: []}, {signal}),
			limited.restore({location: 's3', databases: []}, []),
			limited.restoreDrill('s3', []),
			limited.pin('s3', 'run', 'why'),
			limited.unpin('s3', 'run'),
			limited.lastGoodOf('s3', []),
			limited.remove('s3', []),
		])
			await assert.rejects(call, {code: 'USAGE', message: /known from a report of db17 only/});
		await limited.verify('s3', []);
		assert.deepEqual(calls, [['theirs', 'verify', 's3']]);
	});
});
