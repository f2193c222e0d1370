import {messageOf, PgBackError} from '../../core/errors.js';
import {networkFault, storageError, StorageError, type Fault, type Operation} from '../errors.js';

export type Where = {readonly operation: Operation; readonly location: string; readonly key?: string};

/** What the SDK's RestError has beyond Error; none of it is certain. */
type ServiceError = Error & {
	readonly statusCode?: number;
	readonly code?: string;
	readonly details?: {
		readonly message?: string;
		readonly authenticationErrorDetail?: string;
		readonly AuthenticationErrorDetail?: string;
	};
	readonly response?: {readonly headers?: {get: (name: string) => string | undefined}};
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
	if (status === 401 || status === 403) return 'forbidden';
	if (status === 404) return 'missing';
	if (status === 408) return 'timeout';
	if (status === 412) return 'exists';
	if (status === 429 || status === 503) return 'throttled';
	if (status === 507) return 'full';
	if (status >= 500) return 'server';
	return 'invalid';
}

const texts: Partial<Readonly<Record<Fault, string>>> = {
	forbidden: 'access denied',
	missing: 'no such object',
	exists: 'it exists already',
	throttled: 'the service asks to slow down',
	corrupt: 'the bytes that arrived are not those that were sent',
};

/** Any error of an operation as one of ours; what nobody knows (an abort, the source's own failure) stays what it is. */
export function describeAzureError(value: unknown, where: Where): unknown {
	if (value instanceof StorageError && !value.message.startsWith('could not ')) {
		return storageError(value.fault, where, value.message, {cause: value, hint: value.hint});
	}
	if (value instanceof PgBackError || !(value instanceof Error)) return value;
	const error = value as ServiceError;
	const status = error.statusCode;
	if (status === undefined) {
		const network = networkFault(error);
		if (network) return storageError(network.fault, where, network.reason, {cause: error, hint: network.hint});
		const cut = error.name === 'RestError' || /aborted|socket hang up|terminated|premature/i.test(error.message);
		return cut ? storageError('network', where, 'the connection was lost', {cause: error}) : error;
	}
	const detail = error.details?.authenticationErrorDetail ?? error.details?.AuthenticationErrorDetail ?? '';
	const said = [codeOf(error), detail].filter(Boolean).join(': ').slice(0, 400);
	const fault = specialFault(error, detail) ?? byCode[codeOf(error) ?? ''] ?? byStatus(status);
	const reason = fault === 'skew' ? "the clock of this machine is too far from the server's" : texts[fault];
	return storageError(fault, where, [reason, said, `HTTP status ${status}`].filter(Boolean).join(', '), {
		cause: error,
		hint: hintOf(error),
		retryAfter: retryAfter(error),
	});
}

export function codeOf(error: unknown): string | undefined {
	const {code, response} = error as ServiceError;
	return response?.headers?.get('x-ms-error-code') ?? code;
}

/** A SAS that has run out and a wrong clock are both told as AuthenticationFailed. */
function specialFault(error: ServiceError, detail: string): Fault | undefined {
	if (codeOf(error) !== 'AuthenticationFailed') return undefined;
	const text = `${detail} ${messageOf(error)}`;
	if (/specified time frame|expired/i.test(text)) return 'expired';
	return /Date header|too old/i.test(text) ? 'skew' : undefined;
}

function hintOf(error: ServiceError): string | undefined {
	if (codeOf(error) === 'ContainerNotFound') return 'check azure_container and azure_account, or create the container';
	if (codeOf(error) === 'AuthenticationFailed') return 'check azure_account and azure_key, or the SAS and its dates';
	return undefined;
}

/** Milliseconds of a Retry-After header; an hour at most. */
function retryAfter(error: ServiceError): number | undefined {
	const value = error.response?.headers?.get('retry-after');
	if (value === undefined) return undefined;
	const seconds = /^\d+$/.test(value.trim()) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
	return Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), 3600) * 1000 : undefined;
}
