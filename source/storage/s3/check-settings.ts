import {PgBackError} from '../../core/errors.js';
import type {S3Settings} from './settings.js';

/**
 * Throws CONFIG for what the SDK would refuse before its first request, in words of its own. `endpoint` has a scheme.
 */
export function checkSettings(
	{bucket, kind = 's3'}: Pick<S3Settings, 'bucket' | 'kind'>,
	{region, endpoint}: {readonly region: string; readonly endpoint: string | undefined},
): void {
	if (!bucket) throw new PgBackError('CONFIG', 'no bucket configured', {hint: `set ${kind}_bucket`});
	if (bucket.includes('/') && !bucket.startsWith('arn:')) {
		throw new PgBackError('CONFIG', `${kind}_bucket is not the name of a bucket: it contains a slash`, {
			hint: 'a folder in the bucket is set with upload_prefix',
		});
	}
	// A label of a host name, as the SDK puts it into one.
	if (!/^(?!-)[a-z0-9-]{1,63}(?<!-)$/i.test(region)) {
		throw new PgBackError('CONFIG', `${JSON.stringify(region)} is not the name of a region`, {
			hint: 'set s3_region to a name such as eu-west-1',
		});
	}
	if (endpoint === undefined || isHttp(endpoint)) return;
	// Not shown: it may contain a password.
	throw new PgBackError(
		'CONFIG',
		`${kind === 's3' ? 's3_endpoint' : 'the endpoint'} is not an http:// or https:// URL`,
		{
			hint: 'write it as https://HOST or https://HOST:PORT',
		},
	);
}

/** The SDK's own reason why it has sent nothing: an access point that is spelled wrong, an option that it cannot use. */
export function refusedSettings(error: Error): PgBackError | undefined {
	if (error.name !== 'EndpointError' && error.name !== 'InvalidBucketName') return undefined;
	return new PgBackError('CONFIG', `the settings of the bucket are not valid: ${error.message}`, {
		cause: error,
		hint: 'check s3_bucket, s3_region, s3_endpoint and s3_force_path',
	});
}

function isHttp(text: string): boolean {
	return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}
