/** Writes the bytes of one upload: to a new file, or after those of an interrupted upload. */
import {createHash, type Hash} from 'node:crypto';
import {StorageError} from '../errors.js';
import {sizeText} from '../proof.js';
import {createSourceReader, type SourceReader} from '../source-reader.js';
import type {PutOptions, PutSource} from '../storage.js';
import type {Session} from './connection.js';
import {statusOf} from './errors.js';
import {openNew} from './new-file.js';
import {closeQuietly, isMissingStatus, lstatIfThere, unlinkIfThere} from './requests.js';
import {readPipelined, readRange, writePipelined} from './transfer.js';

export type WriteOptions = Pick<PutOptions, 'signal' | 'sha256'> & {
	/** Bytes that an earlier upload to this name had confirmed; undefined: there was none. */
	readonly resumeAt: number | undefined;
	/** The name is the final one: an existing file is only written to when it is certainly from an interrupted upload. */
	readonly isFinal: boolean;
	readonly onConfirmed: (bytes: number) => void;
	/** Called when the file exists and is ours, with the number of bytes that are kept. */
	readonly onOpen: (bytes: number) => void;
};

/** `flushed`: to the server's disk. */
export type Written = {readonly size: number; readonly flushed: boolean};

export async function writeFile(
	session: Session,
	path: string,
	source: PutSource,
	options: WriteOptions,
): Promise<Written> {
	const {requests} = session;
	const {handle, filler, hash, offset} = await openFile(session, path, source, options);
	try {
		options.onOpen(offset);
		if (offset > 0) options.onConfirmed(offset);
		const size = await writePipelined(session, handle, filler, {
			offset,
			...options,
			onBytes: bytes => hash?.update(bytes),
		});
		const expected = options.sha256?.();
		if (expected !== undefined && hash && hash.digest('hex') !== expected)
			throw new StorageError('invalid', 'the data does not match the recorded sha256');
		const flushed = await flush(session, handle);
		const stats = await requests.fstat(handle);
		if (stats.size !== undefined && stats.size !== size) throw new StorageError('corrupt', sizeText(stats.size, size));
		await requests.close(handle);
		return {size, flushed};
	} catch (error) {
		await closeQuietly(requests, handle);
		throw error;
	} finally {
		await filler.close();
	}
}

/** Flushes a file if the server supports it; a failed flush means a failed disk. */
async function flush({requests, offers}: Session, handle: Buffer): Promise<boolean> {
	if (!offers('fsync@openssh.com')) return false;
	try {
		await requests.flush(handle);
		return true;
	} catch (error) {
		if (statusOf(error) === 8) return false; // advertised, but not implemented
		throw error;
	}
}

type Opened = {
	readonly handle: Buffer;
	readonly filler: SourceReader;
	readonly hash: Hash | undefined;
	readonly offset: number;
};

async function openFile(session: Session, path: string, source: PutSource, options: WriteOptions): Promise<Opened> {
	const {resumeAt, isFinal, signal} = options;
	const {requests} = session;
	if (resumeAt !== undefined) {
		const there = await lstatIfThere(requests, path);
		if (there?.kind === 'file' || (there && there.kind === undefined)) {
			const opened = await openInterrupted(session, path, source, options);
			if (opened) return opened;
			if (isFinal) throw new StorageError('exists', 'already exists with different content');
		} else if (there && isFinal) throw new StorageError('exists', 'already exists');
		if (there) await unlinkIfThere(requests, path);
	}
	const handle = await openNew(session, path);
	return {handle, filler: createSourceReader(source, 0, signal), hash: newHash(options), offset: 0};
}

function newHash({sha256}: WriteOptions): Hash | undefined {
	return sha256 ? createHash('sha256') : undefined;
}

/** Returns the file of an interrupted upload when it contains the exact bytes of the source; undefined otherwise. */
async function openInterrupted(
	session: Session,
	path: string,
	source: PutSource,
	options: WriteOptions,
): Promise<Opened | undefined> {
	const {requests} = session;
	const {resumeAt = 0, isFinal, signal} = options;
	if (resumeAt === 0 && !isFinal) return undefined; // nothing would be saved
	let handle: Buffer;
	try {
		handle = await requests.open(path, 'r+');
	} catch (error) {
		if (isMissingStatus(error)) return undefined;
		throw error;
	}
	const hash = newHash(options);
	const filler = createSourceReader(source, 0, signal);
	try {
		const same =
			(!isFinal || (await isUnfinished(session, handle, source, signal))) &&
			(await hasSameBytes(session, handle, filler, {hash, resumeAt, signal, size: source.size})) &&
			(await truncated(session, handle, resumeAt));
		if (same) return {handle, filler, hash, offset: resumeAt};
	} catch (error) {
		await filler.close();
		await closeQuietly(requests, handle);
		throw error;
	}
	await filler.close();
	await requests.close(handle);
	return undefined;
}

async function truncated({requests}: Session, handle: Buffer, size: number): Promise<boolean> {
	try {
		await requests.truncate(handle, size);
		return true;
	} catch (error) {
		if (statusOf(error) === undefined) throw error;
		return false;
	}
}

type Compared = {
	/** Present when bytes were compared. */
	readonly hash: Hash | undefined;
	readonly resumeAt: number;
	/** The size of the source, if known. */
	readonly size: number | undefined;
	readonly signal: AbortSignal;
};

/** Reads back the server's bytes and compares them with the source; the source is then at `resumeAt`. */
async function hasSameBytes(
	session: Session,
	handle: Buffer,
	filler: SourceReader,
	{hash, resumeAt, size, signal}: Compared,
): Promise<boolean> {
	const stats = await session.requests.fstat(handle);
	if (stats.size === undefined || stats.size < resumeAt || (size !== undefined && resumeAt > size)) return false;
	for await (const theirs of readRange(session, handle, {offset: 0, end: resumeAt, signal})) {
		const ours = Buffer.allocUnsafe(theirs.length);
		if ((await filler.fill(ours)) !== theirs.length || !ours.equals(theirs)) return false;
		hash?.update(ours);
	}
	return true;
}

/**
 * Returns whether a file under a final name can only be from an interrupted upload of this source: not longer than the
 * source, and with its bytes, with gaps of zeros where writes did not arrive.
 */
async function isUnfinished(
	session: Session,
	handle: Buffer,
	source: PutSource,
	signal: AbortSignal,
): Promise<boolean> {
	const {size} = await session.requests.fstat(handle);
	if (size === undefined || source.size === undefined || size > source.size) return false;
	const filler = createSourceReader(source, 0, signal);
	try {
		for await (const theirs of readPipelined(session, handle, {offset: 0, size, signal})) {
			const ours = Buffer.allocUnsafe(theirs.length);
			if ((await filler.fill(ours)) !== theirs.length) return false;
			if (!ours.equals(theirs) && theirs.some((byte, at) => byte !== 0 && byte !== ours[at])) return false;
		}
		return true;
	} finally {
		await filler.close();
	}
}
