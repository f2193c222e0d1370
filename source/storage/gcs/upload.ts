/** Resumable uploads: one session, chunk after chunk; the object appears with the last one, when its checksum fits. */
import {createHash} from 'node:crypto';
import {CRC32C} from '@google-cloud/storage';
import {storageError, StorageError} from '../errors.js';
import {createFiller, type Filler} from '../fill.js';
import {requestRetrier} from '../retrying.js';
import type {OpenContext, PutOptions, PutResult, PutSource} from '../storage.js';
import type {Answer, Bucket} from './client.js';

/** What `onJournal` is given: the session, and the checksum of what the service had confirmed. */
type Journal = {readonly session: string; readonly bytes: number; readonly crc32c: string};

/** What the service says of an object that is complete. */
type GcsObject = {readonly size: string; readonly crc32c?: string; readonly generation: string};

/** Milliseconds that the end of a session may take after a failure. */
const cleanupTime = 3000;

export async function upload(
	bucket: Bucket,
	context: OpenContext,
	key: string,
	source: PutSource,
	options: PutOptions,
): Promise<PutResult> {
	const {signal} = options;
	const chunkSize = bucket.settings.chunkSize ?? 16 * 1024 * 1024;
	const where = {operation: 'upload', key} as const;
	const failed = (fault: 'invalid' | 'corrupt', reason: string) =>
		storageError(fault, {...where, location: bucket.location}, reason);
	const crc = new CRC32C();
	const hash = options.sha256 ? createHash('sha256') : undefined;
	const digest = (bytes: Uint8Array): void => {
		crc.update(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
		hash?.update(bytes);
	};
	const checkDigest = (): void => {
		const expected = options.sha256?.();
		if (expected !== undefined && hash && hash.digest('hex') !== expected)
			throw failed('invalid', 'the bytes are not those whose sha256 is recorded');
	};
	const old = journalOf(options.journal);
	const filler = createFiller(source, 0, signal);
	let session: string | undefined;
	try {
		let at = 0;
		if (old) {
			const there = await verified(bucket, key, old, filler, digest, crc, options);
			if (there === undefined) {
				await cancel(bucket, key, old.session);
				await filler.close();
				options.onJournal?.(undefined);
				return await upload(bucket, context, key, source, {...options, journal: undefined});
			}
			session = old.session;
			at = there;
			options.onProgress?.(at);
		}
		let chunk = await next(filler, chunkSize);
		let ahead = chunk.length < chunkSize ? Buffer.alloc(0) : await next(filler, chunkSize);
		let metadata: Readonly<Record<string, string>> | undefined;
		if (session === undefined && ahead.length === 0) {
			// All of it is here: metadata can be said at the start.
			metadata = options.metadata?.() ?? {};
		}
		session ??= await begin(bucket, key, {metadata, ifAbsent: options.ifAbsent ?? false}, signal);
		for (;;) {
			digest(chunk);
			const last = ahead.length === 0;
			if (last) checkDigest();
			const done = await sendChunk(bucket, context, {key, session, chunk, at, last, crc32c: crc.toString()}, options);
			at += chunk.length;
			if (!last && done) throw failed('corrupt', `the service took ${at} bytes for the whole`);
			options.onProgress?.(at);
			if (done) {
				await finish(
					bucket,
					key,
					{done, at, crc32c: crc.toString(), metadata: metadata === undefined ? (options.metadata?.() ?? {}) : {}},
					signal,
				);
				options.onJournal?.(undefined);
				return {size: at, checked: 'size and crc32c checked'};
			}
			options.onJournal?.({session, bytes: at, crc32c: crc.toString()} satisfies Journal);
			chunk = ahead;
			ahead = chunk.length < chunkSize ? Buffer.alloc(0) : await next(filler, chunkSize);
		}
	} catch (error) {
		const goesOn = options.onJournal && (signal.aborted || passes(error));
		if (session !== undefined && !goesOn) {
			await cancel(bucket, key, session);
			options.onJournal?.(undefined);
		}
		signal.throwIfAborted();
		throw error;
	} finally {
		await filler.close();
	}
}

/** Trouble after which a later run can go on, however often this one has tried. */
function passes(error: unknown): boolean {
	return (
		error instanceof StorageError &&
		['network', 'timeout', 'server', 'throttled', 'expired', 'skew'].includes(error.fault)
	);
}

async function next(filler: Filler, size: number): Promise<Buffer> {
	const buffer = Buffer.allocUnsafeSlow(size);
	return buffer.subarray(0, await filler.fill(buffer));
}

/** A session is a URL to which bytes are sent: only one of our own service is taken from a journal. */
function journalOf(journal: unknown): Journal | undefined {
	const {session, bytes, crc32c} = (journal ?? {}) as Partial<Record<keyof Journal, unknown>>;
	if (typeof session !== 'string' || typeof crc32c !== 'string' || typeof bytes !== 'number') return undefined;
	return /^https?:\/\//.test(session) && Number.isSafeInteger(bytes) && bytes > 0
		? {session, bytes, crc32c}
		: undefined;
}

/**
 * Where to go on: the service must have what the journal says, and the source must still begin with the same bytes. What the
 * service holds beyond the journal is part of the checksum that it compares at the end. Undefined: from the start.
 */
async function verified(
	bucket: Bucket,
	key: string,
	old: Journal,
	filler: Filler,
	digest: (bytes: Uint8Array) => void,
	crc: CRC32C,
	options: PutOptions,
): Promise<number | undefined> {
	const status = await askStatus(bucket, key, old.session, options.signal);
	if (status === undefined || status.done || status.bytes < old.bytes) return undefined;
	for (let at = 0; at < status.bytes;) {
		// Up to the journal's place first, where the checksum is known.
		const end = at < old.bytes ? old.bytes : status.bytes;
		const piece = await next(filler, Math.min(1024 * 1024, end - at));
		if (piece.length === 0) return undefined;
		digest(piece);
		at += piece.length;
		if (at === old.bytes && crc.toString() !== old.crc32c) return undefined;
	}
	return status.bytes;
}

type Status = {readonly bytes: number; readonly done?: GcsObject};

/** How much of a session has arrived; undefined when the service does not know it any more. */
async function askStatus(
	bucket: Bucket,
	key: string,
	session: string,
	signal: AbortSignal,
): Promise<Status | undefined> {
	const call = {method: 'PUT', url: session, headers: {'content-range': 'bytes */*'}, also: [308, 404, 410]} as const;
	return bucket.request({operation: 'upload', key}, signal, call, async answer => {
		if (answer.status === 404 || answer.status === 410) {
			await answer.response.arrayBuffer();
			return undefined;
		}
		return readStatus(answer);
	});
}

async function readStatus(answer: Answer): Promise<Status> {
	if (answer.status !== 308) {
		const done = await answer.json<GcsObject>();
		return {bytes: Number(done.size), done};
	}
	await answer.response.arrayBuffer();
	const range = /^bytes=0-(\d+)$/.exec(answer.headers.get('range') ?? '');
	return {bytes: range ? Number(range[1]) + 1 : 0};
}

async function begin(
	bucket: Bucket,
	key: string,
	{metadata, ifAbsent}: {readonly metadata: Readonly<Record<string, string>> | undefined; readonly ifAbsent: boolean},
	signal: AbortSignal,
): Promise<string> {
	const query = new URLSearchParams({
		uploadType: 'resumable',
		name: key,
		...(ifAbsent ? {ifGenerationMatch: '0'} : {}),
	});
	const body = JSON.stringify({
		name: key,
		contentType: 'application/octet-stream',
		metadata: withoutEmpty(metadata ?? {}),
	});
	const call = {
		method: 'POST',
		url: `/upload${bucket.path}/o?${query.toString()}`,
		headers: {'content-type': 'application/json'},
		body,
	} as const;
	return bucket.request({operation: 'upload', key}, signal, call, async answer => {
		await answer.response.arrayBuffer();
		const session = answer.headers.get('location');
		if (session === null) throw new StorageError('server', 'the service gave no address for the upload');
		return session;
	});
}

function withoutEmpty(metadata: Readonly<Record<string, string>>): Record<string, string> {
	return Object.fromEntries(Object.entries(metadata).filter(([, value]) => value !== ''));
}

type Chunk = {
	readonly key: string;
	readonly session: string;
	readonly chunk: Buffer;
	readonly at: number;
	readonly last: boolean;
	readonly crc32c: string;
};

/** Sends one chunk until the service has all of it; after a failure it is asked how much has arrived. The object, after the last. */
async function sendChunk(
	bucket: Bucket,
	context: OpenContext,
	{key, session, chunk, at, last, crc32c}: Chunk,
	options: PutOptions,
): Promise<GcsObject | undefined> {
	const where = {operation: 'upload', key} as const;
	const end = at + chunk.length;
	const retrier = requestRetrier(context, options.signal);
	let from = at;
	for (;;) {
		try {
			const total = last ? String(end) : '*';
			const range = from === end ? `bytes */${total}` : `bytes ${from}-${end - 1}/${total}`;
			const headers = {'content-range': range, ...(last ? {'x-goog-hash': `crc32c=${crc32c}`} : {})};
			const call = {method: 'PUT', url: session, headers, body: chunk.subarray(from - at), also: [308]} as const;
			const status = await bucket.once(where, options.signal, call, readStatus);
			if (status.done) return status.done;
			if (status.bytes < at || status.bytes > end) throw lost(bucket, key);
			if (status.bytes === end && !last) return undefined;
			if (status.bytes > from) retrier.progressed();
			else await retrier.failed(new StorageError('server', 'the service took nothing of a chunk'));
			from = status.bytes;
		} catch (error) {
			await retrier.failed(error);
			const status = await askStatus(bucket, key, session, options.signal);
			if (status?.done) return status.done;
			if (status === undefined || status.bytes < at || status.bytes > end) throw lost(bucket, key);
			if (status.bytes === end && !last) return undefined;
			from = status.bytes;
		}
	}
}

/** The service has forgotten what it had confirmed: only a new upload helps. */
function lost(bucket: Bucket, key: string): StorageError {
	return storageError(
		'server',
		{operation: 'upload', location: bucket.location, key},
		'the service has lost what was sent before',
	);
}

type Finished = {
	readonly done: GcsObject;
	readonly at: number;
	readonly crc32c: string;
	readonly metadata: Readonly<Record<string, string>>;
};

/** An object that is not what was sent is taken away again: by its generation, so that nobody else's is. */
async function finish(
	bucket: Bucket,
	key: string,
	{done, at, crc32c, metadata}: Finished,
	signal: AbortSignal,
): Promise<void> {
	const where = {operation: 'upload', key} as const;
	const object = `${bucket.path}/o/${encodeURIComponent(key)}?ifGenerationMatch=${done.generation}`;
	const consume = async (answer: Answer) => answer.response.arrayBuffer();
	if (Number(done.size) !== at || (done.crc32c !== undefined && done.crc32c !== crc32c)) {
		await bucket.request({operation: 'remove', key}, signal, {method: 'DELETE', url: object}, consume);
		const what =
			Number(done.size) === at
				? `the crc32c is ${done.crc32c ?? ''}, not ${crc32c}`
				: `${done.size} of ${at} bytes are there`;
		throw storageError('corrupt', {...where, location: bucket.location}, what);
	}
	const wanted = withoutEmpty(metadata);
	if (Object.keys(wanted).length === 0) return;
	const headers = {'content-type': 'application/json'};
	await bucket.request(
		where,
		signal,
		{method: 'PATCH', url: object, headers, body: JSON.stringify({metadata: wanted})},
		consume,
	);
}

/** The failure that led here is what counts; the service drops a session after a week all the same. */
async function cancel(bucket: Bucket, key: string, session: string): Promise<void> {
	const call = {method: 'DELETE', url: session, headers: {'content-length': '0'}, also: [404, 410, 499]} as const;
	await bucket
		.once({operation: 'upload', key}, AbortSignal.timeout(cleanupTime), call, async answer =>
			answer.response.arrayBuffer(),
		)
		.catch(() => undefined);
}
