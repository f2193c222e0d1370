import {DeleteObjectCommand, DeleteObjectsCommand} from '@aws-sdk/client-s3';
import {StorageError} from '../errors.js';
import type {RemoveResult} from '../storage.js';
import type {Bucket} from './client.js';
import {describeS3Error, type Where} from './errors.js';
import {headObject} from './verify.js';

const batchSize = 1000;
/** What XML cannot hold, or its readers change: a batch cannot either. */
const unspeakable = /[\u0000-\u001F\uFFFE\uFFFF]/;

type Doomed = {readonly key: string; readonly version?: string};

/**
 * In batches of 1,000; what a batch cannot hold, and at services without batches, one by one. A batch that was tried until the budget
 * was spent is thrown.
 */
export async function removeObjects(
	bucket: Bucket,
	keys: readonly string[],
	signal: AbortSignal,
): Promise<readonly RemoveResult[]> {
	signal.throwIfAborted();
	const errors = new Map<string, Error>();
	const remember = (key: string, error: unknown) => {
		signal.throwIfAborted();
		if (!(error instanceof StorageError)) throw error;
		errors.set(key, error);
	};
	const oneByOne = async (doomed: readonly Doomed[]) => {
		for (const one of doomed) await removeOne(bucket, one, signal).catch((error: unknown) => remember(one.key, error));
	};
	const doomed = await withVersions(bucket, keys, signal, remember);
	await oneByOne(doomed.filter(one => unspeakable.test(one.key)));
	const others = doomed.filter(one => !unspeakable.test(one.key));
	for (let at = 0; at < others.length; at += batchSize) {
		const batch = others.slice(at, at + batchSize);
		try {
			if (batch.length === 1) await oneByOne(batch);
			else for (const [key, error] of await removeBatch(bucket, batch, signal)) remember(key, error);
		} catch (error) {
			signal.throwIfAborted();
			if (!(error instanceof StorageError) || error.exhausted) throw error;
			if (error.fault === 'unsupported' || error.fault === 'invalid') await oneByOne(batch);
			else for (const {key} of batch) remember(key, describeS3Error(error.cause ?? error, where(bucket, key)));
		}
	}
	return keys.map(key => {
		const error = errors.get(key);
		return error ? {key, error} : {key};
	});
}

function where({location}: Bucket, key: string): Where {
	return {operation: 'remove', location, key};
}

async function removeBatch(
	bucket: Bucket,
	batch: readonly Doomed[],
	signal: AbortSignal,
): Promise<[string, unknown][]> {
	const output = await bucket.request({operation: 'remove'}, signal, (client, options) =>
		client.send(
			new DeleteObjectsCommand({
				Bucket: bucket.name,
				Delete: {
					Quiet: true,
					Objects: batch.map(({key, version}) => ({Key: key, ...(version === undefined ? {} : {VersionId: version})})),
				},
			}),
			options,
		),
	);
	const failed = output.Errors ?? [];
	return failed
		.filter(({Code}) => Code !== 'NoSuchKey' && Code !== 'NoSuchVersion')
		.map(({Key = '', Code = 'Error', Message}) => {
			const error = Object.assign(new Error(Message ?? Code), {name: Code, $metadata: {httpStatusCode: 400}});
			return [Key, describeS3Error(error, where(bucket, Key))];
		});
}

async function removeOne(bucket: Bucket, {key, version}: Doomed, signal: AbortSignal): Promise<void> {
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

/** B2 keeps every version and only hides them: there the current one is named, so that its space is freed. */
async function withVersions(
	bucket: Bucket,
	keys: readonly string[],
	signal: AbortSignal,
	remember: (key: string, error: unknown) => void,
): Promise<Doomed[]> {
	if (!bucket.settings.deleteVersion) return keys.map(key => ({key}));
	const doomed: Doomed[] = [];
	const queue = keys.values();
	const look = async () => {
		for (const key of queue) {
			try {
				const head = await headObject(bucket, key, signal);
				if (head) doomed.push({key, version: head.VersionId});
			} catch (error) {
				remember(key, error);
			}
		}
	};
	await Promise.all(Array.from({length: 8}, look));
	return doomed;
}
