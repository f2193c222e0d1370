import {createHash} from 'node:crypto';
import {crc32} from 'node:zlib';
import {
	CompleteMultipartUploadCommand,
	CreateMultipartUploadCommand,
	UploadPartCommand,
	type UploadPartCommandOutput,
} from '@aws-sdk/client-s3';
import {type Fault, StorageError, storageError} from '../errors.js';
import {type Comparison, judge, type Verdict} from '../proof.js';
import type {PutOptions, PutResult, PutSource} from '../storage.js';
import {abandon} from './abandon.js';
import type {Bucket} from './client.js';
import {type Dialect, hasMd5Tags, withDialect} from './dialect.js';
import {condition, newMark, objectParams} from './params.js';
import {type PartPlan, partSizeOf} from './parts.js';
import {checksumParams, giveBack, md5Of, type Payload, signPayload, takePayload, withBody} from './payload.js';
import {type Sent, type UploadAnswer, verifyIfMade, verifyUpload} from './prove-object.js';
import {crcText, type PartReader} from './reader.js';
import {isSamePart, type Journal, type Resumable} from './resume.js';
import {hidesMd5, looksLikeMd5, plainTag} from './tags.js';

export type PartsJob = {
	readonly bucket: Bucket;
	readonly key: string;
	readonly source: PutSource;
	readonly options: PutOptions;
	readonly reader: PartReader;
	readonly plan: PartPlan;
	/** Aborts everything of this upload. */
	readonly stop: AbortController;
	/** The first part, already read. */
	readonly first?: Payload;
	readonly resumed?: Resumable;
	/** False once the parts have been repaired: they are not repaired twice. */
	readonly mayRepair: boolean;
};

/**
 * The service holds other parts than it confirmed, because a request of an earlier, aborted attempt arrived after ours.
 * The upload still exists, and resumes from `journal`.
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
	readonly length: number;
	readonly crc32: number;
	/** Hexadecimal, if it was compared with the ETag. */
	readonly md5?: string;
	/** The service's checksum of the part was correct. */
	readonly confirmed: boolean;
	readonly doubt?: string;
};

/** Faults after which a later run can use the uploaded parts. */
const passing: readonly Fault[] = ['network', 'timeout', 'throttled', 'server', 'expired', 'skew', 'forbidden', 'full'];

