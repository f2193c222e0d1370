import {messageOf, PgBackError} from '../../core/errors.js';
import type {Failures} from '../../lib/http/agents.js';
import {type Fault, networkFault, type Operation, StorageError, storageError} from '../errors.js';

export type Where = {readonly operation: Operation; readonly location: string; readonly key?: string};

/** Fields that the SDK's RestError has in addition to Error; none is guaranteed. */
type ServiceError = Error & {
	readonly statusCode?: number;
	readonly code?: string;
	readonly details?: {
		readonly message?: string;
		readonly authenticationErrorDetail?: string;
		readonly AuthenticationErrorDetail?: string;
	};
	readonly request?: {readonly method?: string; readonly agent?: unknown};
	readonly response?: {
		readonly headers?: {get: (name: string) => string | undefined};
		readonly bodyAsText?: string | null;
	};
};

const byCode: Readonly<Record<string, Fault>> = {
	BlobNotFound: 'missing',
	ContainerNotFound: 'missing',
	ResourceNotFound: 'missing',
	BlobAlreadyExists: 'exists',
	ConditionNotMet: 'exists',
	Md5Mismatch: 'corrupt',
	Crc64Mismatch: 'corrupt',
	InvalidBlockList: 'server',
	ServerBusy: 'throttled',
	TooManyRequests: 'throttled',
	OperationTimedOut: 'timeout',
	AccountBeingCreated: 'server',
	ContainerBeingDeleted: 'server',
	AuthenticationFailed: 'forbidden',
	AuthorizationFailure: 'forbidden',
	AuthorizationPermissionMismatch: 'forbidden',
	AuthorizationResourceTypeMismatch: 'forbidden',
	AuthorizationServiceMismatch: 'forbidden',
	AuthorizationProtocolMismatch: 'forbidden',
	AuthorizationSourceIPMismatch: 'forbidden',
	InsufficientAccountPermissions: 'forbidden',
	AccountIsDisabled: 'forbidden',
	NoAuthenticationInformation: 'forbidden',
	BlobImmutableDueToPolicy: 'forbidden',
	BlobImmutableDueToLegalHold: 'forbidden',
	LeaseIdMissing: 'forbidden',
	InvalidResourceName: 'invalid',
	OutOfRangeInput: 'invalid',
	FeatureNotSupported: 'unsupported',
};

function byStatus(status: number): Fault {
	if (status === 412) return 'exists';
	if (status === 401 || status === 403) return 'forbidden';
	if (status === 404) return 'missing';
	if (status === 408) return 'timeout';
	if (status === 429 || status === 503) return 'throttled';
	if (status === 507) return 'full';
	if (status >= 500) return 'server';
	return 'invalid';
}

const refusedHint = 'the service rejected the request: check azure_account, azure_container and azure_endpoint';

const texts: Partial<Readonly<Record<Fault, string>>> = {
	forbidden: 'access denied',
	missing: 'no such object',
	exists: 'already exists',
	throttled: 'the service is throttling requests',
	corrupt: 'the service received different data than was sent',
};

/**
 * Converts any error of an operation to a StorageError; unknown ones (an abort, an error of the source) are returned
 * unchanged.
 */
export function describeAzureError(value: unknown, where: Where): unknown {
	if (value instanceof StorageError && !value.message.startsWith('could not ')) {
		const {hint, retryAfter: wait, exhausted} = value;
		return storageError(value.fault, where, value.message, {cause: value, hint, retryAfter: wait, exhausted});
	}
	if (value instanceof PgBackError || !(value instanceof Error)) return value;
	const error = value as ServiceError;
	const status = error.statusCode;
	if (status === undefined) {
		const network = networkFault(sentError(error));
		if (network) return storageError(network.fault, where, network.reason, {cause: error, hint: network.hint});
		const cut = error.name === 'RestError' || /aborted|socket hang up|terminated|premature/i.test(error.message);
		return cut ? storageError('network', where, 'the connection was lost', {cause: error}) : error;
	}
	return isForeign(error, status) ? describeForeign(error, status, where) : describeRefusal(error, status, where);
}

function describeRefusal(error: ServiceError, status: number, where: Where): StorageError {
	const detail = error.details?.authenticationErrorDetail ?? error.details?.AuthenticationErrorDetail ?? '';
	const said = [codeOf(error), detail].filter(Boolean).join(': ').slice(0, 400);
	const known = specialFault(error, detail) ?? byCode[codeOf(error) ?? ''] ?? byStatus(status);
	// Only an upload is rejected because a blob exists; other requests have met another version.
	const fault = known === 'exists' && error.request?.method !== 'PUT' ? 'invalid' : known;
	const reason = fault === 'skew' ? "the clock of this machine is too far from the server's" : texts[fault];
	const text = isLockedCode(codeOf(error)) ? 'locked' : reason;
	return storageError(fault, where, [text, said, `HTTP status ${status}`].filter(Boolean).join(', '), {
		cause: error,
		hint: hintOf(error) ?? (fault === 'invalid' ? refusedHint : undefined),
		retryAfter: retryAfter(error),
	});
}

