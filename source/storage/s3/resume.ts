import {ListPartsCommand} from '@aws-sdk/client-s3';
import {StorageError} from '../errors.js';
import {abandon} from './abandon.js';
import type {Bucket} from './client.js';
import type {PartPlan} from './parts.js';
import {md5Of, type Payload} from './payload.js';
import {crcText} from './reader.js';
import {plainTag} from './tags.js';

/**
 * The state that a later run needs to resume: no secret, no part list (the service is asked, and its response checked
 * against our bytes).
 */
export type Journal = {
	readonly version: 1;
	readonly location: string;
	readonly key: string;
	readonly uploadId: string;
	readonly plan: PartPlan;
	/** Identifies the upload in the metadata of its object. */
	readonly mark?: string;
};

export type RemotePart = {readonly size: number; readonly etag: string; readonly crc32?: string};

export type Resumable = {
	readonly uploadId: string;
	readonly plan: PartPlan;
	readonly parts: ReadonlyMap<number, RemotePart>;
	readonly mark?: string;
};

/**
 * Returns the journal's upload with the parts that the service has; undefined when there is no journal, or the upload
 * no longer exists.
 */
export async function findResumable(
	bucket: Bucket,
	key: string,
	journal: unknown,
	signal: AbortSignal,
): Promise<Resumable | undefined> {
	if (!isJournal(journal) || journal.location !== bucket.location || journal.key !== key) return undefined;
	const {uploadId, plan, mark} = journal;
	const parts = new Map<number, RemotePart>();
	try {
		for (let marker: string | undefined; ;) {
			const page = await bucket.request({operation: 'upload', key}, signal, (client, requestOptions) =>
				client.send(
					new ListPartsCommand({Bucket: bucket.name, Key: key, UploadId: uploadId, PartNumberMarker: marker}),
					requestOptions,
				),
			);
			for (const {PartNumber, Size, ETag, ChecksumCRC32} of page.Parts ?? []) {
				if (PartNumber !== undefined && Size !== undefined && ETag !== undefined) {
					parts.set(PartNumber, {size: Size, etag: ETag, crc32: ChecksumCRC32});
				}
			}
			// A marker that does not increase would be requested endlessly.
			if (!page.IsTruncated || !(Number(page.NextPartNumberMarker) > Number(marker ?? 0))) break;
			marker = page.NextPartNumberMarker;
		}
	} catch (error) {
		if (!(error instanceof StorageError) || !['missing', 'unsupported', 'forbidden', 'invalid'].includes(error.fault))
			throw error;
		bucket.log('info', `the interrupted upload of ${key} cannot be resumed, starting again: ${error.message}`);
		if (error.fault !== 'missing') await abandon(bucket, key, uploadId);
		return undefined;
	}
	bucket.log('info', `resuming the interrupted upload of ${key}: ${parts.size} parts are already stored`);
	return {uploadId, plan, parts, mark};
}

/** Returns true when the service's part certainly consists of these bytes. */
export function isSamePart(remote: RemotePart | undefined, payload: Payload): remote is RemotePart {
	if (remote?.size !== payload.length) return false;
	return remote.crc32 === undefined
		? plainTag(remote.etag) === md5Of(payload)
		: remote.crc32 === crcText(payload.crc32);
}

function isJournal(value: unknown): value is Journal {
	const journal = value as Partial<Journal> | null | undefined;
	return (
		journal?.version === 1 &&
		typeof journal.uploadId === 'string' &&
		typeof journal.key === 'string' &&
		Number.isSafeInteger(journal.plan?.base) &&
		Number.isSafeInteger(journal.plan?.constantFor) &&
		(journal.plan?.base ?? 0) > 0 &&
		['string', 'undefined'].includes(typeof journal.mark)
	);
}
