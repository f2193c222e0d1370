/** A bucket whose service can be made to lie, and what the tests of that share. */
import assert from 'node:assert/strict';
import {randomBytes} from 'node:crypto';
import {PgBackError} from '../../../source/core/errors.js';
import {openGcs} from '../../../source/storage/gcs/gcs.js';
import {wrapStorage} from '../../../source/storage/open.js';
import {bytesSource} from '../../../source/storage/source.js';
import type {PutOptions, PutResult, Storage} from '../../../source/storage/storage.js';
import {type GcsQuirks, type GcsServer, startGcsServer} from '../../helpers/gcs-server.js';
import {collect, fastClock, never, readAll, testContext} from '../../helpers/storage-tools.js';

export const chunkSize = 256 * 1024;
export const small = randomBytes(1000);
export const large = randomBytes(2 * chunkSize + 1000);

export type Vault = {
	readonly server: GcsServer;
	readonly contextOf: () => ReturnType<typeof testContext>;
	/** The bare store. */
	readonly open: () => Promise<Storage>;
	/** With the retries that every run has. */
	readonly openRetrying: () => Promise<Storage>;
	readonly put: (key: string, bytes: Buffer, options?: Partial<PutOptions>, storage?: Storage) => Promise<PutResult>;
	readonly quirk: (quirks: GcsQuirks) => void;
	/** Takes all faults and quirks back. */
	readonly calm: () => void;
};

export async function startVault(): Promise<Vault> {
	const server = await startGcsServer('vault');
	const contextOf = () =>
		testContext({env: {STORAGE_EMULATOR_HOST: server.url}, clock: fastClock(), retryBudget: 1000});
	const open = () => openGcs({bucket: 'vault', chunkSize}, contextOf());
	return {
		server,
		contextOf,
		open,
		openRetrying: async () => wrapStorage(await open(), contextOf()),
		put: async (key, bytes, options = {}, storage?) =>
			(storage ?? (await open())).put(key, bytesSource(bytes), {signal: never, ifAbsent: true, ...options}),
		quirk: quirks => void Object.assign(server.quirks, quirks),
		calm() {
			server.faults.length = 0;
			for (const name of Object.keys(server.quirks)) Reflect.deleteProperty(server.quirks, name);
		},
	};
}

export function isStorageError(error: unknown, pattern: RegExp): boolean {
	assert.ok(error instanceof PgBackError, String(error));
	assert.equal(error.code, 'STORAGE', error.message);
	assert.equal(error.exitCode, 14);
	assert.match(error.message, pattern);
	assert.ok(error.hint);
	return true;
}

export type Step = {
	readonly name: string;
	readonly hits: (line: string) => boolean;
	readonly run: (storage: Storage) => Promise<unknown>;
};

export const operations = (put: Vault['put']): readonly Step[] => [
	{name: 'a listing', hits: line => line.startsWith('GET'), run: storage => collect(storage.list('', {signal: never}))},
	{name: 'a look', hits: line => line.startsWith('GET'), run: storage => storage.stat('foreign/it', {signal: never})},
	{
		name: 'a download',
		hits: line => line.startsWith('GET'),
		run: storage => readAll(storage.get('foreign/it', {signal: never})),
	},
	{
		name: 'the bytes of a download',
		hits: line => line.includes('alt=media'),
		run: storage => readAll(storage.get('foreign/it', {signal: never})),
	},
	{
		name: 'the look before an upload',
		hits: line => line.startsWith('GET'),
		run: storage => put('foreign/new', small, {}, storage),
	},
	{
		name: 'the start of an upload',
		hits: line => line.startsWith('POST'),
		run: storage => put('foreign/new', small, {}, storage),
	},
	{
		name: 'the bytes of an upload',
		hits: line => line.startsWith('PUT'),
		run: storage => put('foreign/new', small, {}, storage),
	},
	{
		name: 'a removal',
		hits: () => true,
		run: async storage => {
			const [result] = await storage.remove(['foreign/it'], {signal: never});
			if (result?.error) throw result.error;
		},
	},
];
