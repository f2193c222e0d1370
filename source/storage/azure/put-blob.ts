/** Uploads a blob in one request. */
import type {Hash} from 'node:crypto';
import type {SourceReader} from '../source-reader.js';
import type {PutOptions} from '../storage.js';
import {compareAnswer, md5Of} from './checksums.js';
import type {Container} from './client.js';
import {readProperties} from './inspect.js';
import type {Sent} from './prove-blob.js';

/** One upload of one source, from its beginning. */
export type Upload = {
	readonly key: string;
	readonly options: PutOptions;
	readonly filler: SourceReader;
	readonly hash: Hash | undefined;
	/** Stored in the metadata of the blob and in the names of its blocks, to recognize them as this upload's. */
	readonly id: string;
	/** Bytes of the first blocks. */
	readonly base: number;
	/** Checks the source's sha256 and returns the options of the request that makes the blob visible. */
	readonly finish: () => {
		readonly metadata: Record<string, string>;
		readonly conditions: {readonly ifNoneMatch?: string};
	};
};

export async function putWhole(container: Container, upload: Upload, bytes: Buffer): Promise<Sent> {
	const {key, options, id} = upload;
	const blob = container.client.getBlockBlobClient(key);
	const md5 = md5Of(bytes);
	const finish = upload.finish();
	const sent = await container.request({operation: 'upload', key}, options.signal, async (request): Promise<Sent> => {
		try {
			const answer = await blob.upload(bytes, bytes.length, {
				...finish,
				transactionalContentMD5: md5,
				blobHTTPHeaders: {blobContentMD5: md5},
				abortSignal: request.abortSignal,
				onProgress: request.alive,
			});
			const comparisons = compareAnswer(bytes, md5, answer);
			return {size: bytes.length, etag: answer.etag, comparisons, blocks: undefined};
		} catch (error) {
			// The response to an earlier attempt was lost: the existing blob is the one of this upload, but no checksum of it
			// is known.
			if (request.attempt === 1 || !isConflict(error)) throw error;
			const there = await readProperties(container, key, request);
			if (there?.metadata['upload'] !== id) throw error;
			return {size: bytes.length, etag: there.etag, comparisons: [], blocks: undefined};
		}
	});
	options.onProgress?.(bytes.length);
	return sent;
}

/** Returns true when the condition of an upload that must not replace anything was not met. */
export function isConflict(error: unknown): boolean {
	const {statusCode} = error as {statusCode?: number};
	return statusCode === 409 || statusCode === 412;
}
