import {PgBackError} from '../../core/errors.js';
import {networkFault, storageError, StorageError, type Fault, type Operation} from '../errors.js';

export type Where = {readonly operation: Operation; readonly location: string; readonly key?: string};

/** An answer of the service that is not what was asked for. */
export class HttpError extends Error {
	readonly status: number;
	readonly headers: Headers;
	readonly reason: string;

	constructor(status: number, headers: Headers, body: string) {
		const said = parseBody(body);
		super(said.message);
		this.status = status;
		this.headers = headers;
		this.reason = said.reason;
	}
}

/** The JSON API answers `{error: {message, errors: [{reason}]}}`; proxies on the way answer anything. */
function parseBody(body: string): {readonly message: string; readonly reason: string} {
	try {
		const {error} = JSON.parse(body) as {error?: {message?: string; errors?: readonly {reason?: string}[]}};
		return {message: error?.message ?? '', reason: error?.errors?.[0]?.reason ?? ''};
	} catch {
		return {
			message: body
				.replaceAll(/<[^>]*>/g, ' ')
				.replaceAll(/\s+/g, ' ')
				.trim()
				.slice(0, 300),
			reason: '',
		};
	}
}

const texts: Partial<Readonly<Record<Fault, string>>> = {
	forbidden: 'access denied',
	missing: 'no such object',
	exists: 'it exists already',
	throttled: 'the service asks to slow down',
	expired: 'the credentials have expired',
	corrupt: 'the bytes that arrived are not those that were sent',
};

function faultOf({status, reason, message}: HttpError): Fault {
	if (status === 400 && /crc32c|md5|hash/i.test(`${reason} ${message}`)) return 'corrupt';
	if (status === 403 && /rateLimit|userRateLimit/i.test(reason)) return 'throttled';
	if (status === 403 && /quota|storageLimit/i.test(reason)) return 'full';
	if (status === 401) return /expired|invalid_token|authError/i.test(`${reason} ${message}`) ? 'expired' : 'forbidden';
	if (status === 403) return 'forbidden';
	if (status === 404) return 'missing';
	if (status === 408) return 'timeout';
	if (status === 412) return 'exists';
	if (status === 429 || status === 503) return 'throttled';
	if (status === 507) return 'full';
	return status >= 500 || status === 410 ? 'server' : 'invalid';
}

/** Any error of an operation as one of ours; what nobody knows (an abort, the source's own failure) stays what it is. */
export function describeGcsError(value: unknown, where: Where): unknown {
	if (value instanceof StorageError && !value.message.startsWith('could not ')) {
		return storageError(value.fault, where, value.message, {cause: value, hint: value.hint});
	}
	if (value instanceof PgBackError || !(value instanceof Error)) return value;
	if (value instanceof HttpError) {
		const fault = faultOf(value);
		const bucketMissing = isBucketMissing(value);
		const reason = [
			bucketMissing ? undefined : texts[fault],
			value.message || value.reason,
			`HTTP status ${value.status}`,
		];
		return storageError(fault, where, reason.filter(Boolean).join(', '), {
			cause: value,
			hint: bucketMissing ? 'check gcs_bucket, or create the bucket' : undefined,
			retryAfter: retryAfter(value),
		});
	}
	const network = networkFault(value);
	if (network) return storageError(network.fault, where, network.reason, {cause: value, hint: network.hint});
	// What undici says of a connection that broke: fetch failed, terminated, other side closed.
	if (value instanceof TypeError || /terminated|other side closed|socket/i.test(value.message)) {
		return storageError('network', where, 'the connection was lost', {cause: value});
	}
	return value;
}

export function isBucketMissing(error: HttpError): boolean {
	return error.status === 404 && /bucket does not exist/i.test(error.message);
}

/** Milliseconds of a Retry-After header; an hour at most. */
function retryAfter({headers}: HttpError): number | undefined {
	const value = headers.get('retry-after');
	if (value === null) return undefined;
	const seconds = /^\d+$/.test(value.trim()) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
	return Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), 3600) * 1000 : undefined;
}
