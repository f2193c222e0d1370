/** The session of a resumable upload: it receives chunk after chunk, and the object appears after the last one. */
import {StorageError, storageError} from '../errors.js';
import {requestRetrier} from '../retrying.js';
import type {OpenContext} from '../storage.js';
import type {Answer, Bucket} from './client.js';
import {foreignAnswer} from './errors.js';
import {readResource, type Resource} from './responses.js';

/** Milliseconds for canceling a session after a failure. */
const cleanupTime = 3000;

export type Start = {
	readonly key: string;
	readonly metadata: Readonly<Record<string, string>>;
	readonly ifAbsent: boolean;
};

/** Starts a session and returns its URL, which is a secret: anyone who has it can write the object. */
export async function beginSession(
	bucket: Bucket,
	{key, metadata, ifAbsent}: Start,
	signal: AbortSignal,
): Promise<string> {
	const query = new URLSearchParams({uploadType: 'resumable', name: key});
	if (ifAbsent) query.set('ifGenerationMatch', '0');
	const call = {
		method: 'POST',
		url: `/upload${bucket.path}/o?${query.toString()}`,
		headers: {'content-type': 'application/json'},
		body: JSON.stringify({name: key, contentType: 'application/octet-stream', metadata}),
	} as const;
	return bucket.request({operation: 'upload', key}, signal, call, async answer => {
		await answer.response.arrayBuffer();
		const session = answer.headers.get('location');
		if (session === null) throw foreignAnswer(answer.headers, 'it returned no address for the upload');
		if (!bucket.isOwnUrl(session)) {
			throw new StorageError('invalid', 'the service returned an upload address outside the configured endpoint', {
				hint: 'nothing was sent there: set gcs_endpoint to the public address of the service',
			});
		}
		return session;
	});
}

/** Returns whether a session from a file is at our endpoint and names no other bucket or object. */
export function isOwnSession(bucket: Bucket, key: string, session: string): boolean {
	if (!bucket.isOwnUrl(session)) return false;
	const url = new URL(session);
	const holder = /\/b\/([^/]+)(\/|$)/.exec(url.pathname)?.[1];
	const name = url.searchParams.get('name');
	return (
		(holder === undefined || holder === encodeURIComponent(bucket.settings.bucket)) && (name === null || name === key)
	);
}

export type SessionStatus = {
	/** Bytes that the service has received. */
	readonly bytes: number;
	/** The object, once it is complete. */
	readonly done?: Resource;
};

/** Returns how much of a session the service has received; undefined when it no longer knows the session. */
export async function sessionStatus(
	bucket: Bucket,
	key: string,
	session: string,
	signal: AbortSignal,
): Promise<SessionStatus | undefined> {
	const call = {method: 'PUT', url: session, headers: {'content-range': 'bytes */*'}, also: [308, 404, 410]} as const;
	return bucket.request({operation: 'upload', key}, signal, call, answer => statusIfKnown(bucket, key, answer));
}

async function statusIfKnown(bucket: Bucket, key: string, answer: Answer): Promise<SessionStatus | undefined> {
	if (answer.status !== 404 && answer.status !== 410) return readStatus(bucket, key, answer);
	await answer.response.arrayBuffer();
	return undefined;
}

async function readStatus(bucket: Bucket, key: string, answer: Answer): Promise<SessionStatus> {
	if (answer.status !== 308) {
		const done = await readResource(answer, bucket, key);
		return {bytes: done.size, done};
	}
	await answer.response.arrayBuffer();
	if (answer.headers.has('location')) throw foreignAnswer(answer.headers, 'it redirects');
	const range = /^bytes=0-(\d+)$/.exec(answer.headers.get('range') ?? '');
	return {bytes: range ? Number(range[1]) + 1 : 0};
}

/** Bytes in which the service keeps what it receives. */
const granularity = 256 * 1024;

export type Chunk = {
	readonly key: string;
	readonly session: string;
	readonly bytes: Buffer;
	/** Offset of its first byte. */
	readonly at: number;
	readonly last: boolean;
	/** Checksum of everything up to the end of the chunk, base64. */
	readonly crc32c: string;
};

/** The service no longer knows the session: a new upload is needed. */
export class SessionLost extends StorageError {
	constructor(bucket: Bucket, key: string) {
		const {message, hint} = storageError(
			'server',
			{operation: 'upload', location: bucket.location, key},
			'the service has lost the data that was sent before',
		);
		super('server', message, {hint});
	}
}

/**
 * Sends one chunk until the service has all of it; after a failure it is asked how much it has received. Returns the
 * object's metadata after the last chunk. Throws SessionLost.
 */
export async function sendChunk(
	bucket: Bucket,
	context: OpenContext,
	{key, session, bytes, at, last, crc32c}: Chunk,
	signal: AbortSignal,
): Promise<Resource | undefined> {
	const where = {operation: 'upload', key} as const;
	const end = at + bytes.length;
	const retrier = requestRetrier(context, signal);
	const total = last ? String(end) : '*';
	let from = at;
	let most = at;
	const send = async () => {
		const range = from === end ? `bytes */${total}` : `bytes ${from}-${end - 1}/${total}`;
		const headers = {'content-range': range, ...(last ? {'x-goog-hash': `crc32c=${crc32c}`} : {})};
		const call = {
			method: 'PUT',
			url: session,
			headers,
			body: bytes.subarray(from - at),
			also: [308, 404, 410],
		} as const;
		return bucket.once(where, signal, call, answer => statusIfKnown(bucket, key, answer));
	};
	for (;;) {
		let status: SessionStatus | undefined;
		let failure: unknown;
		try {
			status = await send();
		} catch (error) {
			failure = error;
			await retrier.failed(error);
			status = await sessionStatus(bucket, key, session, signal);
		}
		if (status?.done) return status.done;
		if (status === undefined || status.bytes < at || status.bytes > end) throw new SessionLost(bucket, key);
		if (status.bytes === end && !last) return undefined;
		// An answer that goes back and forth, or on by a byte, must not make the upload endless.
		if (status.bytes - most >= granularity || (status.bytes === end && most < end)) {
			retrier.progressed();
			most = status.bytes;
		} else if (failure === undefined) {
			const reason =
				status.bytes === end
					? 'the service has received everything, but does not complete the upload'
					: `the service accepted only ${Math.max(0, status.bytes - from)} of ${end - from} bytes`;
			await retrier.failed(storageError('server', {...where, location: bucket.location}, reason));
		}
		from = status.bytes;
	}
}

/**
 * Cancels a session that will not be resumed. Errors are ignored, because the upload has failed already and the service
 * removes sessions after a week.
 */
export async function cancelSession(bucket: Bucket, key: string, session: string): Promise<void> {
	const call = {method: 'DELETE', url: session, headers: {'content-length': '0'}, also: [404, 410, 499]} as const;
	await bucket
		.once({operation: 'upload', key}, AbortSignal.timeout(cleanupTime), call, async answer =>
			answer.response.arrayBuffer(),
		)
		.catch(() => undefined);
}
