import type {Readable} from 'node:stream';
import {GetObjectCommand, type GetObjectCommandOutput} from '@aws-sdk/client-s3';
import {markDisposable} from '../../lib/release.js';
import {replacedError, StorageError, storageError} from '../errors.js';
import type {GetOptions} from '../storage.js';
import type {Bucket} from './client.js';
import {withDialect} from './dialect.js';
import {describeS3Error, type Where} from './errors.js';
import {headObject} from './head.js';
import {sizeOf} from './listing.js';
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
	const skipped = bytesBefore(output, offset, where);
	let length: number;
	let received = 0;
	try {
		length = await lengthOf(bucket, key, output, {signal, offset: skipped > 0 ? 0 : offset});
		for await (const chunk of body ?? []) {
			signal.throwIfAborted();
			const bytes = chunk as Uint8Array;
			const first = Math.min(bytes.length, Math.max(0, skipped - received));
			received += bytes.length;
			if (received > length)
				throw storageError('corrupt', where, `received more than ${length} bytes`, {exhausted: true});
			if (first < bytes.length) yield markDisposable(bytes.subarray(first));
		}
	} catch (error) {
		signal.throwIfAborted();
		throw describeFailure(error, where);
	} finally {
		body?.destroy();
	}
	if (received !== length)
		throw storageError('network', where, `the connection ended after ${received} of ${length} bytes`);
}

function describeFailure(error: unknown, where: Where): unknown {
	// The SDK compares the checksum of the whole object at the end of the body.
	return error instanceof Error && /checksum/i.test(error.message)
		? storageError('corrupt', where, error.message, {cause: error})
		: describeS3Error(error, where);
}

/**
 * Returns the bytes of a response that begins at `offset`. Without its length only the size of the object tells when a
 * service that sends for ever has sent enough.
 */
async function lengthOf(
	bucket: Bucket,
	key: string,
	{ContentLength}: GetObjectCommandOutput,
	{signal, offset}: {readonly signal: AbortSignal; readonly offset: number},
): Promise<number> {
	if (ContentLength !== undefined) return ContentLength;
	const head = await headObject(bucket, key, signal);
	return (head?.ContentLength ?? (await sizeOf(bucket, key, signal))) - offset;
}

/** Returns how many bytes of the response come before `offset`: a service that ignores ranges sends the whole object. */
function bytesBefore(output: GetObjectCommandOutput, offset: number, where: Where): number {
	if (offset === 0) return 0;
	const {ContentRange, $metadata, Body} = output;
	if (ContentRange === undefined) return $metadata.httpStatusCode === 206 ? 0 : offset;
	if (/^bytes (\d+)-/.exec(ContentRange)?.[1] === String(offset)) return 0;
	(Body as Readable | undefined)?.destroy();
	throw storageError(
		'server',
		where,
		`the service sent the range ${ContentRange} instead of the bytes from ${offset} on`,
	);
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
