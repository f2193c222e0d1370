/** Removes blobs in batches; each response must confirm that the blob is removed. */
import type {BlobBatchDeleteBlobsResponse} from '@azure/storage-blob';
import {type Fault, isPermanentError, StorageError, storageError} from '../errors.js';
import type {RemoveOptions, RemoveResult} from '../storage.js';
import {keyProblem} from './blob-names.js';
import type {Container} from './client.js';
import {codeOf, isLockedCode} from './errors.js';
import {isNoSuchBlob, readProperties} from './inspect.js';

/** The service's limit for one batch of deletions. */
const batchSize = 256;

/** The reason why a blob still exists. */
type Stays = {readonly error: StorageError} | {readonly kept: string};

export async function remove(
	container: Container,
	keys: readonly string[],
	{signal, stop, onRemoved}: RemoveOptions,
): Promise<RemoveResult[]> {
	const staying = new Map<string, Stays>();
	// A key that the service cannot store does not exist.
	const valid = keys.filter(key => keyProblem(key) === undefined);
	for (let at = 0; at < valid.length; at += batchSize) {
		const batch = valid.slice(at, at + batchSize);
		stop?.throwIfAborted();
		for (const [key, why] of await removeBatch(container, batch, signal)) staying.set(key, why);
		for (const key of batch) if (!staying.has(key)) onRemoved?.({key});
	}
	signal.throwIfAborted();
	return keys.map(key => ({key, ...staying.get(key)}));
}

async function removeBatch(
	container: Container,
	keys: readonly string[],
	signal: AbortSignal,
): Promise<Map<string, Stays>> {
	const {client, once} = container;
	const where = {operation: 'remove', key: keys.length === 1 ? keys[0] : undefined} as const;
	let answer: BlobBatchDeleteBlobsResponse;
	try {
		answer = await once(where, signal, ({abortSignal}) => {
			const blobs = keys.map(key => client.getBlobClient(key));
			return client.getBlobBatchClient().deleteBlobs(blobs, {abortSignal, deleteSnapshots: 'include'});
		});
	} catch (error) {
		signal.throwIfAborted();
		if (!(error instanceof StorageError) || !['invalid', 'unsupported'].includes(error.fault)) throw error;
		return removeOneByOne(container, keys, signal);
	}
	const staying = new Map<string, Stays>();
	for (const [index, key] of keys.entries()) {
		// The SDK omits the entries that the service did not return.
		const part = answer.subResponses.at(index);
		const why = part ? await whyItStays(container, key, part, signal) : unanswered(container, key);
		if (why) staying.set(key, why);
	}
	return staying;
}

function unanswered({location}: Container, key: string): Stays {
	return {error: storageError('server', {operation: 'remove', location, key}, 'the service did not answer for it')};
}

async function whyItStays(
	container: Container,
	key: string,
	{status, errorCode}: {readonly status: number; readonly errorCode?: string},
	signal: AbortSignal,
): Promise<Stays | undefined> {
	if (!(status > 0)) return unanswered(container, key);
	if (status >= 200 && status < 300 && errorCode === undefined) return undefined;
	if (status === 404 && errorCode !== 'ContainerNotFound') return undefined;
	const where = {operation: 'remove', location: container.location, key} as const;
	if (isLockedCode(errorCode)) return {kept: await lockText(container, key, errorCode, signal)};
	return {error: storageError(faultOf(status), where, `${errorCode ?? 'refused'}, HTTP status ${status}`)};
}

function faultOf(status: number): Fault {
	if (status === 401 || status === 403) return 'forbidden';
	if (status === 503 || status === 429) return 'throttled';
	return status >= 500 ? 'server' : 'invalid';
}

/** Returns `locked until 2026-11-28T17:00:00.000Z` if the blob's properties contain it. */
async function lockText(
	container: Container,
	key: string,
	code: string | undefined,
	signal: AbortSignal,
): Promise<string> {
	if (code === 'BlobImmutableDueToLegalHold') return 'locked by a legal hold';
	const until = await container
		.once({operation: 'inspect', key}, signal, request => readProperties(container, key, request))
		.then(found => found?.lockedUntil)
		.catch(() => undefined); // the lock itself is what matters
	signal.throwIfAborted();
	return until === undefined ? 'locked by an immutability policy' : `locked until ${until.toISOString()}`;
}

async function removeOneByOne(
	container: Container,
	keys: readonly string[],
	signal: AbortSignal,
): Promise<Map<string, Stays>> {
	const staying = new Map<string, Stays>();
	for (const key of keys) {
		try {
			await removeBlob(container, key, undefined, signal);
		} catch (error) {
			signal.throwIfAborted();
			if (!(error instanceof StorageError) || !isPermanentError(error)) throw error;
			const code = codeOf(error.cause);
			staying.set(key, isLockedCode(code) ? {kept: await lockText(container, key, code, signal)} : {error});
		}
	}
	return staying;
}

/**
 * Removes a blob in one attempt; with an `etag` only that version. Resolves only when the service confirms the removal.
 */
export async function removeBlob(
	{client, once}: Container,
	key: string,
	etag: string | undefined,
	signal: AbortSignal,
): Promise<void> {
	const conditions = etag === undefined ? {} : {ifMatch: etag};
	await once({operation: 'remove', key}, signal, async ({abortSignal}) => {
		try {
			await client.getBlobClient(key).delete({abortSignal, conditions, deleteSnapshots: 'include'});
		} catch (error) {
			if (!isNoSuchBlob(error)) throw error;
		}
	});
}
