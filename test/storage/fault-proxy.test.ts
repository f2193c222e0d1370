/** The proxy breaks connections as told, and our uploads through it are right or errors. */
import assert from 'node:assert/strict';
import {randomBytes} from 'node:crypto';
import {after, before, describe, it} from 'node:test';
import {wrapStorage} from '../../source/storage/open.js';
import {openS3} from '../../source/storage/s3/s3.js';
import {bytesSource} from '../../source/storage/source.js';
import type {Storage} from '../../source/storage/storage.js';
import {type FaultProxy, startFaultProxy} from '../helpers/fault-proxy.js';
import {bucketAt} from '../helpers/s3-bucket.js';
import {type S3Server, startS3Server} from '../helpers/s3-server.js';
import {fastClock, never, readAll, testContext} from '../helpers/storage-tools.js';

describe('s3 through a proxy that breaks connections', () => {
	const mebi = 1024 * 1024;
	const bytes = randomBytes(4 * mebi + 1);
	let server: S3Server;
	let proxy: FaultProxy;
	let storage: Storage;
	before(async () => {
		server = await startS3Server();
		proxy = await startFaultProxy(server);
		const context = testContext({clock: fastClock(), idleTimeout: 1000});
		storage = wrapStorage(await openS3(bucketAt(`http://127.0.0.1:${proxy.port}`), context), context);
	});
	after(async () => {
		await storage.close();
		await proxy.close();
		await server.close();
	});

	const put = (key: string) => storage.put(key, bytesSource(bytes), {signal: never, ifAbsent: true});

	for (const how of ['cut', 'reset', 'stall'] as const) {
		for (const direction of ['up', 'down'] as const) {
			it(`${how} ${direction} the line, at any byte`, async () => {
				for (const at of [0, 1, 300, 100_000, mebi + 7]) {
					if (how === 'stall' && at !== 300) continue; // each waits for the time-out
					const key = `${how}-${direction}-${at}`;
					proxy.resetAll(); // so that new connections are made
					proxy.faults.push({direction, after: at, do: how, times: 2});
					await put(key);
					assert.ok(server.objects.get(key)?.bytes.equals(bytes), key);
					proxy.faults.push({direction, after: at, do: how});
					proxy.resetAll();
					assert.ok(bytes.equals(await readAll(storage.get(key, {signal: never}))), key);
					proxy.faults.length = 0;
				}
				// An upload whose very beginning was lost on the way back has a name that we never learnt: a clean-up finds it.
				assert.deepEqual(
					[...server.uploads.values()].filter(upload => upload.parts.size > 0),
					[],
				);
				await storage.cleanup?.('', {signal: never, olderThan: Date.now() + 1000});
				assert.equal(server.uploads.size, 0);
			});
		}
	}

	it('a slow line delivers the same', async () => {
		proxy.resetAll();
		proxy.delay = 15;
		const start = performance.now();
		await put('slow');
		assert.ok(performance.now() - start >= 30 * 3, 'at least three round trips');
		proxy.delay = 0;
		assert.ok(server.objects.get('slow')?.bytes.equals(bytes));
	});
});
