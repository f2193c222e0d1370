import {CompleteMultipartUploadCommand, CreateMultipartUploadCommand, UploadPartCommand} from '@aws-sdk/client-s3';
import {createHash} from 'node:crypto';
import {crc32} from 'node:zlib';
import {storageError, StorageError, type Fault} from '../errors.js';
import type {PutOptions, PutResult, PutSource} from '../storage.js';
import {abandon} from './abandon.js';
import type {Bucket} from './client.js';
import {partSizeOf, type PartPlan} from './parts.js';
import {checksumParams, giveBack, md5Of, signPayload, takePayload, withBody, type Payload} from './payload.js';
import {crcText, type PartReader} from './reader.js';
import {isSamePart, type Journal, type Resumable} from './resume.js';
import {condition, objectParams, tolerant} from './params.js';
import {headObject, isOurs, plainTag, verifyUpload, type Expected} from './verify.js';

export type PartsJob = {
	readonly bucket: Bucket;
	readonly key: string;
	readonly source: PutSource;
	readonly options: PutOptions;
	readonly reader: PartReader;
	readonly plan: PartPlan;
	/** Ends everything of this upload. */
	readonly stop: AbortController;
	/** The first part, read already. */
	readonly first?: Payload;
	readonly resumed?: Resumable;
	/** False once the parts have been put right: they are not what they should be again. */
	readonly mayRepair: boolean;
};

/**
 * The service holds other parts than it confirmed: a request of an earlier, aborted attempt arrived after ours. The upload still
 * stands, and goes on from `journal`.
 */
export class PartsChanged extends Error {
	readonly journal: Journal;

	constructor(journal: Journal, cause: unknown) {
		super('the parts have changed', {cause});
		this.journal = journal;
	}
}

type DonePart = {
	readonly number: number;
	readonly etag: string;
	readonly crc32: number;
	readonly md5?: string;
	readonly confirmed: boolean;
};

/** Faults after which the parts that are there are of use to a later run. */
const passing: readonly Fault[] = ['network', 'timeout', 'throttled', 'server', 'expired', 'skew', 'forbidden', 'full'];

export async function uploadParts(job: PartsJob): Promise<PutResult> {
	const {bucket, key, options, stop} = job;
	const uploadId = job.resumed?.uploadId ?? (await create(job));
	const journal: Journal = {version: 1, location: bucket.location, key, uploadId, plan: job.plan};
	options.onJournal?.(journal);
	try {
		const parts = await sendParts(job, uploadId);
		const result = await complete(job, uploadId, parts);
		options.onJournal?.(undefined);
		return result;
	} catch (error) {
		stop.abort(error);
		const changed = error instanceof StorageError && (error.cause as Error | undefined)?.name === 'InvalidPart';
		if (changed && job.mayRepair) throw new PartsChanged(journal, error);
		const keep = options.signal.aborted || (error instanceof StorageError && passing.includes(error.fault));
		if (!options.onJournal || !keep) {
			await abandon(bucket, key, uploadId);
			options.onJournal?.(undefined);
		}
		throw error;
	}
}

async function create(job: PartsJob): Promise<string> {
	const {bucket, key, options} = job;
	const params = objectParams(bucket, options);
	const output = await tolerant(bucket, () =>
		bucket.request({operation: 'upload', key}, options.signal, (client, requestOptions) =>
			client.send(
				new CreateMultipartUploadCommand({
					Bucket: bucket.name,
					Key: key,
					...params,
					...(bucket.service.checksums === 'crc32' ? {ChecksumAlgorithm: 'CRC32'} : {}),
				}),
				requestOptions,
			),
		),
	);
	if (output.UploadId) return output.UploadId;
	throw storageError('server', {operation: 'upload', location: bucket.location, key}, 'the service gave no upload id');
}

/** Reads part after part and has a few of them on their way; resolves when all are there, in order. */
async function sendParts(job: PartsJob, uploadId: string): Promise<readonly DonePart[]> {
	const {bucket, key, options, reader, plan, stop} = job;
	const {concurrency = 4, maxParts = 10_000} = bucket.settings;
	const signal = AbortSignal.any([options.signal, stop.signal]);
	const enter = bucket.memory.door(concurrency);
	const done: DonePart[] = [];
	const tasks: Promise<void>[] = [];
	let confirmed = 0;
	const settle = async (number: number, payload: Payload, leave: () => void) => {
		try {
			done.push(await sendPart(job, uploadId, number, payload, signal));
			confirmed += payload.length;
			options.onProgress?.(confirmed);
			giveBack(bucket, payload);
		} catch (error) {
			stop.abort(error); // the first one counts
		} finally {
			leave();
		}
	};
	let leave: (() => void) | undefined;
	try {
		for (let number = 1, ended = false; !ended; number++) {
			leave = await enter(signal);
			const size = partSizeOf(plan, number, reader.position());
			const payload = number === 1 && job.first ? job.first : await takePayload(reader, size, bucket);
			ended = payload.length < size || (await reader.ended());
			if (payload.length === 0 && number > 1) break;
			if (number > maxParts) {
				throw storageError(
					'invalid',
					{operation: 'upload', location: bucket.location, key},
					`it needs more than ${maxParts} parts`,
				);
			}
			tasks.push(settle(number, payload, leave));
		}
		await Promise.all(tasks);
		signal.throwIfAborted();
	} catch (error) {
		stop.abort(error);
		await Promise.all(tasks);
		throw options.signal.aborted ? options.signal.reason : stop.signal.reason;
	} finally {
		leave?.(); // of a part that was never sent
	}
	return done.toSorted((a, b) => a.number - b.number);
}

