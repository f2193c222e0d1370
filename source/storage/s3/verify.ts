import {DeleteObjectCommand, HeadObjectCommand, type HeadObjectCommandOutput} from '@aws-sdk/client-s3';
import {messageOf} from '../../core/errors.js';
import {storageError, StorageError} from '../errors.js';
import type {PutResult} from '../storage.js';
import type {Bucket} from './client.js';

/** What was sent, as the service should report it. */
export type Expected = {
	readonly size: number;
	/** `base64`, or `base64-N` over the checksums of N parts. */
	readonly crc32: string;
	/** Where the ETag of this upload would be an MD5 that we know. */
	readonly md5?: string;
	/** As the service called the object when the upload ended. */
	readonly etag?: string;
	/** True when the service confirmed the CRC32 of everything while it took it. */
	readonly confirmed: boolean;
};

export async function headObject(
	bucket: Bucket,
	key: string,
	signal: AbortSignal,
): Promise<HeadObjectCommandOutput | undefined> {
	try {
		return await bucket.request({operation: 'inspect', key}, signal, (client, options) =>
			client.send(new HeadObjectCommand({Bucket: bucket.name, Key: key, ChecksumMode: 'ENABLED'}), options),
		);
	} catch (error) {
		if (error instanceof StorageError && error.fault === 'missing') return undefined;
		throw error;
	}
}

/** True when the object that is there is certainly the one that was sent: after a confirmation that got lost on the way. */
export function isOurs(head: HeadObjectCommandOutput, expected: Expected): boolean {
	if (head.ContentLength !== expected.size) return false;
	if (sameKind(head.ChecksumCRC32, expected.crc32)) return head.ChecksumCRC32 === expected.crc32;
	return expected.md5 !== undefined && plainTag(head.ETag) === expected.md5;
}

/**
 * Compares what the service reports after the end with what was sent. An object that is not what it should be is removed again and
 * is an error. Without the right to look, what was confirmed on the way must be enough, or it is an error too.
 */
export async function verifyUpload(
	bucket: Bucket,
	key: string,
	expected: Expected,
	signal: AbortSignal,
): Promise<PutResult> {
	const where = {operation: 'upload', location: bucket.location, key} as const;
	let head: HeadObjectCommandOutput | undefined;
	try {
		head = await headObject(bucket, key, signal);
	} catch (error) {
		if (!(error instanceof StorageError) || error.fault !== 'forbidden' || !expected.confirmed) throw error;
		return {size: expected.size, checked: 'crc32 checked on the way'};
	}
	if (!head) throw storageError('corrupt', where, 'it is not there after the upload');
	const tag = plainTag(head.ETag);
	if (expected.etag !== undefined && tag !== undefined && tag !== expected.etag) {
		throw storageError('corrupt', where, `the service has another object there (ETag ${tag}, not ${expected.etag})`);
	}
	const problem = problemOf(head, expected);
	if (problem === undefined) return {size: expected.size, checked: checkedText(head, expected)};
	await removeAgain(bucket, key);
	throw storageError('corrupt', where, problem);
}

function problemOf(head: HeadObjectCommandOutput, expected: Expected): string | undefined {
	if (head.ContentLength !== expected.size)
		return `the service has ${head.ContentLength ?? 'no'} of ${expected.size} bytes`;
	if (sameKind(head.ChecksumCRC32, expected.crc32) && head.ChecksumCRC32 !== expected.crc32) {
		return `the service has the crc32 ${head.ChecksumCRC32}, not ${expected.crc32}`;
	}
	return undefined;
}

function checkedText(head: HeadObjectCommandOutput, expected: Expected): string {
	if (sameKind(head.ChecksumCRC32, expected.crc32)) return 'size and crc32 checked';
	if (expected.md5 !== undefined && plainTag(head.ETag) === expected.md5) return 'size and md5 checked';
	return expected.confirmed ? 'size checked, crc32 checked on the way' : 'size checked';
}

async function removeAgain(bucket: Bucket, key: string): Promise<void> {
	try {
		await bucket.request({operation: 'remove', key}, AbortSignal.timeout(30_000), (client, options) =>
			client.send(new DeleteObjectCommand({Bucket: bucket.name, Key: key}), options),
		);
	} catch (error) {
		bucket.log('warn', `a damaged object stays there: ${messageOf(error)}`);
	}
}

/** A checksum of the whole and one over the parts' checksums cannot be compared. */
function sameKind(reported: string | undefined, expected: string): reported is string {
	return reported !== undefined && reported.includes('-') === expected.includes('-');
}

/** Without quotes. Services differ in them. */
export function plainTag(tag: string | undefined): string | undefined {
	return tag?.replaceAll('"', '').toLowerCase();
}