export async function uploadParts(job: PartsJob): Promise<PutResult> {
	const {bucket, key, options, stop} = job;
	const mark = job.resumed ? job.resumed.mark : newMark();
	const uploadId = job.resumed?.uploadId ?? (await create(job, mark ?? ''));
	const journal: Journal = {version: 1, location: bucket.location, key, uploadId, plan: job.plan, mark};
	options.onJournal?.(journal);
	try {
		const parts = await sendParts(job, uploadId);
		const result = await complete(job, uploadId, parts, mark);
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

async function create(job: PartsJob, mark: string): Promise<string> {
	const {bucket, key, options} = job;
	const params = objectParams(bucket, options, mark);
	const output = await withDialect(bucket, ['checksums'], ({checksums}) =>
		bucket.request({operation: 'upload', key}, options.signal, (client, requestOptions) =>
			client.send(
				new CreateMultipartUploadCommand({
					Bucket: bucket.name,
					Key: key,
					...params,
					...(checksums === 'crc32' ? {ChecksumAlgorithm: 'CRC32'} : {}),
				}),
				requestOptions,
			),
		),
	);
	if (output.UploadId) return output.UploadId;
	throw storageError(
		'server',
		{operation: 'upload', location: bucket.location, key},
		'the service returned no upload id',
	);
}

/** Reads part after part and keeps a few of them in flight; resolves when all are uploaded, in order. */
async function sendParts(job: PartsJob, uploadId: string): Promise<readonly DonePart[]> {
	const {bucket, key, options, reader, plan, stop} = job;
	const {concurrency = 4, maxParts = 10_000} = bucket.settings;
	const signal = AbortSignal.any([options.signal, stop.signal]);
	const enter = bucket.memory.acquirer(concurrency);
	const done: DonePart[] = [];
	const tasks: Promise<void>[] = [];
	let confirmed = 0;
	const settle = async (number: number, payload: Payload, leave: () => void) => {
		try {
			done.push(await sendPart(job, {uploadId, number, payload, signal}));
			confirmed += payload.length;
			options.onProgress?.(confirmed);
			giveBack(bucket, payload);
		} catch (error) {
			stop.abort(error); // the first one wins
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
		leave?.(); // for a part that was never sent
	}
	return done.toSorted((a, b) => a.number - b.number);
}

type Part = {
	readonly uploadId: string;
	/** From 1 on. */
	readonly number: number;
	readonly payload: Payload;
	readonly signal: AbortSignal;
};

async function sendPart(job: PartsJob, {uploadId, number, payload, signal}: Part): Promise<DonePart> {
	const {bucket, key, source, resumed} = job;
	const facts = {number, length: payload.length, crc32: payload.crc32};
	const there = resumed?.parts.get(number);
	if (isSamePart(there, payload)) {
		const md5 = there.crc32 === undefined ? md5Of(payload) : undefined;
		return {...facts, etag: there.etag, md5, confirmed: true};
	}
	const where = {operation: 'upload', location: bucket.location, key} as const;
	let doubts = 0;
	const send = (dialect: Dialect) =>
		bucket.request({operation: 'upload', key}, signal, (client, {abortSignal}) =>
			withBody(payload, source, abortSignal, async (body, bodySignal) => {
				const command = new UploadPartCommand({
					Bucket: bucket.name,
					Key: key,
					UploadId: uploadId,
					PartNumber: number,
					Body: body,
					ContentLength: payload.length,
					...checksumParams(payload, dialect),
				});
				signPayload(command, payload, bucket);
				const output = await client.send(command, {abortSignal: bodySignal});
				const {verdict, md5} = judgePart(bucket, number, payload, output);
				if (!output.ETag) throw storageError('server', where, `the service did not confirm part ${number}`);
				// A different tag may not be an MD5: try once more, then read the whole object back.
				if (verdict.kind === 'damaged' || (verdict.kind === 'doubtful' && doubts++ === 0))
					throw storageError('corrupt', where, verdict.reason);
				const doubt = verdict.kind === 'doubtful' ? verdict.reason : undefined;
				return {...facts, etag: output.ETag, md5, confirmed: verdict.kind === 'proven', doubt};
			}),
		);
	return withDialect(bucket, ['checksums'], send);
}

/** Judges the response to a part by its CRC32, or by an ETag that is an MD5. */
function judgePart(
	bucket: Bucket,
	number: number,
	payload: Payload,
	output: UploadPartCommandOutput,
): {readonly verdict: Verdict; readonly md5?: string} {
	const {ChecksumCRC32: crc} = output;
	const {dialect} = bucket;
	const of = `part ${number}`;
	if (crc !== undefined || dialect.confirmsCrc === undefined) dialect.confirmsCrc = crc !== undefined;
	const tag = plainTag(output.ETag);
	const md5 =
		crc === undefined && looksLikeMd5(tag) && !hidesMd5(output) && hasMd5Tags(dialect) ? md5Of(payload) : undefined;
	const comparisons: Comparison[] = [];
	if (crc !== undefined)
		comparisons.push({algorithm: 'crc32', from: 'checksum', of, sent: crcText(payload.crc32), stored: crc});
	if (md5 !== undefined) comparisons.push({algorithm: 'md5', from: 'etag', of, sent: md5, stored: tag ?? ''});
	return {verdict: judge({sent: payload.length, stored: payload.length, comparisons}), md5};
}

async function complete(
	job: PartsJob,
	uploadId: string,
	parts: readonly DonePart[],
	mark: string | undefined,
): Promise<PutResult> {
	const {bucket, key, options, reader} = job;
	const where = {operation: 'upload', location: bucket.location, key} as const;
	const size = reader.position();
	const sent = {...sentParts(parts, size), mark};
	const allCrc = parts.every(part => part.confirmed && part.md5 === undefined);
	let attempts = 0;
	let conditional = false;
	const send = (dialect: Dialect) =>
		bucket.request({operation: 'upload', key}, options.signal, async (client, requestOptions) => {
			attempts++;
			conditional = (options.ifAbsent ?? false) && dialect.conditions;
			const output = await client.send(
				new CompleteMultipartUploadCommand({
					Bucket: bucket.name,
					Key: key,
					UploadId: uploadId,
					...condition(dialect, options),
					...(dialect.objectSize && dialect.checksums === 'crc32' ? {MpuObjectSize: size} : {}),
					MultipartUpload: {
						Parts: parts.map(part => ({
							PartNumber: part.number,
							ETag: part.etag,
							...(allCrc && dialect.checksums === 'crc32' ? {ChecksumCRC32: crcText(part.crc32)} : {}),
						})),
					},
				}),
				requestOptions,
			);
			// An error in the body of a 200 response that the SDK does not recognize.
			if (!output.ETag && !output.Key && !output.Location)
				throw storageError('server', where, 'the service did not confirm the end of the upload');
			return output;
		});
	const mayBeUnconditional = options.ifAbsent && !options.atomic;
	const features = ['objectSize', ...(mayBeUnconditional ? (['conditions'] as const) : [])] as const;
	let answer: UploadAnswer;
	try {
		answer = await withDialect(bucket, features, send);
	} catch (error) {
		if (attempts < 1) throw error;
		return verifyIfMade(bucket, key, sent, {
			error,
			signal: options.signal,
			ifGone: cause =>
				cause.fault === 'missing' ? storageError('server', where, 'the service has lost the upload', {cause}) : cause,
		});
	}
	return verifyUpload(bucket, key, {...sent, answer, conditional}, options.signal);
}

function sentParts(parts: readonly DonePart[], size: number): Omit<Sent, 'answer' | 'conditional'> {
	const crcs = Buffer.alloc(parts.length * 4);
	for (const [index, part] of parts.entries()) crcs.writeUInt32BE(part.crc32, index * 4);
	// Tags of parts that were confirmed by their CRC32 are used as the service returned them.
	const tags = parts.map(part => part.md5 ?? plainTag(part.etag));
	const isComposite = parts.every(part => part.confirmed) && tags.every(tag => looksLikeMd5(tag));
	const composite = createHash('md5')
		.update(Buffer.from(tags.join(''), 'hex'))
		.digest('hex');
	return {
		size,
		parts: parts.length,
		crc32: `${crcText(crc32(crcs))}-${parts.length}`,
		md5: isComposite ? `${composite}-${parts.length}` : undefined,
		pieces: parts,
		doubt: parts.find(part => part.doubt !== undefined)?.doubt,
	};
}