async function sendPart(
	job: PartsJob,
	uploadId: string,
	number: number,
	payload: Payload,
	signal: AbortSignal,
): Promise<DonePart> {
	const {bucket, key, source, resumed} = job;
	const there = resumed?.parts.get(number);
	const md5 = bucket.service.checksums === 'md5' ? md5Of(payload) : undefined;
	if (isSamePart(there, payload))
		return {number, etag: there.etag, crc32: payload.crc32, md5, confirmed: there.crc32 !== undefined};
	const where = {operation: 'upload', location: bucket.location, key} as const;
	const send = () =>
		bucket.request({operation: 'upload', key}, signal, (client, {abortSignal}) =>
			withBody(payload, source, abortSignal, async (body, bodySignal) => {
				const command = new UploadPartCommand({
					Bucket: bucket.name,
					Key: key,
					UploadId: uploadId,
					PartNumber: number,
					Body: body,
					ContentLength: payload.length,
					...checksumParams(payload, bucket),
				});
				signPayload(command, payload, bucket);
				const output = await client.send(command, {abortSignal: bodySignal});
				const reported = output.ChecksumCRC32;
				if (reported !== undefined && reported !== crcText(payload.crc32)) {
					throw storageError(
						'corrupt',
						where,
						`the service took part ${number} with the crc32 ${reported}, not ${crcText(payload.crc32)}`,
					);
				}
				return output;
			}),
		);
	const {ETag, ChecksumCRC32} = await tolerant(bucket, send);
	if (!ETag) throw storageError('server', where, `the service did not confirm part ${number}`);
	return {number, etag: ETag, crc32: payload.crc32, md5, confirmed: ChecksumCRC32 !== undefined};
}

async function complete(job: PartsJob, uploadId: string, parts: readonly DonePart[]): Promise<PutResult> {
	const {bucket, key, options, reader} = job;
	const size = reader.position();
	const expected = expectedOf(parts, size);
	let attempts = 0;
	const send = () =>
		bucket.request({operation: 'upload', key}, options.signal, async (client, requestOptions) => {
			attempts++;
			const output = await client.send(
				new CompleteMultipartUploadCommand({
					Bucket: bucket.name,
					Key: key,
					UploadId: uploadId,
					...condition(bucket, options),
					...(bucket.service.checksums === 'crc32' ? {MpuObjectSize: size} : {}),
					MultipartUpload: {
						Parts: parts.map(part => ({
							PartNumber: part.number,
							ETag: part.etag,
							...(parts.every(one => one.confirmed) ? {ChecksumCRC32: crcText(part.crc32)} : {}),
						})),
					},
				}),
				requestOptions,
			);
			// An error in the body of a 200 that says nothing that the SDK knows as an error.
			if (!output.ETag && !output.Key && !output.Location) {
				throw storageError(
					'server',
					{operation: 'upload', location: bucket.location, key},
					'the service did not confirm the end of the upload',
				);
			}
			return output;
		});
	try {
		const output = await tolerant(bucket, send);
		return await verifyUpload(bucket, key, {...expected, etag: plainTag(output.ETag)}, options.signal);
	} catch (error) {
		const maybeDone =
			error instanceof StorageError && (error.fault === 'missing' || error.fault === 'exists') && attempts > 1;
		const head = maybeDone ? await headObject(bucket, key, options.signal) : undefined;
		if (!head || !isOurs(head, expected)) throw error;
		return {size, checked: 'size and checksum checked'};
	}
}

function expectedOf(parts: readonly DonePart[], size: number): Expected {
	const crcs = Buffer.alloc(parts.length * 4);
	for (const [index, part] of parts.entries()) crcs.writeUInt32BE(part.crc32, index * 4);
	const md5s = parts.every(part => part.md5 !== undefined)
		? Buffer.from(parts.map(part => part.md5).join(''), 'hex')
		: undefined;
	return {
		size,
		crc32: `${crcText(crc32(crcs))}-${parts.length}`,
		md5: md5s && `${createHash('md5').update(md5s).digest('hex')}-${parts.length}`,
		confirmed: parts.every(part => part.confirmed),
	};
}
