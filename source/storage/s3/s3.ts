import {GetObjectCommand} from '@aws-sdk/client-s3';
import type {Readable} from 'node:stream';
import {isPermanentError, storageError, StorageError} from '../errors.js';
import type {GetOptions, ObjectInfo, OpenContext, Storage} from '../storage.js';
import {openBucket, type Bucket} from './client.js';
import {describeS3Error} from './errors.js';
import {abortStale, listObjects} from './listing.js';
import {removeObjects} from './removal.js';
import type {S3Settings} from './settings.js';
import {upload} from './upload.js';
import {headObject} from './verify.js';

export type {S3Settings} from './settings.js';

/**
 * A bucket of Amazon S3 or of a service that speaks its language. Each request is tried again by itself; what still fails then is
 * final. Throws CONFIG when no region can be found; nothing is asked of the service yet.
 */
export async function openS3(settings: S3Settings, context: OpenContext): Promise<Storage> {
	const bucket = await openBucket(settings, context);
	return {
		kind: settings.kind ?? 's3',
		location: bucket.location,
		list: (prefix, options) => listObjects(bucket, prefix, options),
		put: (key, source, options) => upload(bucket, key, source, options),
		get: (key, options) => getObject(bucket, key, options),
		async stat(key, {signal}): Promise<ObjectInfo | undefined> {
			const head = await headObject(bucket, key, signal);
			if (!head) return undefined;
			const {ContentLength = 0, LastModified, Metadata = {}, ChecksumCRC32} = head;
			return {
				key,
				size: ContentLength,
				modified: LastModified?.getTime(),
				metadata: Metadata,
				checksums: ChecksumCRC32 === undefined ? {} : {crc32: ChecksumCRC32},
			};
		},
		remove: (keys, {signal}) => removeObjects(bucket, keys, signal),
		cleanup: (prefix, options) => abortStale(bucket, prefix, options),
		isPermanent: isPermanentError,
		watchesIdle: true,
		close: () => {
			bucket.close();
			return Promise.resolve();
		},
	};
}

async function* getObject(bucket: Bucket, key: string, {signal, offset = 0}: GetOptions): AsyncGenerator<Uint8Array> {
	const where = {operation: 'download', location: bucket.location, key} as const;
	const output = await bucket
		.request({operation: 'download', key}, signal, (client, options) =>
			client.send(
				new GetObjectCommand({
					Bucket: bucket.name,
					Key: key,
					ChecksumMode: 'ENABLED',
					...(offset > 0 ? {Range: `bytes=${offset}-`} : {}),
				}),
				options,
			),
		)
		.catch((error: unknown) => {
			if (offset > 0 && error instanceof StorageError && isBeyondEnd(error)) return undefined;
			throw error;
		});
	if (!output) return;
	const body = output.Body as Readable | undefined;
	let received = 0;
	try {
		for await (const chunk of body ?? []) {
			signal.throwIfAborted();
			received += (chunk as Uint8Array).length;
			yield chunk as Uint8Array;
		}
	} catch (error) {
		signal.throwIfAborted();
		const described = describeS3Error(error, where);
		// The SDK compares the checksum of the whole at the end of the body.
		throw error instanceof Error && /checksum/i.test(error.message)
			? storageError('corrupt', where, error.message, {cause: error})
			: described;
	} finally {
		body?.destroy();
	}
	const {ContentLength} = output;
	if (ContentLength !== undefined && received !== ContentLength) {
		throw storageError('network', where, `the connection ended after ${received} of ${ContentLength} bytes`);
	}
}

/** Nothing is left from there on. */
function isBeyondEnd(error: StorageError): boolean {
	return (error.cause as {$metadata?: {httpStatusCode?: number}} | undefined)?.$metadata?.httpStatusCode === 416;
}
