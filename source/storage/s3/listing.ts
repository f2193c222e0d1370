import {
	AbortMultipartUploadCommand,
	ListMultipartUploadsCommand,
	type ListObjectsV2CommandOutput,
} from '@aws-sdk/client-s3';
import {compareUtf8} from '../../lib/compare-utf8.js';
import {createCollector} from '../../lib/memory.js';
import {StorageError, storageError} from '../errors.js';
import type {RawEntry} from '../listed-entry.js';
import {createListingProgress} from '../listing-progress.js';
import {confirmGone, UncheckedRemoval} from '../removal-check.js';
import type {ListOptions, Storage} from '../storage.js';
import type {Bucket} from './client.js';
import {withDialect} from './dialect.js';
import {createMarkerPage, createPage, createPageBuffer, type PageBuffer} from './pages.js';

/**
 * Lists page by page; a failed page is requested again by itself. Throws when a service repeats entries, or returns
 * pages without keys endlessly.
 */
export async function* listObjects(
	bucket: Bucket,
	prefix: string,
	{signal, after}: ListOptions,
): AsyncGenerator<RawEntry> {
	const progress = createListingProgress();
	const buffer = createPageBuffer();
	const collect = createCollector();
	for (let next: Next = {}; ;) {
		const {entries, page, marker} = await onePage(bucket, prefix, {after, ...next, buffer}, signal);
		let keys = 0;
		let last: string | undefined;
		let greatest: string | undefined;
		signal.throwIfAborted(); // for each entry it would take as long as decoding it
		for (const entry of entries()) {
			keys++;
			last = entry.key;
			if (greatest === undefined || compareUtf8(last, greatest) > 0) greatest = last;
			// Some services ignore the prefix or the start of a listing.
			if (entry.key.startsWith(prefix) && (after === undefined || compareUtf8(entry.key, after) > 0)) yield entry;
		}
		collect(keys);
		if (!page.IsTruncated) return;
		const {NextContinuationToken: token} = page;
		// A service that only supports version 1 of the request returns another continuation marker, or none.
		next = token ? {token} : {marker: marker ?? last};
		if (next.token === undefined && next.marker === undefined)
			throw endless(bucket, 'the service reports more results without a continuation token');
		checkProgress(bucket, () => progress(greatest === undefined ? [] : [greatest], next.token ?? next.marker));
	}
}

type Next = {readonly token?: string; readonly marker?: string};

type Position = Next & {readonly after?: string; readonly buffer: PageBuffer};

async function onePage(
	bucket: Bucket,
	prefix: string,
	{after, token, marker, buffer}: Position,
	signal: AbortSignal,
): Promise<PageRead> {
	return withDialect(bucket, ['encodedKeys'], async ({encodedKeys}) => {
		const place = {
			Bucket: bucket.name,
			Prefix: prefix,
			// XML cannot represent every key.
			...(encodedKeys ? {EncodingType: 'url' as const} : {}),
		};
		const request = <T>(send: Parameters<typeof bucket.request<T>>[2]) =>
			bucket.request({operation: 'list', key: prefix || undefined}, signal, send);
		if (marker !== undefined) {
			const {command, ...read} = createMarkerPage({...place, Marker: marker}, buffer);
			const page = await request((client, options) => client.send(command, options));
			return {page, entries: read.entries, marker: read.marker()};
		}
		const start = token === undefined ? {StartAfter: after} : {ContinuationToken: token};
		const {command, ...read} = createPage({...place, ...start}, buffer);
		const page = await request((client, options) => client.send(command, options));
		return {page, entries: read.entries, marker: read.marker()};
	});
}

type PageRead = {
	readonly entries: () => Generator<RawEntry>;
	readonly page: Pick<ListObjectsV2CommandOutput, 'IsTruncated' | 'NextContinuationToken'>;
	readonly marker: string | undefined;
};

/** Adds the operation and the location to an error about a listing that does not end. */
function checkProgress(bucket: Bucket, check: () => void): void {
	try {
		check();
	} catch (error) {
		if (!(error instanceof StorageError)) throw error;
		const where = {operation: 'list', location: bucket.location} as const;
		throw storageError(error.fault, where, error.message, {hint: error.hint, cause: error});
	}
}

