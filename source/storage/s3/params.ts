import {randomBytes} from 'node:crypto';
import {
	type ObjectCannedACL,
	type ObjectLockMode,
	type PutObjectCommandInput,
	type ServerSideEncryption,
	type StorageClass,
} from '@aws-sdk/client-s3';
import {StorageError} from '../errors.js';
import type {PutOptions} from '../storage.js';
import type {Bucket} from './client.js';
import type {Dialect} from './dialect.js';

/** The metadata field that identifies the upload that created an object, whatever its content. */
const markName = 'pg-back-upload';

export function newMark(): string {
	return randomBytes(8).toString('hex');
}

export function hasMark(
	head: {readonly Metadata?: Readonly<Record<string, string>>},
	mark: string | undefined,
): boolean {
	return mark !== undefined && head.Metadata?.[markName] === mark;
}

/** Returns true when the object was created by another upload of pg_back. */
export function hasOtherMark(
	head: {readonly Metadata?: Readonly<Record<string, string>>},
	mark: string | undefined,
): boolean {
	return mark !== undefined && head.Metadata?.[markName] !== undefined && head.Metadata[markName] !== mark;
}

/** Throws when the service is known to ignore conditions and the write requires one. */
export function condition(dialect: Dialect, options: PutOptions): {IfNoneMatch?: string} {
	if (options.atomic && !dialect.conditions)
		throw new StorageError('unsupported', 'the service does not support If-None-Match');
	return options.ifAbsent && dialect.conditions ? {IfNoneMatch: '*'} : {};
}

export type ObjectParams = Pick<
	PutObjectCommandInput,
	| 'ACL'
	| 'Metadata'
	| 'StorageClass'
	| 'ServerSideEncryption'
	| 'SSEKMSKeyId'
	| 'ObjectLockMode'
	| 'ObjectLockRetainUntilDate'
	| 'Tagging'
>;

/** Returns the parameters of every new object, set when its upload starts. */
export function objectParams({settings}: Bucket, options: PutOptions, mark: string): ObjectParams {
	const {storageClass, sse, sseKmsKeyId, objectLockMode, objectLockDays, tags = {}, acl} = settings;
	const metadata = Object.entries({...options.metadata?.(), [markName]: mark}).filter(([, value]) => value !== '');
	const day = 86_400_000;
	return {
		Metadata: Object.fromEntries(metadata),
		...(acl ? {ACL: acl as ObjectCannedACL} : {}),
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
