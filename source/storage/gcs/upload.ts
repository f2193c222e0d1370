/** Uploads an object in a resumable session and compares what the service stored with what was sent. */
import {createHash, type Hash, randomBytes} from 'node:crypto';
import {CRC32C} from '@google-cloud/storage';
import {StorageError, storageError} from '../errors.js';
import {createSourceReader, type SourceReader} from '../source-reader.js';
import type {OpenContext, PutOptions, PutResult, PutSource} from '../storage.js';
import type {Bucket} from './client.js';
import {type Journal, readJournal} from './journal.js';
import {DamagedObjectRemains, inspectObject, proveFound, proveObject, type Sent} from './prove-object.js';
import type {Resource} from './responses.js';
import {beginSession, cancelSession, sendChunk, SessionLost, sessionStatus} from './session.js';

const defaultChunkSize = 16 * 1024 * 1024;

/** One upload of one source, from its beginning. */
type Upload = {
	readonly bucket: Bucket;
	readonly context: OpenContext;
	readonly key: string;
	readonly options: PutOptions;
	readonly filler: SourceReader;
	readonly crc: CRC32C;
	readonly hash: Hash | undefined;
};

/**
 * Uploads, resuming the session of `options.journal` if the service and the source still match it. With `ifAbsent` it
 * throws EXISTS when there is an object that this upload did not create.
 */
export async function upload(
	{bucket, context}: Pick<Upload, 'bucket' | 'context'>,
	key: string,
	source: PutSource,
	options: PutOptions,
): Promise<PutResult> {
	const {signal} = options;
	const filler = createSourceReader(source, 0, signal);
	const crc = new CRC32C();
	const hash = options.sha256 ? createHash('sha256') : undefined;
	const one: Upload = {bucket, context, key, options, filler, crc, hash};
	let journal = readJournal(bucket, key, options.journal);
	try {
		const found = options.ifAbsent && !options.atomic ? await inspectObject(bucket, key, signal) : undefined;
		if (found !== undefined && found !== 'forbidden') return await adopt(one, found, journal);
		const at = journal ? await rereadConfirmed(one, journal) : 0;
		if (at === undefined) {
			if (journal) await cancelSession(bucket, key, journal.session);
			journal = undefined;
			options.onJournal?.(undefined);
			return await upload({bucket, context}, key, source, {...options, journal: undefined});
		}
		if (at > 0) options.onProgress?.(at);
		return await sendAll(one, at, journal, next => (journal = next));
	} catch (error) {
		await afterFailure(one, journal, error);
		signal.throwIfAborted();
		throw await confirmExists(one, error);
	} finally {
		await filler.close();
	}
}

/** Sends the source from `at` on. `reportJournal` receives each new state of the session. */
async function sendAll(
	one: Upload,
	at: number,
	old: Journal | undefined,
	reportJournal: (journal: Journal) => void,
): Promise<PutResult> {
	const {bucket, context, key, options, filler, crc} = one;
	const {signal} = options;
	const chunkSize = bucket.settings.chunkSize ?? defaultChunkSize;
	const next = async () => nextChunk(filler, chunkSize);
	let chunk = await next();
	let ahead = chunk.length < chunkSize ? Buffer.alloc(0) : await next();
	const id = old?.upload ?? randomBytes(8).toString('hex');
	const start = {key, metadata: metadataOf(options, id), ifAbsent: options.ifAbsent ?? false};
	const session = old?.session ?? (await beginSession(bucket, start, signal));
	const record = () => {
		const journal: Journal = {session, upload: id, bytes: at, crc32c: crc.toString()};
		reportJournal(journal);
		options.onJournal?.(journal);
	};
	record();
	for (;;) {
		digest(one, chunk);
		const last = ahead.length === 0;
		if (last) checkDigest(one);
		const crc32c = crc.toString();
		const end = at + chunk.length;
		const sent = {key, size: end, crc32c};
		const done = await sendChunk(bucket, context, {key, session, bytes: chunk, at, last, crc32c}, signal).catch(
			async (error: unknown) => {
				if (!last || !(error instanceof SessionLost)) throw error;
				return finishedMeanwhile(one, id, error);
			},
		);
		at = end;
		if (done) {
			const proof = await proveObject(bucket, sent, done, signal);
			options.onProgress?.(at);
			options.onJournal?.(undefined);
			return resultOf(sent, proof, options);
		}
		options.onProgress?.(at);
		record();
		chunk = ahead;
		ahead = chunk.length < chunkSize ? Buffer.alloc(0) : await next();
	}
}

function resultOf({size}: Sent, proof: PutResult['proof'], {ifAbsent}: PutOptions): PutResult {
	return {size, proof, ...(ifAbsent && {created: true})};
}

/**
 * A session that the service no longer knows may have created the object after the last chunk: then it is what was
 * sent, or it is damaged.
 */