function endless(bucket: Bucket, reason: string): StorageError {
	return storageError('invalid', {operation: 'list', location: bucket.location}, reason, {
		hint: 'the service does not list objects correctly: check that the endpoint is an S3 service',
	});
}

/** Returns the size of one object, from a listing. Throws if it has none there. */
export async function sizeOf(bucket: Bucket, key: string, signal: AbortSignal): Promise<number> {
	for await (const entry of listObjects(bucket, key, {signal}))
		if (entry.key === key && entry.size !== undefined) return entry.size;
	const where = {operation: 'inspect', location: bucket.location, key} as const;
	throw storageError('server', where, 'the service does not report its size');
}

/** Aborts the multipart uploads below `prefix` that were started before `olderThan`; they will not be resumed. */
export async function abortStale(
	bucket: Bucket,
	prefix: string,
	{signal, olderThan}: CleanupOptions,
): Promise<readonly string[]> {
	const stale = (await listUploads(bucket, prefix, signal)).filter(({initiated}) => initiated < olderThan);
	for (const {key, uploadId} of stale) {
		try {
			await bucket.request({operation: 'clean up', key}, signal, (client, options) =>
				client.send(new AbortMultipartUploadCommand({Bucket: bucket.name, Key: key, UploadId: uploadId}), options),
			);
		} catch (error) {
			if (!(error instanceof StorageError) || error.fault !== 'missing') throw error; // already ended by another process
		}
	}
	if (stale.length > 0) await confirmAborted(bucket, prefix, new Set(stale.map(one => one.uploadId)), signal);
	return stale.map(one => one.key);
}

/** Throws when the service still lists an upload whose end it has confirmed. */
async function confirmAborted(
	bucket: Bucket,
	prefix: string,
	aborted: ReadonlySet<string>,
	signal: AbortSignal,
): Promise<void> {
	let left: readonly UnfinishedUpload[] = [];
	const isThere = async () => {
		left = (await listUploads(bucket, prefix, signal)).filter(({uploadId}) => aborted.has(uploadId));
		return left.length > 0;
	};
	try {
		await confirmGone(isThere, {clock: bucket.clock, signal});
	} catch (error) {
		if (left.length === 0) throw error instanceof UncheckedRemoval ? error.cause : error;
		const where = {operation: 'clean up', location: bucket.location, key: left[0]?.key ?? ''} as const;
		const others = left.length > 1 ? ` (and ${left.length - 1} more)` : '';
		throw storageError(
			'server',
			where,
			`the abort of its unfinished upload was confirmed, but it still exists${others}`,
		);
	}
}

type UnfinishedUpload = {
	readonly key: string;
	readonly uploadId: string;
	/** Milliseconds since the epoch. */
	readonly initiated: number;
};

/** Lists the multipart uploads that have a date. */
async function listUploads(bucket: Bucket, prefix: string, signal: AbortSignal): Promise<UnfinishedUpload[]> {
	const uploads: UnfinishedUpload[] = [];
	const progress = createListingProgress();
	for (let marker: {KeyMarker?: string; UploadIdMarker?: string} = {}; ;) {
		const at = marker;
		const page = await bucket.request({operation: 'clean up'}, signal, (client, options) =>
			client.send(new ListMultipartUploadsCommand({Bucket: bucket.name, Prefix: prefix, ...at}), options),
		);
		for (const {Key, UploadId, Initiated} of page.Uploads ?? []) {
			if (Key !== undefined && UploadId !== undefined && Initiated)
				uploads.push({key: Key, uploadId: UploadId, initiated: Initiated.getTime()});
		}
		const {NextKeyMarker, NextUploadIdMarker} = page;
		if (!page.IsTruncated || !NextKeyMarker) return uploads;
		checkProgress(bucket, () =>
			progress(
				(page.Uploads ?? []).flatMap(({Key}) => Key ?? []),
				JSON.stringify([NextKeyMarker, NextUploadIdMarker]),
			),
		);
		marker = {KeyMarker: NextKeyMarker, UploadIdMarker: NextUploadIdMarker};
	}
}

type CleanupOptions = Parameters<NonNullable<Storage['cleanup']>>[1];
