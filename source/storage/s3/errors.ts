import {messageOf, PgBackError} from '../../core/errors.js';
import {type Fault, networkFault, type Operation, proxyHint, type StorageError, storageError} from '../errors.js';
import {refusedSettings} from './check-settings.js';
import {CredentialsFailure} from './credentials.js';
import {ForeignAnswer} from './responses.js';

/** Fields that the SDK's errors have in addition to Error; none is guaranteed. */
type ServiceError = Error & {
	readonly Code?: string;
	readonly Region?: string;
	readonly Endpoint?: string;
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
	InvalidObjectState: 'invalid',
	InternalError: 'server',
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
	exists: 'already exists',
	throttled: 'the service is throttling requests',
};

export type Where = {
	readonly operation: Operation;
	readonly location: string;
	readonly key?: string;
	/** The region that requests are signed for. */
	readonly region?: string;
};

/**
 * Converts any error of an operation to a StorageError. StorageErrors and errors that did not come from the service,
 * such as those of the source, are returned unchanged.
 */
export function describeS3Error(value: unknown, where: Where): unknown {
	if (value instanceof PgBackError || !(value instanceof Error)) return value;
	if (value instanceof CredentialsFailure)
		return storageError(value.fault, where, value.message, {cause: value, hint: credentialsHint});
	const error = value as ServiceError;
	const network = networkFault(error);
	if (network) return storageError(network.fault, where, network.reason, {cause: error, hint: network.hint});
	const status = error.$metadata?.httpStatusCode ?? error.$response?.statusCode;
	const name = [error.name, error.Code].find(one => one !== undefined && one in byName);
	if (error instanceof ForeignAnswer) return foreignAnswer(error, where, status ?? 200);
	if (name === undefined && status === undefined) return refusedSettings(error) ?? error;
	const moved = movedTo(error, where, status);
	if (moved) return moved;
	if (name === undefined && status !== undefined && status < 300)
		return storageError('server', where, `cannot parse the response: ${saidBy(error)}`, {cause: error});
	return describeRefusal(error, where, {name, status});
}

function describeRefusal(
	error: ServiceError,
	where: Where,
	{name, status}: {readonly name: string | undefined; readonly status: number | undefined},
): StorageError {
	const faultOfCode = (name === undefined ? undefined : byName[name]) ?? byStatus(status ?? 500);
	// A rejected HEAD only has the status 403: clocks that differ too much are a likely reason.
	const fault =
		faultOfCode === 'forbidden' && name === undefined && Math.abs(skewSeconds(error)) > toleratedSkew
			? 'skew'
			: faultOfCode;
	const said = saidBy(error);
	const reason = [
		fault === 'skew' ? `the clock of this machine is ${skewOf(error)} the server's` : texts[fault],
		status === 407 ? 'the proxy requires a login' : undefined,
		said,
		status === undefined ? undefined : `HTTP status ${status}`,
	];
	return storageError(fault, where, reason.filter(Boolean).join(', '), {
		cause: error,
		hint: status === 407 ? proxyHint : (hintFor(error.name) ?? (said === notXml ? foreignHint : undefined)),
		retryAfter: retryAfter(error),
		// The same parts will fail the next time too.
		exhausted: error.name === 'InvalidPart',
	});
}

/** Returns the error for a page of a proxy, a login or another server. */
function foreignAnswer(error: ForeignAnswer, where: Where, status: number): StorageError {
	const fault =
		status >= 500 || [401, 403, 407, 429].includes(status) ? byStatus(status === 407 ? 403 : status) : 'server';
	return storageError(fault, where, `${error.message}, HTTP status ${status}`, {
		cause: error,
		hint: foreignHint,
		retryAfter: retryAfter(error),
	});
}

/** The bucket is in another region, or at another endpoint, which the redirect names. */
function movedTo(error: ServiceError, where: Where, status: number | undefined): StorageError | undefined {
	const headers = error.$response?.headers ?? {};
	const region = headers['x-amz-bucket-region'] ?? error.Region;
	const isRedirect = status !== undefined && [301, 302, 307, 308].includes(status);
	const isOther = region !== undefined && where.region !== undefined && region !== where.region;
	if (!isRedirect && !(isOther && status === 400)) return undefined;
	if (isOther) {
		return storageError('invalid', where, `the bucket is in the region ${region}, not ${where.region}`, {
			cause: error,
			hint: `set s3_region = ${region}`,
		});
	}
	const to = error.Endpoint ?? headers['location'];
	// The rest of the address of a login page may hold a secret.
	const shown = to === undefined ? '' : `: ${URL.parse(to)?.origin ?? to}`;
	return storageError('invalid', where, `the bucket is at another endpoint${shown}`, {
		cause: error,
		hint: 'set s3_region and s3_endpoint to those of the bucket',
	});
}

const credentialsHint = 'check the AWS_* variables and the service that they name, or set s3_key_id and s3_secret';
const notXml = 'the response is not XML';
const foreignHint = 'check the endpoint, and any proxy or login page in front of it';

/** Returns the service's code and message, if it sent any. */
function saidBy(error: ServiceError): string {
	if (error.name === 'TimeoutError') {
		const [, milliseconds] = /timed out after (\d+) ms/.exec(messageOf(error)) ?? [];
		return `no response${milliseconds === undefined ? '' : ` for ${Number(milliseconds) / 1000} s`}`;
	}
	const code = /^(Error|Unknown\w*|\d+|NotFound|Forbidden)$/.test(error.name) ? '' : error.name;
	const message = messageOf(error)
		.replace(/Deserialization error: .*/s, '')
		.replace(/^@aws-sdk XML parse error: .*/s, notXml)
		.replace(/\.$/, '');
	const useful = /^(Unknown\w*|\d+|NotFound|Forbidden|undefined)?$/.test(message) ? '' : message;
	return [code, useful].filter(Boolean).join(': ').slice(0, 500);
}

function hintFor(name: string): string | undefined {
	const hints: Partial<Readonly<Record<string, string>>> = {
		NoSuchBucket: 'check s3_bucket, s3_region and s3_endpoint',
		AccessControlListNotSupported: 'the bucket does not accept ACLs: leave s3_acl empty',
		SignatureDoesNotMatch: 'check the secret key and, with a custom endpoint, s3_region and s3_force_path',
		InvalidObjectState:
			'the object is in an archive tier such as Glacier: restore it there first (aws s3api restore-object), then try again',
		CredentialsProviderError: 'set s3_key_id and s3_secret, s3_profile, or the credentials of the AWS tools',
	};
	return hints[name];
}

/** Returns the milliseconds of a Retry-After header, given in seconds or as a date; at most an hour. */
export function retryAfter(error: {
	readonly $response?: {readonly headers?: Readonly<Record<string, string>>};
}): number | undefined {
	const value = error.$response?.headers?.['retry-after'];
	if (value === undefined) return undefined;
	const seconds = /^\d+$/.test(value.trim()) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
	return Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), 3600) * 1000 : undefined;
}

/** The clock difference that the service tolerates, in seconds. */
const toleratedSkew = 900;

/** Returns by how many seconds this host's clock is ahead; NaN when the response has no date. */
function skewSeconds(error: ServiceError): number {
	return Math.round((Date.now() - Date.parse(error.$response?.headers?.['date'] ?? '')) / 1000);
}

function skewOf(error: ServiceError): string {
	const seconds = skewSeconds(error);
	if (Number.isNaN(seconds)) return 'too far from';
	return `${Math.abs(seconds)} s ${seconds < 0 ? 'behind' : 'ahead of'}`;
}
