/** S3 and compatible services: definition and options. */
import type {OptionTable, ValuesOf} from '../../core/option.js';
import {defineStore, optional} from '../definition.js';
import type {S3Settings} from './settings.js';

const group = {group: 'S3'} as const;
const text = {kind: 'string', default: ''} as const;

const options = {
	s3Region: {...text, ...group, long: 's3-region', key: 's3_region', help: 'region'},
	s3Bucket: {...text, ...group, long: 's3-bucket', key: 's3_bucket', help: 'bucket'},
	s3Profile: {
		...text,
		...group,
		long: 's3-profile',
		key: 's3_profile',
		help: 'profile of the shared AWS configuration',
	},
	s3KeyId: {
		...text,
		...group,
		long: 's3-key-id',
		key: 's3_key_id',
		help: 'access key id; empty: found as by the AWS tools',
	},
	s3Secret: {...text, ...group, secret: true, long: 's3-secret', key: 's3_secret', help: 'secret access key'},
	s3Endpoint: {
		...text,
		...group,
		long: 's3-endpoint',
		key: 's3_endpoint',
		help: 'endpoint, for S3 servers other than AWS',
	},
	s3ForcePath: {
		...group,
		kind: 'yesNo',
		default: false,
		long: 's3-force-path',
		key: 's3_force_path',
		help: 'address the bucket in the path instead of the host name',
	},
	s3Tls: {
		...group,
		kind: 'yesNo',
		default: true,
		long: 's3-tls',
		key: 's3_tls',
		help: 'use TLS if the endpoint has no scheme',
	},
	s3StorageClass: {
		...text,
		...group,
		long: 's3-storage-class',
		key: 's3_storage_class',
		help: 'storage class',
	},
	s3Sse: {...text, ...group, long: 's3-sse', key: 's3_sse', help: 'server-side encryption: AES256 or aws:kms'},
	s3SseKmsKeyId: {
		...text,
		...group,
		long: 's3-sse-kms-key-id',
		key: 's3_sse_kms_key_id',
		help: 'KMS key for server-side encryption',
	},
	s3Acl: {
		...group,
		kind: 'choice',
		choices: ['', 'private', 'bucket-owner-read', 'bucket-owner-full-control', 'aws-exec-read'],
		default: '',
		long: 's3-acl',
		key: 's3_acl',
		help: 'canned ACL of new objects: private, bucket-owner-read, bucket-owner-full-control, aws-exec-read',
	},
	s3Checksum: {
		...group,
		kind: 'choice',
		choices: ['auto', 'crc32', 'md5', 'none'],
		default: 'auto',
		long: 's3-checksum',
		key: 's3_checksum',
		help: 'checksum sent with uploads: auto (what the service supports), crc32, md5, none',
	},
	s3ObjectLockMode: {
		...group,
		kind: 'choice',
		choices: ['none', 'governance', 'compliance'],
		anyCase: true,
		default: 'none',
		long: 's3-object-lock-mode',
		key: 's3_object_lock_mode',
		help: 'Object Lock retention: none, governance, compliance',
	},
	s3ObjectLockDays: {
		...group,
		kind: 'integer',
		minimum: 0,
		default: 0,
		value: 'DAYS',
		long: 's3-object-lock-days',
		key: 's3_object_lock_days',
		help: 'days of Object Lock retention',
	},
	s3Tags: {
		...group,
		kind: 'list',
		default: [],
		value: 'KEY=VALUE,...',
		long: 's3-tags',
		key: 's3_tags',
		help: 'tags of the objects',
	},
	s3PartSize: {
		...group,
		kind: 'bytes',
		minimum: 0,
		default: 0,
		value: 'BYTES',
		long: 's3-part-size',
		key: 's3_part_size',
		help: 'part size of uploads; 0: chosen by the size of the file',
	},
} as const satisfies OptionTable;

export const s3 = defineStore({
	name: 's3',
	title: group.group,
	options,
	isConfigured: settings => settings.s3Bucket !== '',
	problems: settings => [
		...(settings.s3Bucket === '' ? ['needs s3_bucket'] : []),
		...((settings.s3KeyId === '') === (settings.s3Secret === '')
			? []
			: ['needs both or none of s3_key_id and s3_secret']),
	],
	location: settings => `s3://${settings.s3Bucket}/`,
	secretVariables: /^AWS_/,
	open: async (settings, _outside, context) => (await import('./s3.js')).openS3(storeSettings(settings), context),
});

function tagsOf(tags: readonly string[]): Record<string, string> {
	return Object.fromEntries(
		tags.map(tag => {
			const [key = '', ...value] = tag.split('=');
			return [key, value.join('=')];
		}),
	);
}

function storeSettings(settings: ValuesOf<typeof options>): S3Settings {
	return {
		bucket: settings.s3Bucket,
		region: optional(settings.s3Region),
		profile: optional(settings.s3Profile),
		keyId: optional(settings.s3KeyId),
		secret: optional(settings.s3Secret),
		endpoint: optional(settings.s3Endpoint),
		forcePath: settings.s3ForcePath,
		tls: settings.s3Tls,
		checksum: settings.s3Checksum,
		acl: optional(settings.s3Acl),
		storageClass: optional(settings.s3StorageClass),
		sse: optional(settings.s3Sse),
		sseKmsKeyId: optional(settings.s3SseKmsKeyId),
		...(settings.s3ObjectLockMode !== 'none' && {
			objectLockMode: settings.s3ObjectLockMode.toUpperCase(),
			objectLockDays: settings.s3ObjectLockDays,
		}),
		...(settings.s3Tags.length > 0 && {tags: tagsOf(settings.s3Tags)}),
		...(settings.s3PartSize > 0 && {partSize: settings.s3PartSize}),
	};
}
