import {CRC32C} from '@google-cloud/storage';
import {isPermanentError, storageError, StorageError, type Operation} from '../errors.js';
import {untilAborted} from '../fill.js';
import {keyGuard} from '../keys.js';
import type {OpenContext, RemoveResult, Storage, StorageObject} from '../storage.js';
import {openBucket, type Answer, type Bucket, type GcsSettings} from './client.js';
import {HttpError, isBucketMissing} from './errors.js';
import {upload} from './upload.js';

export type {GcsSettings} from './client.js';

/** An object as the JSON API tells it. */
type Resource = {
	readonly name: string;
	readonly size: string;
	readonly updated?: string;
	readonly crc32c?: string;
	readonly generation?: string;
	readonly metadata?: Readonly<Record<string, string>>;
};

/**
 * A bucket of Google Cloud Storage. Throws PgBackError CONFIG for settings that cannot work. Sessions of uploads that nobody
 * finishes are never visible, and the service drops them after a week: there is no cleanup.
 */
export async function openGcs(settings: GcsSettings, context: OpenContext): Promise<Storage> {
	const bucket = await openBucket(settings, context);
	const {location} = bucket;
	const check = keyGuard(location, keyProblem);
	return {
		kind: 'gcs',
		location,
		watchesIdle: true,
		list: (prefix, {signal, after}) => list(bucket, prefix, signal, after),
		async put(key, source, options) {
			options.signal.throwIfAborted();
			check(key, 'upload');
			if (options.ifAbsent && (await inspect(bucket, key, options.signal, 'upload'))) {
				throw storageError('exists', {operation: 'upload', location, key}, 'it exists already');
			}
			return upload(bucket, context, key, source, options);
		},
		get: (key, {signal, offset = 0}) => download(bucket, key, offset, signal),
		async stat(key, {signal}) {
			const found = await inspect(bucket, key, signal, 'inspect');
			return (
				found && {
					...toObject(found),
					metadata: found.metadata ?? {},
					...(found.crc32c === undefined ? {} : {checksums: {crc32c: found.crc32c}}),
				}
			);
		},
		async remove(keys, {signal}) {
			const results: RemoveResult[] = [];
			for (let at = 0; at < keys.length; at += 32) {
				results.push(...(await Promise.all(keys.slice(at, at + 32).map(key => removeOne(bucket, key, signal)))));
			}
			signal.throwIfAborted();
			return results;
		},
		isPermanent: isPermanentError,
		close: () => Promise.resolve(),
	};
}

/** What the service refuses (Object names). */
function keyProblem(key: string): string | undefined {
	if (key === '') return 'the key is empty';
	if (!key.isWellFormed()) return 'the key is not valid Unicode';
	if (Buffer.byteLength(key) > 1024) return 'the key is longer than 1024 bytes';
	if (/[\r\n]/.test(key)) return 'Google Cloud Storage holds no names with line ends';
	return key === '.' || key === '..' ? `the key is "${key}"` : undefined;
}

function objectUrl({path}: Bucket, key: string, query = ''): string {
	return `${path}/o/${encodeURIComponent(key)}${query}`;
}

function toObject({name, size, updated}: Resource): StorageObject {
	return {key: name, size: Number(size), ...(updated === undefined ? {} : {modified: Date.parse(updated)})};
}

/** Undefined when there is no such object; a missing bucket is an error. */
async function inspect(
	bucket: Bucket,
	key: string,
	signal: AbortSignal,
	operation: Operation,
): Promise<Resource | undefined> {
	return bucket.once({operation, key}, signal, {url: objectUrl(bucket, key), also: [404]}, async answer => {
		if (answer.status !== 404) return answer.json<Resource>();
		const error = new HttpError(404, answer.headers, await answer.response.text());
		if (isBucketMissing(error)) throw error;
		return undefined;
	});
}

async function* list(
	bucket: Bucket,
	prefix: string,
	signal: AbortSignal,
	after: string | undefined,
): AsyncGenerator<StorageObject> {
	let token: string | undefined;
	do {
		const query = new URLSearchParams({prefix, maxResults: '1000', fields: 'items(name,size,updated),nextPageToken'});
		if (after !== undefined) query.set('startOffset', after);
		if (token !== undefined) query.set('pageToken', token);
		const page = await bucket.once(
			{operation: 'list', key: prefix || undefined},
			signal,
			{url: `${bucket.path}/o?${query.toString()}`},
			answer => answer.json<{items?: readonly Resource[]; nextPageToken?: string}>(),
		);
		for (const item of page.items ?? []) {
			signal.throwIfAborted();
			if (item.name !== after) yield toObject(item);
		}
		token = page.nextPageToken;
	} while (token);
}

async function* download(bucket: Bucket, key: string, offset: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
	const where = {operation: 'download', key} as const;
	const failed = (fault: 'missing' | 'network' | 'corrupt', reason: string) =>
		storageError(fault, {...where, location: bucket.location}, reason);
	const found = await inspect(bucket, key, signal, 'download');
	if (!found) throw failed('missing', 'no such object');
	const size = Number(found.size);
	if (offset >= size) return;
	// One version from the first byte to the last, whoever replaces the object meanwhile.
	const url = objectUrl(
		bucket,
		key,
		`?alt=media${found.generation === undefined ? '' : `&generation=${found.generation}`}`,
	);
	const headers: Record<string, string> = offset > 0 ? {range: `bytes=${offset}-`} : {};
	const stop = new AbortController();
	const crc = new CRC32C();
	let at = offset;
	try {
		const {response} = await bucket.watched(where, signal, abortSignal =>
			bucket.send({url, headers}, AbortSignal.any([abortSignal, stop.signal])),
		);
		const reader = (response.body as ReadableStream<Uint8Array>).getReader();
		for (;;) {
			// Each read has its own time: what our consumer takes does not count.
			const {value, done} = await bucket.watched(where, signal, abortSignal =>
				untilAborted(reader.read(), abortSignal),
			);
			if (done) break;
			at += value.length;
			if (offset === 0) crc.update(Buffer.from(value.buffer, value.byteOffset, value.byteLength));
			if (at > size) throw failed('corrupt', `more than ${size} bytes came`);
			yield value;
		}
	} finally {
		stop.abort();
	}
	if (at !== size) throw failed('network', `the download ended after ${at} of ${size} bytes`);
	if (offset === 0 && found.crc32c !== undefined && crc.toString() !== found.crc32c) {
		throw failed('corrupt', `the crc32c of what came is ${crc.toString()}, not ${found.crc32c}`);
	}
}

async function removeOne(bucket: Bucket, key: string, signal: AbortSignal): Promise<RemoveResult> {
	const consume = async (answer: Answer) => {
		if (answer.status === 404) {
			const error = new HttpError(404, answer.headers, await answer.response.text());
			if (isBucketMissing(error)) throw error;
		} else await answer.response.arrayBuffer();
	};
	try {
		await bucket.once(
			{operation: 'remove', key},
			signal,
			{method: 'DELETE', url: objectUrl(bucket, key), also: [404]},
			consume,
		);
		return {key};
	} catch (error) {
		if (signal.aborted || !(error instanceof StorageError) || !isPermanentError(error)) throw error;
		return {key, error};
	}
}
