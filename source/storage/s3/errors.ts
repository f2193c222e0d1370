import {messageOf, PgBackError} from '../../core/errors.js';
import {networkFault, storageError, StorageError, type Fault, type Operation} from '../errors.js';

/** What the SDK's errors have beyond Error; none of it is certain. */
type ServiceError = Error & {
	readonly Code?: string;
	readonly $metadata?: {readonly httpStatusCode?: number};
	readonly $response?: {readonly statusCode?: number; readonly headers?: Readonly<Record<string, string>>};
};

const byName: Readonly<Record<string, Fault>> = {
	NoSuchKey: 'missing',
	NoSuchBucket: 'missing',
	NoSuchUpload: 'missing',
	NotFound: 'missing',
	AccessDenied: 'forbidden',
	AllAccessDisabled: 'forbidden',
	AccountProblem: 'forbidden',
	InvalidAccessKeyId: 'forbidden',
	SignatureDoesNotMatch: 'forbidden',
	CredentialsProviderError: 'forbidden',
	InvalidToken: 'expired',
	ExpiredToken: 'expired',
	ExpiredTokenException: 'expired',
	TokenRefreshRequired: 'expired',
	RequestExpired: 'expired',
	RequestTimeTooSkewed: 'skew',
	PreconditionFailed: 'exists',
	BadDigest: 'corrupt',
	XAmzContentChecksumMismatch: 'corrupt',
	XAmzContentSHA256Mismatch: 'corrupt',
	InvalidPart: 'corrupt',
	IncompleteBody: 'corrupt',
	EntityTooLarge: 'invalid',
	QuotaExceeded: 'full',
	InsufficientStorage: 'full',
	XMinioStorageFull: 'full',
	NotImplemented: 'unsupported',
	MethodNotAllowed: 'unsupported',
	SlowDown: 'throttled',
	TooManyRequests: 'throttled',
	ThrottlingException: 'throttled',
	RequestTimeout: 'timeout',
	TimeoutError: 'timeout',
	OperationAborted: 'server',
	ConditionalRequestConflict: 'server',
};

function byStatus(status: number): Fault {
	if (status === 401 || status === 403) return 'forbidden';
	if (status === 404) return 'missing';
	if (status === 408) return 'timeout';
	if (status === 412) return 'exists';
	if (status === 413) return 'invalid';
	if (status === 429) return 'throttled';
	if (status === 501 || status === 405) return 'unsupported';
	if (status === 507) return 'full';
	if (status === 503) return 'throttled';
	if (status >= 500 || status === 409 || status === 425 || status === 499) return 'server';
	return 'invalid';
}

const texts: Partial<Readonly<Record<string, string>>> = {
	forbidden: 'access denied',
	missing: 'no such object',
	exists: 'it exists already',
	throttled: 'the service asks to slow down',
};

export type Where = {readonly operation: Operation; readonly location: string; readonly key?: string};

/** Any error of an operation as one of ours. Those that are ours already pass, and what nobody knows stays what it is. */
export function describeS3Error(value: unknown, where: Where): unknown {
	if (value instanceof PgBackError || !(value instanceof Error)) return value;
	const error = value as ServiceError;
	const network = networkFault(error);
	if (network) return storageError(network.fault, where, network.reason, {cause: error, hint: network.hint});
	const status = error.$metadata?.httpStatusCode ?? error.$response?.statusCode;
	const name = [error.name, error.Code].find(one => one !== undefined && one in byName);
	if (name === undefined && (status === undefined || status < 300)) return error;
	const told = (name === undefined ? undefined : byName[name]) ?? byStatus(status ?? 500);
	// A HEAD that is refused says no more than 403: clocks that are too far apart are reason enough.
	const fault =
		told === 'forbidden' && name === undefined && Math.abs(skewSeconds(error)) > toleratedSkew ? 'skew' : told;
	const said = saidBy(error);
	const reason = [
		fault === 'skew' ? `the clock of this machine is ${skewOf(error)} the server's` : texts[fault],
		said,
		status === undefined ? undefined : `HTTP status ${status}`,
	];
	return storageError(fault, where, reason.filter(Boolean).join(', '), {
		cause: error,
		hint: hintFor(error.name),
		retryAfter: retryAfter(error),
		// The same parts will not do the next time either.
		exhausted: error.name === 'InvalidPart',
	});
}

/** The service's own code and words, where it had any. */
function saidBy(error: ServiceError): string {
	const code = /^(Error|Unknown\w*|\d+|NotFound|Forbidden)$/.test(error.name) ? '' : error.name;
	const message = messageOf(error)
		.replace(/Deserialization error: .*/s, '')
		.replace(/\.$/, '');
	const useful = /^(Unknown\w*|\d+|NotFound|Forbidden|undefined)?$/.test(message) ? '' : message;
	return [code, useful].filter(Boolean).join(': ').slice(0, 500);
}

function hintFor(name: string): string | undefined {
	const hints: Partial<Readonly<Record<string, string>>> = {
		NoSuchBucket: 'check s3_bucket, s3_region and s3_endpoint',
		SignatureDoesNotMatch: 'check the secret key; with an endpoint of your own, also s3_region and s3_force_path',
		CredentialsProviderError: 'give s3_key_id and s3_secret, s3_profile, or what the AWS tools use on this machine',
	};
	return hints[name];
}

/** Milliseconds of a Retry-After header, in seconds or as a date; an hour at most. */
export function retryAfter(error: {
	readonly $response?: {readonly headers?: Readonly<Record<string, string>>};
}): number | undefined {
	const value = error.$response?.headers?.['retry-after'];
	if (value === undefined) return undefined;
	const seconds = /^\d+$/.test(value.trim()) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
	return Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), 3600) * 1000 : undefined;
}

/** How far the clocks may be apart, in seconds: the service's own limit. */
const toleratedSkew = 900;

/** By which this machine's clock is ahead; not a number when the answer has no date. */
function skewSeconds(error: ServiceError): number {
	return Math.round((Date.now() - Date.parse(error.$response?.headers?.['date'] ?? '')) / 1000);
}

function skewOf(error: ServiceError): string {
	const seconds = skewSeconds(error);
	if (Number.isNaN(seconds)) return 'too far from';
	return `${Math.abs(seconds)} s ${seconds < 0 ? 'behind' : 'ahead of'}`;
}

/** A service that knows nothing of the checksums of newer S3: says so in one of several ways. */
export function refusesChecksums(error: unknown): boolean {
	if (!(error instanceof StorageError) || !['invalid', 'unsupported'].includes(error.fault)) return false;
	return /checksum|crc32|x-amz-sdk/i.test(error.message) || error.fault === 'unsupported';
}

/** A service that knows nothing of `If-None-Match`. */
export function refusesConditions(error: unknown): boolean {
	if (!(error instanceof StorageError) || !['invalid', 'unsupported'].includes(error.fault)) return false;
	return /if-none-match|conditional|precondition/i.test(error.message) || error.fault === 'unsupported';
}
