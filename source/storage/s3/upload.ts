import {PutObjectCommand} from '@aws-sdk/client-s3';
import {storageError, StorageError} from '../errors.js';
import type {PutOptions, PutResult, PutSource} from '../storage.js';
import type {Bucket} from './client.js';
import {PartsChanged, uploadParts} from './multipart.js';
import {condition, objectParams, tolerant} from './params.js';
import {planParts, partSizeOf} from './parts.js';
import {checksumParams, giveBack, md5Of, signPayload, takePayload, withBody, type Payload} from './payload.js';
import {createPartReader, crcText} from './reader.js';
import {findResumable, type Resumable} from './resume.js';
import {headObject, isOurs, plainTag, verifyUpload} from './verify.js';

const longestKey = 1024;

/** What fits into one part goes out in one request, anything else in parts. */
export async function upload(bucket: Bucket, key: string, source: PutSource, options: PutOptions): Promise<PutResult> {
	const {signal} = options;
	signal.throwIfAborted();
	const where = {operation: 'upload', location: bucket.location, key} as const;
	if (key === '') throw storageError('invalid', where, 'the key is empty');
	if (Buffer.byteLength(key) > longestKey)
		throw storageError('invalid', where, `the key is longer than ${longestKey} bytes`);
	if (options.ifAbsent) await refuseExisting(bucket, key, signal);
	const resumed = await findResumable(bucket, key, options.journal, signal);
	try {
		return await uploadOnce(bucket, key, source, options, resumed, true);
	} catch (error) {
		if (!(error instanceof PartsChanged)) throw error;
		bucket.log('info', `the parts of ${key} are not those that were sent last: looking at each of them`);
		const standing = await findResumable(bucket, key, error.journal, signal);
		return uploadOnce(bucket, key, source, options, standing, false);
	}
}

async function uploadOnce(
	bucket: Bucket,
	key: string,
	source: PutSource,
	options: PutOptions,
	resumed: Resumable | undefined,
	mayRepair: boolean,
): Promise<PutResult> {
	const {partSize, maxParts} = bucket.settings;
	const plan = resumed?.plan ?? planParts({size: source.size, expectedSize: options.expectedSize, partSize, maxParts});
	const stop = new AbortController();
	const reader = createPartReader(source, AbortSignal.any([options.signal, stop.signal]));
	const job = {bucket, key, source, options, reader, plan, stop, mayRepair};
	try {
		if (resumed) return await uploadParts({...job, resumed});
		const wanted = Math.min(partSizeOf(plan, 1, 0), source.size ?? Infinity);
		const first = await takePayload(reader, wanted, bucket);
		if (first.length === wanted && !(await reader.ended())) return await uploadParts({...job, first});
		const result = await putWhole(bucket, key, source, first, options);
		giveBack(bucket, first);
		return result;
	} finally {
		await reader.close();
	}
}

async function putWhole(
	bucket: Bucket,
	key: string,
	source: PutSource,
	payload: Payload,
	options: PutOptions,
): Promise<PutResult> {
	const {signal} = options;
	const settings = objectParams(bucket, options);
	let attempts = 0;
	const send = () =>
		bucket.request({operation: 'upload', key}, signal, (client, {abortSignal}) =>
			withBody(payload, source, abortSignal, (body, bodySignal) => {
				attempts++;
				const command = new PutObjectCommand({
					Bucket: bucket.name,
					Key: key,
					Body: body,
					ContentLength: payload.length,
					...settings,
					...checksumParams(payload, bucket),
					...condition(bucket, options),
				});
				signPayload(command, payload, bucket);
				return client.send(command, {abortSignal: bodySignal});
			}),
		);
	const expected = {size: payload.length, crc32: crcText(payload.crc32), confirmed: false};
	try {
		const output = await tolerant(bucket, send);
		const md5 = output.ServerSideEncryption?.startsWith('aws:') ? undefined : md5Of(payload);
		const confirmed = output.ChecksumCRC32 === expected.crc32;
		const result = await verifyUpload(bucket, key, {...expected, confirmed, md5, etag: plainTag(output.ETag)}, signal);
		options.onProgress?.(payload.length);
		return result;
	} catch (error) {
		const maybeOurs = error instanceof StorageError && error.fault === 'exists' && attempts > 1;
		const head = maybeOurs ? await headObject(bucket, key, signal) : undefined;
		if (!head || !isOurs(head, {...expected, md5: md5Of(payload)})) throw error;
		options.onProgress?.(payload.length);
		return {size: payload.length, checked: 'size and checksum checked'};
	}
}

/** Told before gigabytes are on their way, and to services that do not know the condition; without the right to look it is left to them. */
async function refuseExisting(bucket: Bucket, key: string, signal: AbortSignal): Promise<void> {
	try {
		if ((await headObject(bucket, key, signal)) === undefined) return;
	} catch (error) {
		if (error instanceof StorageError && error.fault === 'forbidden') return;
		throw error;
	}
	throw storageError('exists', {operation: 'upload', location: bucket.location, key}, 'it exists already');
}
