/** Removes objects; each response must confirm that the object is removed. */
import {isPermanentError, StorageError} from '../errors.js';
import {removeEach} from '../remove-each.js';
import type {RemoveOptions, RemoveResult} from '../storage.js';
import {type Answer, type Bucket, objectUrl} from './client.js';
import {foreignAnswer, lockText} from './errors.js';
import {checkMissing, readIfThere} from './responses.js';

/** Concurrent requests. */
const width = 32;

export async function remove(bucket: Bucket, keys: readonly string[], options: RemoveOptions): Promise<RemoveResult[]> {
	const {signal} = options;
	const results = await removeEach(keys, width, key => removeOne(bucket, key, signal), options);
	signal.throwIfAborted();
	return results;
}

async function removeOne(bucket: Bucket, key: string, signal: AbortSignal): Promise<RemoveResult> {
	try {
		await removeObject(bucket, key, undefined, signal);
		return {key};
	} catch (error) {
		if (signal.aborted || !(error instanceof StorageError) || !isPermanentError(error)) throw error;
		const kept = lockText(error.cause);
		return kept === undefined ? {key, error} : {key, kept};
	}
}

/**
 * Removes an object in one attempt; without `generation` the current one. Resolves only when the service confirms the
 * removal.
 */
export async function removeObject(
	bucket: Bucket,
	key: string,
	generation: string | undefined,
	signal: AbortSignal,
): Promise<void> {
	const where = {operation: 'remove', key} as const;
	const condition = generation === undefined ? '' : `?ifGenerationMatch=${generation}`;
	const call = {method: 'DELETE', url: objectUrl(bucket, key, condition), also: [404]} as const;
	const read = async (answer: Answer): Promise<string> => {
		if (answer.status !== 404) return answer.response.text();
		await checkMissing(answer);
		return '';
	};
	const body = await bucket.once(where, signal, call, read);
	if (body === '') return;
	// The service itself responds with 204 without a body.
	const request = {url: objectUrl(bucket, key), also: [404]} as const;
	const there = await bucket.once(where, signal, request, answer => readIfThere(answer, bucket, key));
	if (there) {
		await bucket.watched(where, signal, () =>
			Promise.reject(foreignAnswer(new Headers(), 'it confirmed the removal, but the object still exists')),
		);
	}
}
