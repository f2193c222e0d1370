/** Proves an uploaded object, and removes a damaged one. */
import {notKeptHint, StorageError, storageError} from '../errors.js';
import {type Comparison, judge, type Proof} from '../proof.js';
import {confirmGone, remainsText, uncheckable} from '../removal-check.js';
import {type Bucket, objectUrl} from './client.js';
import {HttpError} from './errors.js';
import {removeObject} from './removal.js';
import {readIfThere, type Resource} from './responses.js';

/** What was sent. */
export type Sent = {
	readonly key: string;
	/** Bytes. */
	readonly size: number;
	/** Base64, as the service writes it. */
	readonly crc32c: string;
};

/** Milliseconds for the removal of a damaged object, also in a canceled run. */
const removalTime = 30_000;

/** A damaged object that still exists. */
export class DamagedObjectRemains extends StorageError {
	/** Generation of the damaged object. */
	readonly generation: string | undefined;

	constructor(bucket: Bucket, key: string, reason: string, generation: string | undefined) {
		const hint = 'remove the damaged object by hand, or ask an administrator to remove it; the local file is kept';
		const where = {operation: 'upload', location: bucket.location, key} as const;
		super('corrupt', storageError('corrupt', where, reason).message, {hint, exhausted: true});
		this.generation = generation;
	}
}

/** Returns the object under `key`; undefined when there is none, `forbidden` without read permission. */
export async function inspectObject(
	bucket: Bucket,
	key: string,
	signal: AbortSignal,
): Promise<Resource | undefined | 'forbidden'> {
	const call = {url: objectUrl(bucket, key), also: [404]} as const;
	try {
		return await bucket.request({operation: 'upload', key}, signal, call, answer => readIfThere(answer, bucket, key));
	} catch (error) {
		// A proxy's page is not a rejection by the service.
		const refused = error instanceof StorageError && error.cause instanceof HttpError && !error.cause.foreign;
		if (refused && error.fault === 'forbidden') return 'forbidden';
		throw error;
	}
}

/**
 * Compares the service's checksums, in the response to the last chunk and in the object's metadata afterwards, with
 * what was sent. A damaged object is removed by its generation, and throws an error of fault `corrupt`, or
 * DamagedObjectRemains when it could not be removed.
 */
export async function proveObject(bucket: Bucket, sent: Sent, done: Resource, signal: AbortSignal): Promise<Proof> {
	const {key} = sent;
	const where = {operation: 'upload', location: bucket.location, key} as const;
	const answered = judgeResources(sent, [done]);
	if (answered.kind === 'damaged') throw await removeDamaged(bucket, key, done.generation, answered.reason);
	const there = await inspectObject(bucket, key, signal);
	if (there === undefined)
		throw storageError('corrupt', where, 'the object does not exist after the upload', {hint: notKeptHint});
	const seen = there === 'forbidden' ? done : there;
	if (seen.generation !== undefined && done.generation !== undefined && seen.generation !== done.generation) {
		throw storageError('exists', where, 'it was replaced by another object', {
			hint: 'check what else writes there, then upload again under a different name',
		});
	}
	const verdict = judgeResources(sent, [done, seen]);
	if (verdict.kind === 'damaged') throw await removeDamaged(bucket, key, done.generation, verdict.reason);
	return verdict.kind === 'proven' ? verdict.proof : {by: 'size'};
}

/**
 * Returns the proof that `found`, which is known to be from this upload, is what was sent; otherwise removes it and
 * throws like `proveObject`.
 */
export async function proveFound(bucket: Bucket, sent: Sent, found: Resource): Promise<Proof> {
	const verdict = judgeResources(sent, [found]);
	if (verdict.kind === 'damaged') throw await removeDamaged(bucket, sent.key, found.generation, verdict.reason);
	return verdict.kind === 'proven' ? verdict.proof : {by: 'size'};
}

function judgeResources({size, crc32c}: Sent, resources: readonly Resource[]) {
	const wrong = resources.find(one => one.size !== size);
	const comparisons = resources.flatMap((one): Comparison[] =>
		one.crc32c === undefined ? [] : [{algorithm: 'crc32c', from: 'checksum', sent: crc32c, stored: one.crc32c}],
	);
	return judge({sent: size, stored: wrong?.size ?? size, comparisons});
}

/** Removes a damaged object of ours, identified by its generation. Returns the error to throw. */
async function removeDamaged(
	bucket: Bucket,
	key: string,
	generation: string | undefined,
	reason: string,
): Promise<StorageError> {
	if (generation === undefined)
		return new DamagedObjectRemains(bucket, key, `${reason}; the damaged object could not be removed`, generation);
	const signal = AbortSignal.timeout(removalTime);
	const isThere = async () => {
		const found = await inspectObject(bucket, key, signal);
		if (found === 'forbidden') throw uncheckable();
		return found !== undefined && (found.generation ?? generation) === generation;
	};
	try {
		await removeObject(bucket, key, generation, signal);
		await confirmGone(isThere, {clock: bucket.clock, signal});
	} catch (error) {
		const why = remainsText('the damaged object', error);
		return new DamagedObjectRemains(bucket, key, `${reason}; ${why}`, generation);
	}
	const where = {operation: 'upload', location: bucket.location, key} as const;
	return storageError('corrupt', where, `${reason}; the damaged object was removed`);
}
