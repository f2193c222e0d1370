import {PutObjectCommand} from '@aws-sdk/client-s3';
import {StorageError, storageError} from '../errors.js';
import type {PutOptions, PutResult, PutSource} from '../storage.js';
import type {Bucket} from './client.js';
import {type Dialect, withDialect} from './dialect.js';
import {headObject} from './head.js';
import {PartsChanged, uploadParts} from './multipart.js';
import {condition, newMark, objectParams} from './params.js';
import {partSizeOf, planParts} from './parts.js';
import {checksumParams, giveBack, md5Of, type Payload, signPayload, takePayload, withBody} from './payload.js';
import {type UploadAnswer, verifyIfMade, verifyUpload} from './prove-object.js';
import {crcText, createPartReader} from './reader.js';
import {findResumable, type Resumable} from './resume.js';

const longestKey = 1024;

/** Sends a source that fits into one part in one request, any other in parts. */
export async function upload(bucket: Bucket, key: string, source: PutSource, options: PutOptions): Promise<PutResult> {
	const {signal} = options;
	signal.throwIfAborted();
	const where = {operation: 'upload', location: bucket.location, key} as const;
	if (key === '') throw storageError('invalid', where, 'the key is empty');
	if (Buffer.byteLength(key) > longestKey)
		throw storageError('invalid', where, `the key is longer than ${longestKey} bytes`);
	if (options.ifAbsent && !options.atomic) await refuseExisting(bucket, key, signal);
	const one = {bucket, key, source, options};
	const resumed = await findResumable(bucket, key, options.journal, signal);
	try {
		return await uploadOnce(one, resumed, source.canRestart === undefined);
	} catch (error) {
		if (!(error instanceof PartsChanged)) throw error;
		bucket.log('info', `the stored parts of ${key} differ from those sent last: checking each of them`);
		const standing = await findResumable(bucket, key, error.journal, signal);
		return uploadOnce(one, standing, false);
	}
}

type Upload = {
	readonly bucket: Bucket;
	readonly key: string;
	readonly source: PutSource;
	readonly options: PutOptions;
};

async function uploadOnce(one: Upload, resumed: Resumable | undefined, mayRepair: boolean): Promise<PutResult> {
	const {bucket, source, options} = one;
	const {partSize, maxParts} = bucket.settings;
	const {expectedSize} = options;
	const inMemory = source.canRestart !== undefined;
	const plan = resumed?.plan ?? planParts({size: source.size, expectedSize, partSize, maxParts, inMemory});
	const stop = new AbortController();
	const reader = createPartReader(source, AbortSignal.any([options.signal, stop.signal]));
	const job = {...one, reader, plan, stop, mayRepair};
	try {
		if (resumed) return await uploadParts({...job, resumed});
		const wanted = Math.min(partSizeOf(plan, 1, 0), source.size ?? Infinity);
		const first = await takePayload(reader, wanted, bucket);
		if (first.length === wanted && !(await reader.ended())) return await uploadParts({...job, first});
		const result = await putWhole(one, first);
		giveBack(bucket, first);
		return result;
	} finally {
		await reader.close();
	}
}

async function putWhole({bucket, key, source, options}: Upload, payload: Payload): Promise<PutResult> {
	const {signal} = options;
	const mark = newMark();
	const settings = objectParams(bucket, options, mark);
	let attempts = 0;
	let conditional = false;
	const send = (dialect: Dialect) =>
		bucket.request({operation: 'upload', key}, signal, (client, {abortSignal}) =>
			withBody(payload, source, abortSignal, (body, bodySignal) => {
				attempts++;
				conditional = (options.ifAbsent ?? false) && dialect.conditions;
				const command = new PutObjectCommand({
					Bucket: bucket.name,
					Key: key,
					Body: body,
					ContentLength: payload.length,
					...settings,
					...checksumParams(payload, dialect),
					...condition(dialect, options),
				});
				signPayload(command, payload, bucket);
				return client.send(command, {abortSignal: bodySignal});
			}),
		);
	const sent = {
		size: payload.length,
		crc32: crcText(payload.crc32),
		md5: md5Of(payload),
		pieces: [payload],
		mark,
	};
	const mayBeUnconditional = options.ifAbsent && !options.atomic;
	const features = mayBeUnconditional ? (['checksums', 'conditions'] as const) : (['checksums'] as const);
	const verified = async (): Promise<PutResult> => {
		let answer: UploadAnswer;
		try {
			answer = await withDialect(bucket, features, send);
		} catch (error) {
			if (attempts < 1) throw error;
			return verifyIfMade(bucket, key, sent, {error, signal});
		}
		return verifyUpload(bucket, key, {...sent, answer, conditional}, signal);
	};
	const result = await verified();
	options.onProgress?.(payload.length);
	return result;
}

/**
 * Checks before gigabytes are sent, and for services that do not support the condition; without read permission the
 * service decides.
 */
async function refuseExisting(bucket: Bucket, key: string, signal: AbortSignal): Promise<void> {
	try {
		if ((await headObject(bucket, key, signal)) === undefined) return;
	} catch (error) {
		if (error instanceof StorageError && error.fault === 'forbidden') return;
		throw error;
	}
	throw storageError('exists', {operation: 'upload', location: bucket.location, key}, 'already exists');
}
