/** Compares what the service holds after an upload with what was sent. */
import {DeleteObjectCommand, type HeadObjectCommandOutput} from '@aws-sdk/client-s3';
import {type Fault, notKeptHint, StorageError, storageError} from '../errors.js';
import {type Comparison, judge, type Verdict} from '../proof.js';
import {confirmGone, remainsText} from '../removal-check.js';
import type {PutResult} from '../storage.js';
import type {Bucket} from './client.js';
import {hasMd5Tags} from './dialect.js';
import {headObject} from './head.js';
import {hasMark, hasOtherMark} from './params.js';
import {holdsPieces, type Piece} from './read-back.js';
import {hidesMd5, looksLikeMd5, plainTag} from './tags.js';

/** The response to the request that created the object. */
export type UploadAnswer = {
	readonly ETag?: string;
	readonly ChecksumCRC32?: string;
	readonly VersionId?: string;
	readonly ServerSideEncryption?: string;
	readonly SSECustomerAlgorithm?: string;
};

/** What was sent, as the service should report it. */
export type Sent = {
	/** Bytes. */
	readonly size: number;
	/** `base64`, or `base64-N` over the checksums of N parts. */
	readonly crc32: string;
	/** Hexadecimal, or `hexadecimal-N` over the MD5s of N parts: the ETag at most services. */
	readonly md5?: string;
	/** Number of parts; undefined for an object that was sent in one request. */
	readonly parts?: number;
	/** For reading the object back. */
	readonly pieces: readonly Piece[];
	/** Why the parts themselves are in doubt. */
	readonly doubt?: string;
	/** Undefined if the response was lost. */
	readonly answer?: UploadAnswer;
	/** The write was conditional, so the object is certainly ours. */
	readonly conditional: boolean;
	/** Identifies this upload in the metadata of its object. */
	readonly mark?: string;
};

/**
 * Compares what the service reports after the upload with what was sent, and reads the object back if the responses are
 * inconclusive. A damaged object is removed if it is certainly ours, and an error is thrown. Without read permission,
 * the response to the upload must prove it.
 */
export async function verifyUpload(bucket: Bucket, key: string, sent: Sent, signal: AbortSignal): Promise<PutResult> {
	const where = {operation: 'upload', location: bucket.location, key} as const;
	let head: HeadObjectCommandOutput | undefined;
	let refusal: StorageError | undefined;
	try {
		head = await headObject(bucket, key, signal);
	} catch (error) {
		if (!(error instanceof StorageError) || error.fault !== 'forbidden') throw error;
		refusal = error;
	}
	if (!head && !refusal)
		throw storageError('corrupt', where, 'it does not exist after the upload', {hint: notKeptHint});
	// Some services accept the condition and ignore it: an object of another upload is never removed.
	if (head && hasOtherMark(head, sent.mark)) throw storageError('exists', where, 'it was replaced by another upload');
	const created = sent.conditional || (head !== undefined && hasMark(head, sent.mark));
	const verdict = await settle(bucket, key, sent, {head, refusal, signal});
	if (verdict.kind === 'proven' || verdict.kind === 'unproven') return {size: sent.size, proof: verdict.proof, created};
	const removal = created
		? await removeAgain(bucket, key, sent.answer?.VersionId)
		: 'the damaged object is still there';
	throw storageError('corrupt', where, `${verdict.reason}, ${removal ?? 'the damaged object was removed'}`, {
		exhausted: removal !== undefined,
	});
}

/** Milliseconds for inspecting the object after a failed upload. */
const INSPECT_TIMEOUT_MS = 30_000;

/** Faults that may only mean that the response to an earlier attempt was lost. */
const maybeMade: readonly Fault[] = ['exists', 'missing', 'network', 'timeout', 'server', 'throttled'];

type Failed = {
	readonly error: unknown;
	readonly signal: AbortSignal;
	/** Returns the error to throw when there is no object. */
	readonly ifGone?: (error: StorageError) => StorageError;
};

/**
 * Checks after an error whether an attempt with a lost response created the object nevertheless. Verifies the object if
 * it has our mark; otherwise throws `error`, or the result of `ifGone` when there is no object.
 */
export async function verifyIfMade(
	bucket: Bucket,
	key: string,
	sent: Omit<Sent, 'answer' | 'conditional'>,
	{error, signal, ifGone}: Failed,
): Promise<PutResult> {
	if (signal.aborted || !(error instanceof StorageError) || !maybeMade.includes(error.fault)) throw error;
	let head: HeadObjectCommandOutput | undefined;
	try {
		head = await headObject(bucket, key, AbortSignal.any([signal, AbortSignal.timeout(INSPECT_TIMEOUT_MS)]));
	} catch {
		throw error; // the original failure is the one to report
	}
	if (!head) throw ifGone?.(error) ?? error;
	if (!hasMark(head, sent.mark)) {
		// A service may drop metadata: its checksums may still prove the object, otherwise it may belong to anybody.
		const comparisons = comparisonsOf(bucket, {...sent, conditional: false}, head);
		const verdict = judge({sent: sent.size, stored: head.ContentLength, comparisons});
		if (verdict.kind === 'proven') return {size: sent.size, proof: verdict.proof};
		if (error.fault === 'exists') throw error;
		const {fault, message, hint, exhausted} = error;
		const isTaken = fault === 'missing';
		throw new StorageError(isTaken ? 'exists' : fault, `${message}; an object already exists`, {
			...(isTaken ? {} : {hint, exhausted}),
			cause: error,
		});
	}
	return verifyUpload(bucket, key, {...sent, conditional: false}, signal);
}