async function finishedMeanwhile({bucket, key, options}: Upload, id: string, lost: SessionLost): Promise<Resource> {
	const found = await inspectObject(bucket, key, options.signal);
	if (found === undefined || found === 'forbidden' || found.metadata['upload'] !== id) throw lost;
	return found;
}

/**
 * Handles an existing object. If an earlier attempt of this upload created it, it is compared with the source and
 * accepted, or removed as damaged. Any other object is EXISTS.
 */
async function adopt(one: Upload, found: Resource, journal: Journal | undefined): Promise<PutResult> {
	const {bucket, key, options, filler} = one;
	if (journal?.damaged !== undefined && journal.damaged === found.generation)
		throw new DamagedObjectRemains(
			bucket,
			key,
			'the damaged object of an earlier upload is still there',
			found.generation,
		);
	if (!journal || found.metadata['upload'] !== journal.upload)
		throw storageError('exists', {operation: 'upload', location: bucket.location, key}, 'already exists');
	let size = 0;
	for (
		let piece = await nextChunk(filler, 1024 * 1024);
		piece.length > 0;
		piece = await nextChunk(filler, 1024 * 1024)
	) {
		digest(one, piece);
		size += piece.length;
	}
	checkDigest(one);
	const sent = {key, size, crc32c: one.crc.toString()};
	const proof = await proveFound(bucket, sent, found);
	options.onProgress?.(size);
	options.onJournal?.(undefined);
	return resultOf(sent, proof, options);
}

/**
 * Returns the offset to resume at: the service must have what the journal says, and the source must still begin with
 * the same bytes. Bytes that the service has after the journal's are included in the checksum at the end. Returns
 * undefined to start over.
 */
async function rereadConfirmed(one: Upload, journal: Journal): Promise<number | undefined> {
	const {bucket, key, options, filler, crc} = one;
	const status = await sessionStatus(bucket, key, journal.session, options.signal);
	if (status === undefined || status.done || status.bytes < journal.bytes) return undefined;
	for (let at = 0; at < status.bytes;) {
		// First up to the journal's offset, where the checksum is known.
		const end = at < journal.bytes ? journal.bytes : status.bytes;
		const piece = await nextChunk(filler, Math.min(1024 * 1024, end - at));
		if (piece.length === 0) return undefined;
		digest(one, piece);
		at += piece.length;
		if (at === journal.bytes && crc.toString() !== journal.crc32c) return undefined;
	}
	return status.bytes;
}

/**
 * Keeps the session for a later run, or cancels it. The journal of a damaged object that remains is kept, so that it is
 * never accepted.
 */
async function afterFailure(
	{bucket, key, options}: Upload,
	journal: Journal | undefined,
	error: unknown,
): Promise<void> {
	if (!journal) return;
	if (error instanceof DamagedObjectRemains) {
		options.onJournal?.({...journal, ...(error.generation !== undefined && {damaged: error.generation})});
		return;
	}
	if (options.onJournal && (options.signal.aborted || isPassing(error))) return;
	await cancelSession(bucket, key, journal.session);
	options.onJournal?.(undefined);
}

/** Returns true for failures after which a later run can resume, however often this one has tried. */
function isPassing(error: unknown): boolean {
	const passing = ['network', 'timeout', 'server', 'throttled', 'expired', 'skew'];
	return error instanceof StorageError && passing.includes(error.fault);
}

/** Passes on a rejection because the object exists only when the object can be seen, or when nothing can be seen. */
async function confirmExists({bucket, key, options}: Upload, error: unknown): Promise<unknown> {
	if (!(error instanceof StorageError) || error.fault !== 'exists') return error;
	if ((await inspectObject(bucket, key, options.signal)) !== undefined) return error;
	const where = {operation: 'upload', location: bucket.location, key} as const;
	return storageError('server', where, 'the service reported that it exists, but it does not', {cause: error});
}

function digest({crc, hash}: Upload, bytes: Uint8Array): void {
	crc.update(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
	hash?.update(bytes);
}

/** Throws when the source does not match its recorded sha256. */
function checkDigest({bucket, key, options, hash}: Upload): void {
	const expected = options.sha256?.();
	if (expected === undefined || !hash || hash.digest('hex') === expected) return;
	throw storageError(
		'invalid',
		{operation: 'upload', location: bucket.location, key},
		'the data does not match the recorded sha256',
		{hint: 'the file changed since it was dumped: check what else writes to it'},
	);
}

/** The metadata is set when the session starts, so that no permission to change objects is needed. */
function metadataOf(options: PutOptions, id: string): Record<string, string> {
	const given = Object.entries(options.metadata?.() ?? {}).filter(([, value]) => value !== '');
	return {...Object.fromEntries(given), upload: id};
}

async function nextChunk(filler: SourceReader, size: number): Promise<Buffer> {
	const buffer = Buffer.allocUnsafeSlow(size);
	return buffer.subarray(0, await filler.fill(buffer));
}
