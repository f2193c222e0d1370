import {isSystemError, messageOf, PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {isParserCode, networkTexts, notHttp} from '../lib/http/connection-failure.js';
import {ProxyError} from '../lib/http/proxy-error.js';
import {tlsFailure} from '../lib/http/tls-failure.js';
import {redactUrls} from '../lib/redact.js';

/** The kinds of failure that are handled differently. */
export const faults = [
	'missing',
	'forbidden',
	'exists',
	'invalid',
	'full',
	'unsupported',
	'expired',
	'skew',
	'corrupt',
	'replaced',
	'throttled',
	'network',
	'timeout',
	'server',
] as const;
export type Fault = (typeof faults)[number];

/** Faults that a retry cannot fix. */
const permanentFaults: ReadonlySet<Fault> = new Set([
	'missing',
	'forbidden',
	'exists',
	'invalid',
	'full',
	'unsupported',
	'replaced',
]);

const faultHints: Readonly<Record<Fault, string | undefined>> = {
	missing: 'check the name of the bucket, container or directory, and the key',
	forbidden: 'check the credentials and their permissions',
	exists: 'remove the remote file first, or use a different name',
	invalid: undefined,
	full: 'free some space or raise the quota on the remote side, and upload again',
	unsupported: 'the remote service does not support this: turn the setting off',
	expired: 'renew the credentials',
	skew: 'synchronize the clock of this machine, for example with NTP',
	corrupt: 'the data was changed in transit: upload again, and check the network and the memory of this machine',
	replaced: 'download it again from the beginning',
	throttled: 'the remote service is busy: try again later, or with fewer --upload-jobs',
	network: 'check the network and the address of the remote service',
	timeout: 'check the network and the address of the remote service',
	server: 'the remote service reported an internal error: try again later',
};

/** For an upload that the service has confirmed, although the object does not exist. */
export const notKeptHint =
	'the service confirmed an upload that it did not keep: check the service and its lifecycle rules, then upload again';

export type StorageErrorDetails = {
	readonly cause?: unknown;
	readonly hint?: string;
	/** Milliseconds that the service asked to wait. */
	readonly retryAfter?: number;
	/** True when no more attempts must be made, whatever the fault. */
	readonly exhausted?: boolean;
};

/** A remote operation that failed. The message names the remote, the key and the cause. */
export class StorageError extends PgBackError {
	readonly fault: Fault;
	readonly retryAfter: number | undefined;
	readonly exhausted: boolean;

	constructor(fault: Fault, message: string, details: StorageErrorDetails = {}) {
		super(fault === 'exists' ? 'EXISTS' : 'STORAGE', message, {
			hint: details.hint ?? faultHints[fault],
			cause: details.cause,
			exitCode: 14,
		});
		this.fault = fault;
		this.retryAfter = details.retryAfter;
		this.exhausted = details.exhausted ?? false;
	}
}

export type Operation = 'list' | 'upload' | 'download' | 'inspect' | 'remove' | 'connect to' | 'clean up';

/**
 * Returns an error such as `could not upload a/b to s3://bucket/: access denied`, with names escaped for a terminal.
 */
export function storageError(
	fault: Fault,
	where: {readonly operation: Operation; readonly location: string; readonly key?: string},
	reason: string,
	details: StorageErrorDetails = {},
): StorageError {
	const {operation, location, key} = where;
	const link = {
		upload: ' to',
		download: ' from',
		remove: ' from',
		inspect: ' at',
		list: ' at',
		'connect to': '',
		'clean up': ' at',
	}[operation];
	const what = key === undefined ? ` ${display(location)}` : ` ${display(key)}${link} ${display(location)}`;
	return new StorageError(fault, `could not ${operation}${what}: ${display(oneLine(redactUrls(reason)))}`, details);
}

function oneLine(text: string): string {
	return text
		.replaceAll(/\s*[\r\n]+\s*/g, ' ')
		.trim()
		.replace(/\.$/, '');
}

export function isMissing(error: unknown): boolean {
	return error instanceof StorageError && error.fault === 'missing';
}

/** Returns the error of a download that cannot continue, because the object is not the one that it began with. */
export function replacedError(location: string, key: string): StorageError {
	const reason = 'the object was replaced while it was downloaded';
	return storageError('replaced', {operation: 'download', location, key}, reason);
}

/**
 * Returns a version of a file from its size in bytes and its time of modification in milliseconds; undefined
 * if one is missing.
 */
export function fileVersion(size: number | undefined, modified: number | undefined): string | undefined {
	return size === undefined || modified === undefined ? undefined : `${size} ${modified}`;
}

export function isReplaced(error: unknown): boolean {
	return error instanceof StorageError && error.fault === 'replaced';
}

/**
 * Implements `Storage.isPermanent`: faults of the network, timeouts and service errors are transient; all others are
 * permanent.
 */
export function isPermanentError(error: unknown): boolean {
	if (error instanceof StorageError) return error.exhausted || permanentFaults.has(error.fault);
	if (error instanceof PgBackError) return true;
	return networkFault(error) === undefined;
}

const networkFaults: Readonly<Record<string, Fault>> = {
	ECONNRESET: 'network',
	ECONNREFUSED: 'network',
	ECONNABORTED: 'network',
	EPIPE: 'network',
	EHOSTUNREACH: 'network',
	EHOSTDOWN: 'network',
	ENETUNREACH: 'network',
	ENETDOWN: 'network',
	EAI_AGAIN: 'network',
	ETIMEDOUT: 'timeout',
	ESOCKETTIMEDOUT: 'timeout',
	ERR_STREAM_PREMATURE_CLOSE: 'network',
	ERR_SOCKET_CLOSED: 'network',
	ENOTFOUND: 'invalid',
};

export const proxyHint = 'check HTTPS_PROXY, HTTP_PROXY and NO_PROXY in the environment of this program';
const addressHint = 'check the scheme and the port of the endpoint';

/** Returns the fault of an error of Node's net, dns and tls (or of a wrapped one), if it is one. */
export function networkFault(
	error: unknown,
): {readonly fault: Fault; readonly reason: string; readonly hint?: string} | undefined {
	for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
		if (at instanceof ProxyError)
			return {fault: at.permanent ? 'invalid' : 'network', reason: at.message, hint: proxyHint};
		const tls = tlsFailure(at);
		if (tls) return {fault: tls.permanent ? 'invalid' : 'network', reason: tls.reason, hint: tls.hint};
		const {code} = at as NodeJS.ErrnoException;
		if (code === undefined) continue;
		const fault = networkFaults[code] ?? (isParserCode(code) ? 'server' : undefined);
		if (fault === undefined) continue;
		const reason = isParserCode(code) ? notHttp : (networkTexts[code] ?? messageOf(at));
		return {fault, reason, hint: isParserCode(code) ? addressHint : faultHints[fault]};
	}
	if (error instanceof AggregateError) return error.errors.map(networkFault).find(found => found !== undefined);
	return undefined;
}

/** Returns the fault of a file system error. */
export function fileFault(error: unknown): Fault {
	if (!isSystemError(error)) return 'server';
	if (error.code === 'ENOSPC' || error.code === 'EFBIG' || error.errno === -122) return 'full';
	const known: Readonly<Record<string, Fault>> = {
		ENOENT: 'missing',
		EEXIST: 'exists',
		EACCES: 'forbidden',
		EPERM: 'forbidden',
		EROFS: 'forbidden',
		ESTALE: 'server',
		EIO: 'server',
	};
	return known[error.code] ?? 'invalid';
}