/** Returns true when an immutability policy or a legal hold keeps the blob. */
export function isLockedCode(code: string | undefined): boolean {
	return code === 'BlobImmutableDueToPolicy' || code === 'BlobImmutableDueToLegalHold';
}

/**
 * Returns true when the response is not from the service: an impossible status, unparsable content, or a web page
 * instead of an error.
 */
function isForeign(error: ServiceError, status: number): boolean {
	if (status < 400 || error.code === 'PARSE_ERROR') return true;
	const {headers, bodyAsText} = error.response ?? {};
	if (status >= 500 || headers?.get('x-ms-error-code') !== undefined) return false;
	return isMarkup(headers?.get('content-type')) || /^\s*<(?!\?xml|Error)/i.test(bodyAsText ?? '');
}

export function isMarkup(contentType: string | undefined): boolean {
	return /^\s*(text\/html|application\/xhtml)/i.test(contentType ?? '');
}

function describeForeign(error: ServiceError, status: number, where: Where): StorageError {
	const location = status < 400 ? error.response?.headers?.get('location') : undefined;
	const target = location !== undefined && URL.canParse(location) ? `redirects to ${new URL(location).origin}` : '';
	const detail = [`HTTP status ${status}`, target].filter(Boolean).join(', ');
	const {message, hint} = foreignAnswer(error.response?.headers?.get('content-type'), detail);
	// A web page instead of an error says nothing about the blob; one that denies access will do so again.
	const fault = [401, 403, 407].includes(status) ? 'forbidden' : 'server';
	return storageError(fault, where, message, {cause: error, hint});
}

/** Returns an error when the content type is not one of Azure Blob Storage. */
export function foreignAnswer(contentType: string | undefined, detail = ''): StorageError {
	const type = (contentType ?? '').split(';')[0]?.trim() || 'no content type';
	const what = [type, detail].filter(Boolean).join(', ');
	return new StorageError('server', `the server that answered is not an Azure Blob Storage service (${what})`, {
		hint: 'check azure_endpoint and the network: a proxy or another server may have answered instead',
	});
}

/**
 * The SDK keeps only the text and the code of Node's error; the agent has recorded the error itself, with details of
 * the connection.
 */
function sentError(error: ServiceError): Error {
	const noted = (error.request?.agent as Partial<Failures> | undefined)?.lastFailure;
	return noted?.message === error.message ? noted : error;
}

export function codeOf(error: unknown): string | undefined {
	const {code, response} = (error ?? {}) as Partial<ServiceError>;
	return response?.headers?.get('x-ms-error-code') ?? code;
}

/** The service returns AuthenticationFailed for an expired SAS and for a wrong clock alike. */
function specialFault(error: ServiceError, detail: string): Fault | undefined {
	if (codeOf(error) !== 'AuthenticationFailed') return undefined;
	const text = `${detail} ${messageOf(error)}`;
	if (/specified time frame|expired/i.test(text)) return 'expired';
	return /Date header|too old/i.test(text) ? 'skew' : undefined;
}

function hintOf(error: ServiceError): string | undefined {
	switch (codeOf(error)) {
		case 'ContainerNotFound':
			return 'check azure_container and azure_account, or create the container';
		case 'AuthenticationFailed':
			return 'check azure_account and azure_key, or the SAS with its start and expiry times';
		case 'AuthorizationPermissionMismatch':
			return 'the SAS or role lacks a permission: uploads need create and write, downloads read, listings list, purges delete';
		case 'AuthorizationResourceTypeMismatch':
			return 'an account SAS needs the resource types container and object (srt=co)';
		case 'AuthorizationServiceMismatch':
			return 'an account SAS needs the blob service (ss=b)';
		case 'AuthorizationProtocolMismatch':
			return 'the SAS allows https only: set azure_endpoint to an https URL';
		case 'AuthorizationSourceIPMismatch':
			return 'the SAS allows other IP addresses only (sip)';
		default:
			return undefined;
	}
}

/** Returns the milliseconds of a Retry-After header, at most an hour. */
function retryAfter(error: ServiceError): number | undefined {
	const value = error.response?.headers?.get('retry-after');
	if (value === undefined) return undefined;
	const seconds = /^\d+$/.test(value.trim()) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
	return Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), 3600) * 1000 : undefined;
}
