import {AbortMultipartUploadCommand} from '@aws-sdk/client-s3';
import {messageOf} from '../../core/errors.js';
import {StorageError} from '../errors.js';
import type {Bucket} from './client.js';

/**
 * Aborts the multipart upload with its own timeout, and ignores errors: the upload has failed already, and a later
 * cleanup removes what is left.
 */
export async function abandon(bucket: Bucket, key: string, uploadId: string): Promise<void> {
	try {
		await bucket.request({operation: 'clean up', key}, AbortSignal.timeout(15_000), (client, options) =>
			client.send(new AbortMultipartUploadCommand({Bucket: bucket.name, Key: key, UploadId: uploadId}), options),
		);
	} catch (error) {
		if (error instanceof StorageError && error.fault === 'missing') return;
		bucket.log('warn', `parts of the failed upload remain until --cleanup-remote: ${messageOf(error)}`);
	}
}
