import type {Readable} from 'node:stream';
import {GetObjectCommand, type GetObjectCommandOutput} from '@aws-sdk/client-s3';
import {replacedError, StorageError, storageError} from '../errors.js';
import type {GetOptions} from '../storage.js';
import type {Bucket} from './client.js';
import {withDialect} from './dialect.js';
import {describeS3Error} from './errors.js';
import {headObject} from './head.js';
import {plainTag} from './tags.js';

/**
 * Yields the bytes of an object from `offset` on. Throws `corrupt` when they do not match the service's checksum. The
 * version is the ETag of the response itself rather than a condition (`If-Match`), which compatible services may not
 * know, and which never holds for a weak ETag.
 */
export async function* getObject(
	bucket: Bucket,
	key: string,
	{signal, offset = 0, version, onVersion}: GetOptions,
): AsyncGenerator<Uint8Array> {
	const where = {operation: 'download', location: bucket.location, key} as const;
	const output = await requestObject(bucket, key, offset, signal);
	// A response without bytes (416) describes no object.
	const described = output ?? (version === undefined ? undefined : await headObject(bucket, key, signal));
	const found = plainTag(described?.ETag);
	const body = output?.Body as Readable | undefined;
	if (offset > 0 && version !== undefined && found !== version) {
		body?.destroy();
		throw replacedError(bucket.location, key);
	}
	onVersion?.(found);
	if (!output) return;
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
		// The SDK compares the checksum of the whole object at the end of the body.
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

/** Returns undefined when there are no bytes from `offset` on. */
async function requestObject(
	bucket: Bucket,
	key: string,
	offset: number,
	signal: AbortSignal,
): Promise<GetObjectCommandOutput | undefined> {
	try {
		return await withDialect(bucket, ['getChecksums'], ({getChecksums}) =>
			bucket.request({operation: 'download', key}, signal, (client, options) =>
				client.send(
					new GetObjectCommand({
						Bucket: bucket.name,
						Key: key,
						...(getChecksums ? {ChecksumMode: 'ENABLED'} : {}),
						...(offset > 0 ? {Range: `bytes=${offset}-`} : {}),
					}),
					options,
				),
			),
		);
	} catch (error) {
		if (offset > 0 && error instanceof StorageError && isBeyondEnd(error)) return undefined;
		throw error;
	}
}

/** Returns true when there are no bytes from that offset on. */
function isBeyondEnd(error: StorageError): boolean {
	return (error.cause as {$metadata?: {httpStatusCode?: number}} | undefined)?.$metadata?.httpStatusCode === 416;
}
