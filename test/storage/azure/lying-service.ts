/** A container whose service can be made to lie, and what the tests of that share. */
import assert from 'node:assert/strict';
import {randomBytes} from 'node:crypto';
import {PgBackError} from '../../../source/core/errors.js';
import {openAzure} from '../../../source/storage/azure/azure.js';
import {wrapStorage} from '../../../source/storage/open.js';
import {bytesSource} from '../../../source/storage/source.js';
import type {PutOptions, PutResult, Storage} from '../../../source/storage/storage.js';
import {type Lies, startAzureFront} from '../../helpers/azure-front.js';
import {type Azurite, startAzurite} from '../../helpers/azurite.js';
import {fastClock, never, testContext} from '../../helpers/storage-tools.js';

export const blockSize = 64 * 1024;
export const small = randomBytes(1000);
export const large = randomBytes(2 * blockSize + 1000);

export type Vault = {
	readonly azurite: Azurite;
	readonly url: string;
	readonly lies: Lies;
	readonly requests: string[];
	readonly contextOf: () => ReturnType<typeof testContext>;
	readonly open: (context?: ReturnType<typeof testContext>) => Promise<Storage>;
	/** With the retries that every run has. */
	readonly openRetrying: () => Promise<Storage>;
	readonly put: (key: string, bytes: Buffer, options?: Partial<PutOptions>, storage?: Storage) => Promise<PutResult>;
	readonly tell: (lies: Lies) => void;
	readonly calm: () => void;
	readonly stop: () => Promise<void>;
};

export async function startVault(): Promise<Vault> {
	const azurite = await startAzurite();
	await azurite.service.createContainer('vault');
	const front = await startAzureFront(azurite);
	const contextOf = () => testContext({clock: fastClock(), retryBudget: 1000});
	const endpoint = `${front.url}?${front.sas('vault')}`;
	const open = (context = contextOf()) =>
		openAzure({container: 'vault', account: azurite.account, endpoint, blockSize}, context);
	return {
		azurite,
		url: front.url,
		lies: front.lies,
		requests: front.requests,
		contextOf,
		open,
		openRetrying: async () => wrapStorage(await open(), contextOf()),
		put: async (key, bytes, options = {}, storage?) =>
			(storage ?? (await open())).put(key, bytesSource(bytes), {signal: never, ifAbsent: true, ...options}),
		tell: more => void Object.assign(front.lies, more),
		calm: front.calm,
		async stop() {
			front.close();
			await azurite.stop();
		},
	};
}

export function isStorageError(error: unknown, pattern: RegExp): boolean {
	assert.ok(error instanceof PgBackError, String(error));
	assert.equal(error.code, 'STORAGE', error.message);
	assert.equal(error.exitCode, 14);
	assert.match(error.message, pattern);
	assert.doesNotMatch(error.message, /sig=/);
	assert.ok(error.hint);
	return true;
}
