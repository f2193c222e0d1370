import {
	type ObjectLockMode,
	type PutObjectCommandInput,
	type ServerSideEncryption,
	type StorageClass,
} from '@aws-sdk/client-s3';
import type {PutOptions} from '../storage.js';
import type {Bucket} from './client.js';
import {refusesChecksums, refusesConditions} from './errors.js';

/** Runs `send` again without what the service turns out not to know: another upload may have found that out meanwhile. */
export async function tolerant<T>(bucket: Bucket, send: () => Promise<T>): Promise<T> {
	const {service} = bucket;
	for (;;) {
		const used = {...service};
		try {
			return await send();
		} catch (error) {
			if (used.conditions && refusesConditions(error)) {
				if (service.conditions)
					bucket.log('info', `${bucket.location} does not know If-None-Match: going on with a look before each upload`);
				service.conditions = false;
			} else if (used.checksums === 'crc32' && refusesChecksums(error)) {
				if (service.checksums === 'crc32')
					bucket.log('info', `${bucket.location} does not know CRC32 checksums: going on with MD5`);
				service.checksums = 'md5';
			} else throw error;
		}
	}
}

export function condition(bucket: Bucket, options: PutOptions): {IfNoneMatch?: string} {
	return options.ifAbsent && bucket.service.conditions ? {IfNoneMatch: '*'} : {};
}

export type ObjectParams = Pick<
	PutObjectCommandInput,
	| 'Metadata'
	| 'StorageClass'
	| 'ServerSideEncryption'
	| 'SSEKMSKeyId'
	| 'ObjectLockMode'
	| 'ObjectLockRetainUntilDate'
	| 'Tagging'
>;

/** What every new object gets, said at the start of its upload. */
export function objectParams({settings}: Bucket, options: PutOptions): ObjectParams {
	const {storageClass, sse, sseKmsKeyId, objectLockMode, objectLockDays, tags = {}} = settings;
	const metadata = Object.entries(options.metadata?.() ?? {}).filter(([, value]) => value !== '');
	const day = 86_400_000;
	return {
		...(metadata.length > 0 ? {Metadata: Object.fromEntries(metadata)} : {}),
		...(storageClass ? {StorageClass: storageClass as StorageClass} : {}),
		...(sse ? {ServerSideEncryption: sse as ServerSideEncryption} : {}),
		...(sseKmsKeyId ? {SSEKMSKeyId: sseKmsKeyId} : {}),
		...(objectLockMode && objectLockDays
			? {
					ObjectLockMode: objectLockMode as ObjectLockMode,
					ObjectLockRetainUntilDate: new Date(Date.now() + objectLockDays * day),
				}
			: {}),
		...(Object.keys(tags).length > 0 ? {Tagging: new URLSearchParams(tags).toString()} : {}),
	};
}
