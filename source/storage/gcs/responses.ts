/** Parses responses of the JSON API. Anything else is an error: never an empty listing, never a removed object. */
import {entryDate, type RawEntry} from '../listed-entry.js';
import type {Answer, Bucket} from './client.js';
import {foreignAnswer, HttpError, isBucketMissing} from './errors.js';

/** An object as the JSON API describes it. */
export type Resource = {
	readonly name: string;
	/** Bytes. */
	readonly size: number;
	/** Milliseconds since the epoch. */
	readonly modified: number | undefined;
	/** The service's checksum of the stored bytes; base64. */
	readonly crc32c: string | undefined;
	/** The service's MD5 of the stored bytes; composed objects have none. */
	readonly md5Hash: string | undefined;
	readonly generation: string | undefined;
	readonly metadata: Readonly<Record<string, string>>;
	/** The end of its retention, as the service writes it. */
	readonly retainedUntil: string | undefined;
};

export type Page = {readonly items: readonly RawEntry[]; readonly nextPageToken: string | undefined};

/** The fields of a Resource and of the page that contains it. */
export const listedFields = 'kind,items(name,size,updated),nextPageToken';

async function readJson(answer: Answer): Promise<Record<string, unknown>> {
	const text = await answer.response.text();
	const value = parse(text);
	if (value === undefined) throw foreignAnswer(answer.headers, text.trim() === '' ? 'an empty body' : undefined);
	if ('error' in value) throw foreignAnswer(answer.headers, 'an error without its status');
	return value;
}

function parse(text: string): Record<string, unknown> | undefined {
	try {
		const value: unknown = JSON.parse(text);
		return isRecord(value) ? value : undefined;
	} catch {
		return undefined; // reported by the caller, with the content type
	}
}

function isRecord(value: unknown): value is Record<string, unknown> {
	return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Reads one object; throws when the response describes none, or another than `key`. */
export async function readResource(answer: Answer, bucket: Bucket, key: string): Promise<Resource> {
	const value = await readJson(answer);
	const resource = resourceOf(value);
	if (!resource) throw foreignAnswer(answer.headers, 'no object is described');
	const {bucket: holder = bucket.settings.bucket} = value;
	if (resource.name !== key || holder !== bucket.settings.bucket)
		throw foreignAnswer(answer.headers, 'another object is described');
	return resource;
}

export async function readPage(answer: Answer): Promise<Page> {
	const {kind, items, nextPageToken} = await readJson(answer);
	const list = items ?? (kind === 'storage#objects' ? [] : undefined);
	if (!Array.isArray(list)) throw foreignAnswer(answer.headers, 'no listing');
	const entries = list.map(item => (isRecord(item) ? entryOf(item) : undefined));
	const token = nextPageToken ?? undefined;
	if (entries.includes(undefined) || (token !== undefined && typeof token !== 'string'))
		throw foreignAnswer(answer.headers, 'no listing');
	return {items: entries.filter(one => one !== undefined), nextPageToken: token};
}

function entryOf({name, size, updated}: Record<string, unknown>): RawEntry | undefined {
	if (typeof name !== 'string' || name === '') return undefined;
	const date = updated === undefined ? undefined : typeof updated === 'string' ? updated : NaN;
	return {key: name, size: numberOf(size), ...entryDate(date)};
}

function resourceOf(value: Record<string, unknown>): Resource | undefined {
	const {name, metadata, updated} = value;
	const size = numberOf(value['size']);
	if (typeof name !== 'string' || size === undefined) return undefined;
	const modified = typeof updated === 'string' ? Date.parse(updated) : NaN;
	return {
		name,
		size,
		modified: Number.isFinite(modified) ? modified : undefined,
		crc32c: crcOf(value['crc32c']),
		md5Hash: stringOf(value['md5Hash']),
		generation: numberOf(value['generation']) === undefined ? undefined : String(value['generation']),
		metadata: isRecord(metadata)
			? Object.fromEntries(Object.entries(metadata).map(([name_, one]) => [name_, String(one)]))
			: {},
		retainedUntil: stringOf(value['retentionExpirationTime']),
	};
}

function stringOf(value: unknown): string | undefined {
	return typeof value === 'string' && value !== '' ? value : undefined;
}

/** Returns undefined for anything but four bytes in base64: a value in another notation says nothing of the bytes. */
function crcOf(value: unknown): string | undefined {
	return typeof value === 'string' && /^[\w+/-]{6}={0,2}$/.test(value)
		? Buffer.from(value, 'base64').toString('base64')
		: undefined;
}

/** Parses a count; the API writes 64-bit numbers as strings. */
function numberOf(value: unknown): number | undefined {
	const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
	return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : undefined;
}

/** Returns undefined when there is no such object; throws for a missing bucket, and for a page of another server. */
export async function readIfThere(answer: Answer, bucket: Bucket, key: string): Promise<Resource | undefined> {
	if (answer.status !== 404) return readResource(answer, bucket, key);
	await checkMissing(answer);
	return undefined;
}

/** Reads a 404 to its end; throws unless the service means the object. */
export async function checkMissing(answer: Answer): Promise<void> {
	const error = new HttpError(404, answer.headers, await answer.response.text());
	if (isBucketMissing(error) || error.foreign) throw error;
}
