/** Maps failures of requests to Google Cloud Storage to our faults. */
import {PgBackError} from '../../core/errors.js';
import {BodyTooLarge} from '../../lib/http/limited-body.js';
import {type Fault, networkFault, type Operation, StorageError, storageError} from '../errors.js';

export type Where = {readonly operation: Operation; readonly location: string; readonly key?: string};

/** A response with an unexpected status. */
export class HttpError extends Error {
	readonly status: number;
	readonly headers: Headers;
	readonly reason: string;
	/** The response is a web page or a redirect, from a proxy or another server. */
	readonly foreign: boolean;

	/** The response to a request that writes an object. */
	readonly writing: boolean;

	constructor(status: number, headers: Headers, body: string, method = 'GET') {
		const said = parseBody(body);
		super(said.message);
		this.status = status;
		this.headers = headers;
		this.reason = said.reason;
		this.writing = method === 'POST' || method === 'PUT';
		this.foreign = status < 400 || looksLikeMarkup(body);
	}
}

/** The JSON API responds with JSON or plain text, whatever the content type. */
export function looksLikeMarkup(body: string): boolean {
	return /^\s*</.test(body);
}

/** The JSON API returns `{error: {message, errors: [{reason}]}}`; proxies may return anything. */
function parseBody(body: string): {readonly message: string; readonly reason: string} {
	const said = jsonError(body);
	if (said) return said;
	const text = body
		.replaceAll(/<[^>]*>/g, ' ')
		.replaceAll(/\s+/g, ' ')
		.trim();
	return {message: text.startsWith('{') ? '' : text.slice(0, 300), reason: ''};
}

function jsonError(body: string): {readonly message: string; readonly reason: string} | undefined {
	try {
		const {error} = JSON.parse(body) as {error?: {message?: unknown; errors?: readonly {reason?: unknown}[]}};
		const reason = error?.errors?.[0]?.reason;
		return {message: textOf(error?.message), reason: textOf(reason)};
	} catch {
		return undefined; // not JSON, or not an object
	}
}

function textOf(value: unknown): string {
	return typeof value === 'string' ? value.slice(0, 600) : '';
}

/** Returns the error for a response that is not from the JSON API. */
export function foreignAnswer(headers: Headers, detail = ''): StorageError {
	const type = (headers.get('content-type') ?? '').split(';')[0]?.trim() || 'no content type';
	const what = [type, detail].filter(Boolean).join(', ');
	return new StorageError('server', `the server that answered is not a Google Cloud Storage service (${what})`, {
		hint: 'check gcs_endpoint and the network: a proxy or another server may have answered instead',
	});
}

const texts: Partial<Readonly<Record<Fault, string>>> = {
	forbidden: 'access denied',
	missing: 'no such object',
	exists: 'already exists',
	throttled: 'the service is throttling requests',
	expired: 'the credentials have expired',
	corrupt: 'the service received different data than was sent',
};

function faultOf({status, reason, message, writing}: HttpError): Fault {
	if (status === 400 && /crc32c|md5|hash/i.test(`${reason} ${message}`)) return 'corrupt';
	if (status === 403 && /rateLimit|userRateLimit/i.test(reason)) return 'throttled';
	if (status === 403 && /quota|storageLimit/i.test(reason)) return 'full';
	if (status === 401) return /expired|invalid_token|authError/i.test(`${reason} ${message}`) ? 'expired' : 'forbidden';
	if (status === 403) return 'forbidden';
	if (status === 404) return 'missing';
	if (status === 408) return 'timeout';
	if (status === 412 && writing) return 'exists';
	if (status === 429 || status === 503) return 'throttled';
	if (status === 507) return 'full';
	return status >= 500 || status === 410 ? 'server' : 'invalid';
}

/**
 * Converts any error of an operation to a StorageError; unknown ones (an abort, an error of the source) are returned
 * unchanged.
 */
export function describeGcsError(value: unknown, where: Where): unknown {
	if (value instanceof StorageError && !value.message.startsWith('could not ')) {
		const {hint, retryAfter, exhausted} = value;
		return storageError(value.fault, where, value.message, {cause: value, hint, retryAfter, exhausted});
	}
	if (value instanceof PgBackError || !(value instanceof Error)) return value;
	if (value instanceof HttpError) return describeHttpError(value, where);
	if (value instanceof BodyTooLarge) return describeGcsError(foreignAnswer(new Headers(), value.message), where);
	const network = networkFault(value);
	if (network) return storageError(network.fault, where, network.reason, {cause: value, hint: network.hint});
	// The messages of undici for a lost connection: fetch failed, terminated, other side closed.
	if (value instanceof TypeError || /terminated|other side closed|socket/i.test(value.message)) {
		return storageError('network', where, 'the connection was lost', {cause: value});
	}
	return value;
}

function describeHttpError(error: HttpError, where: Where): StorageError {
	const {status, headers} = error;
	const details = {cause: error, retryAfter: retryAfter(error)};
	const http = `HTTP status ${status}`;
	if (error.foreign && status < 500) {
		const target = status < 400 ? originOf(headers.get('location')) : undefined;
		const {message, hint} = foreignAnswer(
			headers,
			[http, target && `redirects to ${target}`].filter(Boolean).join(', '),
		);
		// A web page instead of an error says nothing about the object; one that denies access will do so again.
		const fault = [401, 403, 407].includes(status) ? 'forbidden' : 'server';
		return storageError(fault, where, message, {...details, hint});
	}
	const fault = faultOf(error);
	const bucketMissing = isBucketMissing(error);
	const text = bucketMissing ? undefined : (lockText(error) ?? texts[fault]);
	const reason = [text, error.message || error.reason, http];
	return storageError(fault, where, reason.filter(Boolean).join(', '), {
		...details,
		hint: bucketMissing
			? 'check gcs_bucket, or create the bucket'
			: fault === 'invalid'
				? 'the service rejected the request: check gcs_bucket, gcs_endpoint and the key'
				: undefined,
	});
}

/** Returns the origin of a redirect, without path and query, which may contain secrets. */
function originOf(location: string | null): string | undefined {
	return location !== null && URL.canParse(location) ? new URL(location).origin : undefined;
}

export function isBucketMissing(error: HttpError): boolean {
	return error.status === 404 && /bucket does not exist/i.test(error.message);
}

/**
 * Returns why an object cannot be removed because of a retention policy, its own retention or a hold; the service's
 * text contains the date.
 */
export function lockText(error: unknown): string | undefined {
	if (!(error instanceof HttpError) || error.foreign || error.status !== 403) return undefined;
	const said = `${error.reason} ${error.message}`;
	if (!/retention|\bhold\b|ActiveHold/i.test(said)) return undefined;
	const until = /until (\d{4}-\d\d-\d\d(?:T[\d:.]+(?:Z|[+-][\d:]+)?)?)/.exec(said)?.[1];
	if (until !== undefined) return `locked until ${until}`;
	return /hold/i.test(said) ? 'locked by a hold' : 'locked by a retention policy';
}

/** Returns the milliseconds of a Retry-After header, at most an hour. */
function retryAfter({headers}: HttpError): number | undefined {
	const value = headers.get('retry-after');
	if (value === null) return undefined;
	const seconds = /^\d+$/.test(value.trim()) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
	return Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), 3600) * 1000 : undefined;
}
