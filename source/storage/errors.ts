import {isSystemError, messageOf, PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';

/** What went wrong, in the few kinds that make a difference to what is done about it. */
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
	'throttled',
	'network',
	'timeout',
	'server',
] as const;
export type Fault = (typeof faults)[number];

/** Trying again cannot help. */
const permanentFaults: ReadonlySet<Fault> = new Set([
	'missing',
	'forbidden',
	'exists',
	'invalid',
	'full',
	'unsupported',
]);

const faultHints: Readonly<Record<Fault, string | undefined>> = {
	missing: 'check the name of the bucket, container or directory, and the key',
	forbidden: 'check the credentials and what they are allowed to do there',
	exists: 'remove the remote file first, or give the new one another name',
	invalid: undefined,
	full: 'free some space or raise the quota on the remote side, and upload again',
	unsupported: 'the remote service does not offer this: turn the setting off',
	expired: 'renew the credentials',
	skew: 'set the clock of this machine, with ntp for instance',
	corrupt: 'the bytes were changed on the way: upload again, and check the network and the memory of this machine',
	throttled: 'the remote service is busy: try again later, or with fewer --upload-jobs',
	network: 'check the network and the address of the remote service',
	timeout: 'check the network and the address of the remote service',
	server: 'the remote service has a problem of its own: try again later',
};

export type StorageErrorDetails = {
	readonly cause?: unknown;
	readonly hint?: string;
	/** Milliseconds that the service asked us to wait. */
	readonly retryAfter?: number;
	/** True once no more attempts are wanted, whatever the fault. */
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

/** `could not upload a/b to s3://bucket/: access denied`, with names made safe for a terminal. */
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
	return new StorageError(fault, `could not ${operation}${what}: ${display(oneLine(reason))}`, details);
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

/** The rule behind `Storage.isPermanent`: faults of the network, of time and of the service pass; all else stays. */
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

const networkTexts: Readonly<Record<string, string>> = {
	ECONNRESET: 'the connection was reset',
	ECONNREFUSED: 'connection refused',
	EPIPE: 'the connection was closed',
	EHOSTUNREACH: 'no route to the host',
	ENETUNREACH: 'the network is unreachable',
	EAI_AGAIN: 'the host name cannot be resolved at the moment',
	ENOTFOUND: 'no such host',
	ETIMEDOUT: 'the connection timed out',
};

const tlsCode = /^(CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|ERR_TLS_|ERR_SSL_|HOSTNAME_MISMATCH)/;

/** The fault behind an error of node's net, dns and tls (or of something that wraps one), if it is one. */
export function networkFault(
	error: unknown,
): {readonly fault: Fault; readonly reason: string; readonly hint?: string} | undefined {
	for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
		const {code} = at as NodeJS.ErrnoException;
		if (code === undefined) continue;
		const fault = networkFaults[code];
		if (fault !== undefined) return {fault, reason: networkTexts[code] ?? messageOf(at), hint: faultHints.network};
		if (tlsCode.test(code)) {
			return {
				fault: 'forbidden',
				reason: `the TLS connection cannot be trusted: ${messageOf(at)}`,
				hint: 'check the certificate of the remote service (NODE_EXTRA_CA_CERTS names a file of further authorities)',
			};
		}
	}
	if (error instanceof AggregateError) return error.errors.map(networkFault).find(found => found !== undefined);
	return undefined;
}

/** The fault of an error of the local file system. */
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
