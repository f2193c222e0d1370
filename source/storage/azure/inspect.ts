/** Reads the properties of one blob. */
import type {BlobGetPropertiesResponse} from '@azure/storage-blob';
import {type Operation, StorageError} from '../errors.js';
import type {Container, RequestOptions} from './client.js';
import {codeOf, foreignAnswer, isMarkup} from './errors.js';

export type BlobProperties = {
	/** Bytes. */
	readonly size: number;
	/** Milliseconds since the epoch. */
	readonly modified: number | undefined;
	readonly etag: string | undefined;
	/** Content-MD5: set by the writer of the blob, to any value. */
	readonly md5: Buffer | undefined;
	readonly metadata: Readonly<Record<string, string>>;
	readonly lockedUntil: Date | undefined;
};

/** Reads the properties in one attempt; undefined when there is no such blob. */
export async function readProperties(
	{client}: Container,
	key: string,
	{abortSignal}: Pick<RequestOptions, 'abortSignal'>,
): Promise<BlobProperties | undefined> {
	let found: BlobGetPropertiesResponse;
	try {
		found = await client.getBlobClient(key).getProperties({abortSignal});
	} catch (error) {
		if (isNoSuchBlob(error)) return undefined;
		throw error;
	}
	const {contentLength, lastModified, etag, contentMD5, metadata} = found;
	if (contentLength === undefined || (etag === undefined && lastModified === undefined))
		throw foreignAnswer(found._response.headers.get('content-type'), 'no blob is described');
	return {
		size: contentLength,
		modified: lastModified?.getTime(),
		etag,
		md5: contentMD5 && contentMD5.length > 0 ? Buffer.from(contentMD5) : undefined,
		metadata: metadata ?? {},
		lockedUntil: found.immutabilityPolicyExpiresOn,
	};
}

/** Returns true for a 404 of the service itself that is about the blob and not the container. */
export function isNoSuchBlob(error: unknown): boolean {
	const {statusCode, response} = error as {
		statusCode?: number;
		response?: {headers?: {get: (name: string) => string | undefined}};
	};
	if (statusCode !== 404 || codeOf(error) === 'ContainerNotFound') return false;
	return !isMarkup(response?.headers?.get('content-type'));
}

export async function inspect(
	container: Container,
	key: string,
	operation: Operation,
	signal: AbortSignal,
): Promise<BlobProperties | undefined> {
	return container.once({operation, key}, signal, request => readProperties(container, key, request));
}

/** Reads the properties for uploads, with retries; returns `forbidden` without read permission. */
export async function inspectBlob(
	container: Container,
	key: string,
	signal: AbortSignal,
): Promise<BlobProperties | undefined | 'forbidden'> {
	try {
		return await container.request({operation: 'upload', key}, signal, request =>
			readProperties(container, key, request),
		);
	} catch (error) {
		if (error instanceof StorageError && error.fault === 'forbidden') return 'forbidden';
		throw error;
	}
}
