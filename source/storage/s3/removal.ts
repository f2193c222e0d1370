import {DeleteObjectCommand, DeleteObjectsCommand} from '@aws-sdk/client-s3';
import {StorageError, storageError} from '../errors.js';
import {dotSegmentProblem} from '../object-keys.js';
import type {RemoveOptions, RemoveResult} from '../storage.js';
import type {Bucket} from './client.js';
import {contentMd5} from './content-md5.js';
import {withDialect} from './dialect.js';
import {describeS3Error, type Where} from './errors.js';
import {headObject} from './head.js';
import {lockOf} from './retention.js';

const batchSize = 1000;
/** Characters that XML cannot represent, or its parsers change, so a batch cannot contain them. */
const unspeakable = /[\u0000-\u001F\uFFFE\uFFFF]/;

type ObjectVersion = {readonly key: string; readonly version?: string};

/**
 * Removes in batches of 1,000; keys that a batch cannot contain, and all keys at services without batches, one by one.
 * Throws when a batch was retried until the budget was used up.
 */
export async function removeObjects(
	bucket: Bucket,
	keys: readonly string[],
	{signal, stop, onRemoved}: RemoveOptions,
): Promise<readonly RemoveResult[]> {
	signal.throwIfAborted();
	const errors = new Map<string, Error>();
	const remember = (key: string, error: unknown) => {
		signal.throwIfAborted();
		if (!(error instanceof StorageError)) throw error;
		errors.set(key, error);
	};
	const isSafe = (key: string) => {
		const problem = dotSegmentProblem(key);
		if (problem !== undefined) errors.set(key, storageError('invalid', where(bucket, key), problem));
		return problem === undefined;
	};
	const oneByOne = async (found: readonly ObjectVersion[]) => {
		for (const one of found) {
			stop?.throwIfAborted();
			await removeOne(bucket, one, signal).then(
				() => onRemoved?.(one),
				(error: unknown) => remember(one.key, error),
			);
		}
	};
	const found = await withVersions(bucket, keys.filter(isSafe), signal, remember);
	await oneByOne(found.filter(one => unspeakable.test(one.key)));
	const others = found.filter(one => !unspeakable.test(one.key));
	for (let at = 0; at < others.length; at += batchSize) {
		const batch = others.slice(at, at + batchSize);
		stop?.throwIfAborted();
		try {
			if (batch.length === 1) await oneByOne(batch);
			else {
				const {failed, removed, unconfirmed} = await removeBatch(bucket, batch, signal);
				for (const one of removed) onRemoved?.(one);
				for (const [key, error] of failed) remember(key, error);
				await oneByOne(unconfirmed);
			}
		} catch (error) {
			signal.throwIfAborted();
			stop?.throwIfAborted();
			if (!(error instanceof StorageError) || error.exhausted) throw error;
			if (error.fault === 'unsupported' || error.fault === 'invalid') await oneByOne(batch);
			else for (const {key} of batch) remember(key, describeS3Error(error.cause ?? error, where(bucket, key)));
		}
	}
	const versions = new Map(found.map(({key, version}) => [key, version]));
	const removed = (key: string): RemoveResult => {
		const version = versions.get(key);
		return version === undefined ? {key} : {key, version};
	};
	const results: RemoveResult[] = [];
	for (const key of keys) {
		const error = errors.get(key);
		const kept =
			error instanceof StorageError && dotSegmentProblem(key) === undefined
				? await lockOf(bucket, {key, version: versions.get(key)}, error, signal)
				: undefined;
		results.push(kept !== undefined ? {key, kept} : error ? {key, error} : removed(key));
	}
	return results;
}

function where({location}: Bucket, key: string): Where {
	return {operation: 'remove', location, key};
}

type BatchResult = {
	readonly failed: readonly (readonly [key: string, error: unknown])[];
	readonly removed: readonly ObjectVersion[];
	/** The response does not mention them: the service may name the objects differently. */
	readonly unconfirmed: readonly ObjectVersion[];
};

async function removeBatch(bucket: Bucket, batch: readonly ObjectVersion[], signal: AbortSignal): Promise<BatchResult> {
	const output = await withDialect(bucket, ['checksums'], ({checksums}) =>
		bucket.request({operation: 'remove'}, signal, (client, options) => {
			const command = new DeleteObjectsCommand({
				Bucket: bucket.name,
				Delete: {
					Objects: batch.map(({key, version}) => ({Key: key, ...(version === undefined ? {} : {VersionId: version})})),
				},
			});
			// The request must have a checksum; older services support MD5.
			if (checksums !== 'crc32') contentMd5(command);
			return client.send(command, options);
		}),
	);
	const {Deleted = [], Errors = []} = output;
	const deleted = new Set(Deleted.map(({Key}) => Key));
	const refused = new Set(Errors.map(({Key}) => Key));
	const failed = Errors.filter(({Code}) => Code !== 'NoSuchKey' && Code !== 'NoSuchVersion').map(
		({Key = '', Code = 'Error', Message}) => {
			const error = Object.assign(new Error(Message ?? Code), {name: Code, $metadata: {httpStatusCode: 400}});
			return [Key, describeS3Error(error, where(bucket, Key))] as const;
		},
	);
	return {
		failed,
		removed: batch.filter(({key}) => deleted.has(key) && !refused.has(key)),
		unconfirmed: batch.filter(({key}) => !deleted.has(key) && !refused.has(key)),
	};
}

async function removeOne(bucket: Bucket, {key, version}: ObjectVersion, signal: AbortSignal): Promise<void> {
	try {
		await bucket.request({operation: 'remove', key}, signal, (client, options) =>
			client.send(new DeleteObjectCommand({Bucket: bucket.name, Key: key, VersionId: version}), options),
		);
	} catch (error) {
		if (
			!(error instanceof StorageError) ||
			error.fault !== 'missing' ||
			/bucket/i.test(error.message.split(': ').slice(1).join(': '))
		)
			throw error;
	}
}

/** B2 keeps every version and only hides them: the request names the current one, so that its space is freed. */
async function withVersions(
	bucket: Bucket,
	keys: readonly string[],
	signal: AbortSignal,
	remember: (key: string, error: unknown) => void,
): Promise<ObjectVersion[]> {
	if (!bucket.settings.deleteVersion) return keys.map(key => ({key}));
	const found: ObjectVersion[] = [];
	const queue = keys.values();
	const findVersions = async () => {
		for (const key of queue) {
			try {
				const head = await headObject(bucket, key, signal);
				if (head) found.push({key, version: head.VersionId});
			} catch (error) {
				remember(key, error);
			}
		}
	};
	await Promise.all(Array.from({length: 8}, findVersions));
	return found;
}
