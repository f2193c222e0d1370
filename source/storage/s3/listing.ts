import {AbortMultipartUploadCommand, ListMultipartUploadsCommand} from '@aws-sdk/client-s3';
import {storageError, StorageError} from '../errors.js';
import type {ListOptions, Storage, StorageObject} from '../storage.js';
import type {Bucket} from './client.js';
import {createPage, decodeKey} from './pages.js';

/** Page after page; each is asked for again by itself when it fails. */
export async function* listObjects(
	bucket: Bucket,
	prefix: string,
	{signal, after}: ListOptions,
): AsyncGenerator<StorageObject> {
	for (let token: string | undefined; ;) {
		const {entries, command} = createPage({
			Bucket: bucket.name,
			Prefix: prefix,
			// XML cannot hold every key as it is.
			EncodingType: 'url',
			...(token === undefined ? {StartAfter: after} : {ContinuationToken: token}),
		});
		const page = await bucket.request({operation: 'list', key: prefix || undefined}, signal, (client, options) =>
			client.send(command, options),
		);
		for (const entry of entries) {
			signal.throwIfAborted();
			yield entry;
		}
		const decode = page.EncodingType === 'url' ? decodeKey : (key: string) => key;
		for (const {Key, Size = 0, LastModified} of page.Contents ?? []) {
			signal.throwIfAborted();
			if (Key !== undefined) yield {key: decode(Key), size: Size, modified: LastModified?.getTime()};
		}
		if (!page.IsTruncated) return;
		if (!page.NextContinuationToken || page.NextContinuationToken === token) {
			const where = {operation: 'list', location: bucket.location} as const;
			throw storageError('server', where, 'the service says that there is more, but not where');
		}
		token = page.NextContinuationToken;
	}
}

/** Aborts the multipart uploads below `prefix` that began before `olderThan`; nobody will finish them. */
export async function abortStale(
	bucket: Bucket,
	prefix: string,
	{signal, olderThan}: CleanupOptions,
): Promise<readonly string[]> {
	const stale: {readonly key: string; readonly uploadId: string}[] = [];
	for (let marker: {KeyMarker?: string; UploadIdMarker?: string} = {}; ;) {
		const at = marker;
		const page = await bucket.request({operation: 'clean up'}, signal, (client, options) =>
			client.send(new ListMultipartUploadsCommand({Bucket: bucket.name, Prefix: prefix, ...at}), options),
		);
		for (const {Key, UploadId, Initiated} of page.Uploads ?? []) {
			if (Key !== undefined && UploadId !== undefined && Initiated && Initiated.getTime() < olderThan) {
				stale.push({key: Key, uploadId: UploadId});
			}
		}
		if (!page.IsTruncated || !page.NextKeyMarker) break;
		marker = {KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker};
	}
	for (const {key, uploadId} of stale) {
		try {
			await bucket.request({operation: 'clean up', key}, signal, (client, options) =>
				client.send(new AbortMultipartUploadCommand({Bucket: bucket.name, Key: key, UploadId: uploadId}), options),
			);
		} catch (error) {
			if (!(error instanceof StorageError) || error.fault !== 'missing') throw error; // somebody else ended it
		}
	}
	return stale.map(one => one.key);
}

type CleanupOptions = Parameters<NonNullable<Storage['cleanup']>>[1];