type Seen = {
	readonly head: HeadObjectCommandOutput | undefined;
	readonly refusal: StorageError | undefined;
	readonly signal: AbortSignal;
};

/** Returns the verdict on the responses; if they are inconclusive, on the object itself. */
async function settle(bucket: Bucket, key: string, sent: Sent, {head, refusal, signal}: Seen): Promise<Verdict> {
	const comparisons = comparisonsOf(bucket, sent, head);
	const first = judge({sent: sent.size, stored: head?.ContentLength, comparisons});
	const reason = first.kind === 'doubtful' ? first.reason : (otherObject(sent, head) ?? sent.doubt);
	if (first.kind !== 'damaged' && comparisons.some(one => isTag(one) && one.sent === one.stored))
		bucket.dialect.tagsMatched = true;
	if (first.kind === 'damaged' || reason === undefined) return first;
	bucket.log('info', `reading ${key} back from ${bucket.location} to verify it: ${reason}`);
	try {
		if (!(await holdsPieces(bucket, key, sent.pieces, signal)))
			return {kind: 'damaged', reason: `${reason}, and the data read back differs from what was sent`};
	} catch (error) {
		if (!(error instanceof StorageError) || error.fault !== 'forbidden') throw error;
		// Without read permission, a checksum of the service is sufficient; doubts about the tag alone remain.
		const checksums = comparisons.filter(one => one.from === 'checksum');
		if (checksums.length > 0 && sent.doubt === undefined)
			return judge({sent: sent.size, stored: head?.ContentLength, comparisons: checksums});
		if (refusal && comparisons.length === 0) throw refusal;
		return {kind: 'damaged', reason: `${reason}, and it cannot be read back (no permission)`};
	}
	if (sent.doubt !== undefined || comparisons.some(one => isTag(one) && one.sent !== one.stored))
		countDifferingTag(bucket);
	return {kind: 'proven', proof: {by: 'read back'}};
}

function isTag({from}: Comparison): boolean {
	return from === 'etag';
}

/** The object is intact although its tag is not its MD5. */
function countDifferingTag({dialect, log, location}: Bucket): void {
	if (!hasMd5Tags(dialect)) return;
	dialect.tagsDiffered++;
	if (!hasMd5Tags(dialect)) log('info', `the ETags of ${location} are not MD5: no longer comparing them`);
}

function comparisonsOf(
	bucket: Bucket,
	{crc32, md5, parts, answer}: Sent,
	head: HeadObjectCommandOutput | undefined,
): readonly Comparison[] {
	const isSameKind = (value: string | undefined): value is string =>
		value !== undefined && value.includes('-') === crc32.includes('-');
	const crcs = [head?.ChecksumCRC32, answer?.ChecksumCRC32].filter(isSameKind);
	const hidden = [head, answer].some(one => one !== undefined && hidesMd5(one));
	const tags =
		md5 === undefined || hidden || !hasMd5Tags(bucket.dialect)
			? []
			: [head?.ETag, answer?.ETag].map(plainTag).filter(tag => looksLikeMd5(tag, parts));
	return [
		...crcs.map(stored => ({algorithm: 'crc32', from: 'checksum', sent: crc32, stored}) as const),
		...tags.map(stored => ({algorithm: 'md5', from: 'etag', sent: md5 ?? '', stored}) as const),
	];
}

/** Returns true when the response to the upload and the metadata read afterwards name different objects. */
function otherObject({answer}: Sent, head: HeadObjectCommandOutput | undefined): string | undefined {
	const [made, found] = [plainTag(answer?.ETag), plainTag(head?.ETag)];
	if (made === undefined || found === undefined || made === found) return undefined;
	return `the service has a different object there (ETag ${found} instead of ${made})`;
}

/**
 * Removes the version that was created, else the current object. Returns undefined when it is removed; else why not.
 */
async function removeAgain(bucket: Bucket, key: string, version: string | undefined): Promise<string | undefined> {
	const remove = (VersionId?: string) =>
		bucket.request({operation: 'remove', key}, AbortSignal.timeout(INSPECT_TIMEOUT_MS), (client, options) =>
			client.send(new DeleteObjectCommand({Bucket: bucket.name, Key: key, VersionId}), options),
		);
	const signal = AbortSignal.timeout(2 * INSPECT_TIMEOUT_MS);
	const isThere = async () => {
		const head = await headObject(bucket, key, signal);
		// An older version may be the current one now.
		return head !== undefined && (version === undefined || (head.VersionId ?? version) === version);
	};
	try {
		// A locked version cannot be removed, but a delete marker can hide it.
		await (version === undefined ? remove() : remove(version).catch(() => remove()));
		await confirmGone(isThere, {clock: bucket.clock, signal});
		return undefined;
	} catch (error) {
		return remainsText('the damaged object', error);
	}
}
