/** A bucket in trouble: opened as a run opens it, with a clock that does not wait, and looked at behind its back. */
import assert from 'node:assert/strict';
import {randomBytes} from 'node:crypto';
import {after, afterEach, before} from 'node:test';
import {StorageError} from '../../../source/storage/errors.js';
import {wrapStorage} from '../../../source/storage/open.js';
import {openS3, type S3Settings} from '../../../source/storage/s3/s3.js';
import {bytesSource} from '../../../source/storage/source.js';
import type {PutOptions, Storage} from '../../../source/storage/storage.js';
import {bucketAt} from '../../helpers/s3-bucket.js';
import {type S3Server, startS3Server} from '../../helpers/s3-server.js';
import {fastClock, never, testContext} from '../../helpers/storage-tools.js';

export const mebi = 1024 * 1024;
/** Six parts, and one request. */
export const [large, small] = [randomBytes(5 * mebi + 17), randomBytes(1000)];

export type Trouble = {
	readonly server: S3Server;
	readonly open: (
		settings?: Partial<S3Settings>,
		context?: Parameters<typeof testContext>[0],
	) => Promise<{storage: Storage; lines: readonly string[]; clock: ReturnType<typeof fastClock>}>;
	readonly assertHeld: (bytes: Buffer) => void;
	readonly assertNothing: () => void;
};

/** Starts a server for the tests of the enclosing `describe`, which find it empty and without faults each time. */
export function bucketInTrouble(): Trouble {
	let server: S3Server;
	let opened: Storage[] = [];
	before(async () => {
		server = await startS3Server();
	});
	after(() => server.close());
	afterEach(async () => {
		for (const storage of opened) await storage.close();
		opened = [];
		server.faults.length = 0;
		server.objects.clear();
		server.uploads.clear();
		server.counts.clear();
	});
	return {
		get server() {
			return server;
		},
		async open(settings = {}, context = {}) {
			const clock = fastClock();
			const shared = testContext({clock, idleTimeout: 5000, ...context});
			const storage = wrapStorage(await openS3(bucketAt(server.url, settings), shared), shared);
			opened.push(storage);
			return {storage, lines: shared.lines, clock};
		},
		assertHeld(bytes) {
			assert.ok(server.objects.get('db/it.dump')?.bytes.equals(bytes));
			assert.equal(server.uploads.size, 0);
		},
		assertNothing() {
			assert.equal(server.objects.size, 0);
			assert.equal(server.uploads.size, 0);
		},
	};
}

export function put(storage: Storage, bytes: Uint8Array, options: Partial<PutOptions> = {}) {
	return storage.put('db/it.dump', bytesSource(bytes), {signal: never, ...options});
}

/** Returns a check that an error is of the kind `fault`, says what and where, and contains `texts`. */
export function failure(fault: string, ...texts: readonly (string | RegExp)[]): (error: unknown) => true {
	return error => {
		assert.ok(error instanceof StorageError, String(error));
		assert.equal(error.fault, fault, error.message);
		assert.equal(error.exitCode, 14);
		for (const text of ['db/it.dump', 's3://bucket/', ...texts])
			assert.ok(typeof text === 'string' ? error.message.includes(text) : text.test(error.message), error.message);
		assert.ok(error.hint);
		return true;
	};
}
