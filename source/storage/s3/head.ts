import {HeadObjectCommand, type HeadObjectCommandOutput} from '@aws-sdk/client-s3';
import {StorageError} from '../errors.js';
import type {StoredChecksum} from '../proof.js';
import type {Bucket} from './client.js';
import {hasMd5Tags, withDialect} from './dialect.js';
import {hidesMd5, looksLikeMd5, plainTag} from './tags.js';

/** Returns the service's metadata of an object; undefined when there is none. */
export async function headObject(
	bucket: Bucket,
	key: string,
	signal: AbortSignal,
): Promise<HeadObjectCommandOutput | undefined> {
	try {
		return await withDialect(bucket, ['headChecksums'], ({headChecksums}) =>
			bucket.request({operation: 'inspect', key}, signal, (client, options) =>
				client.send(
					new HeadObjectCommand({
						Bucket: bucket.name,
						Key: key,
						...(headChecksums ? {ChecksumMode: 'ENABLED'} : {}),
					}),
					options,
				),
			),
		);
	} catch (error) {
		if (error instanceof StorageError && error.fault === 'missing') return undefined;
		throw error;
	}
}

/** Returns the checksums of the whole object from the service's own response. */
export function wholeChecksums(bucket: Bucket, head: HeadObjectCommandOutput): readonly StoredChecksum[] {
	const {ChecksumCRC32: crc, ChecksumSHA256: sha256} = head;
	const tag = plainTag(head.ETag);
	const hex = (base64: string) => Buffer.from(base64, 'base64').toString('hex');
	const isWhole = (value: string | undefined): value is string => value !== undefined && !value.includes('-');
	const found: StoredChecksum[] = [];
	if (isWhole(crc)) found.push({algorithm: 'crc32', from: 'checksum', value: hex(crc)});
	if (isWhole(sha256)) found.push({algorithm: 'sha256', from: 'checksum', value: hex(sha256)});
	if (looksLikeMd5(tag) && !hidesMd5(head) && hasMd5Tags(bucket.dialect))
		found.push({algorithm: 'md5', from: 'etag', value: tag});
	return found;
}
