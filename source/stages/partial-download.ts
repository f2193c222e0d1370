/**
 * Downloads that continue where they were interrupted, by this process or a later one: a hidden file with what was
 * received, and a record of where it came from. Its bytes are used only if they have the checksum in the record, and the
 * complete file is verified like every other download.
 */
import {createHash} from 'node:crypto';
import {constants} from 'node:fs';
import {type FileHandle, open, rm, stat, truncate} from 'node:fs/promises';
import {basename, dirname, join} from 'node:path';
import {messageOf} from '../core/errors.js';
import type {ChecksumAlgorithm} from '../core/formats.js';
import {count, DecodeError, object, string, text} from '../lib/decode.js';
import {makeParents, setMode} from '../lib/files.js';
import {type FileIdentity, fileIdentity, readSmallFile, requireOwn, UnsafeFileError} from '../lib/own-file.js';
import {MultiHash, readHandle} from './hash.js';

export const downloadPartPattern = /^\.pg_back-download-[0-9a-f]{16}\.(?:part|json)$/;

/** Milliseconds after which an interrupted download is removed, unless it continues. */
export const partialDownloadLifetime = 7 * 24 * 3600_000;

/** Bytes; a smaller object is received again. */
export const smallestResumed = 1 << 20;

/** Bytes after which the checksum of what is written is taken: the most that is received twice after a full disk. */
const markEvery = 1 << 20;
/** Bytes after which the record is rewritten: the most that is received twice after a kill. */
const recordEvery = 32 << 20;

export type PartialDownloadOptions = {
	/** The final path; the files of the download are next to it. */
	readonly path: string;
	/** Such as `s3://bucket/`. */
	readonly location: string;
	readonly key: string;
	/** The size of the object in bytes. */
	readonly size: number;
	/** The six characters of the run. */
	readonly run: string;
	/** Of the complete file; undefined: determined by the umask. */
	readonly mode: number | undefined;
	readonly algorithms: readonly ChecksumAlgorithm[];
	readonly signal: AbortSignal;
	/** Called with the number of bytes as what was received earlier is read and verified. */
	readonly onRead?: (bytes: number) => void;
};

export type PartialDownload = {
	readonly path: string;
	/** Appends. Closed by the sink that writes to it. */
	readonly handle: FileHandle;
	/** The checksums of the bytes in the file. The code that appends to the file must update them. */
	readonly hash: MultiHash;
	/** Bytes of an earlier attempt that are used. */
	readonly resumedFrom: number;
	/** The version of the object that they are from. */
	readonly version: string | undefined;
	/** Why what an earlier attempt has received is not used, if there was anything. */
	readonly problem: string | undefined;
	/** Creates the record; without a version the download cannot continue after a failure. */
	readonly setVersion: (version: string | undefined) => Promise<void>;
	/** Must be called after each write to the sink, which has then written everything before that. */
	readonly wrote: () => Promise<void>;
	/** Keeps what was received, after the sink is closed. Returns its bytes; 0 if it is removed. */
	readonly keep: () => Promise<number>;
	/** Gives the complete file its mode. */
	readonly complete: () => Promise<void>;
	/** Removes the record; the complete file has its name. */
	readonly forget: () => Promise<void>;
	/** Removes everything. */
	readonly discard: () => Promise<void>;
};

/** The path of the record of a download; the part has another suffix. */
export function downloadRecordPath({path, location, key}: Pick<PartialDownloadOptions, 'path' | 'location' | 'key'>) {
	const digest = createHash('sha256')
		.update(`${location}\0${key}\0${basename(path)}`)
		.digest('hex')
		.slice(0, 16);
	return join(dirname(path), `.pg_back-download-${digest}.json`);
}

/**
 * Opens what an earlier attempt has received, or a new file. The caller holds the lock of the record, and ends with
 * `keep`, `forget` or `discard`.
 */
export async function openPartialDownload(options: PartialDownloadOptions): Promise<PartialDownload> {
	const record = downloadRecordPath(options);
	const part = record.replace(/json$/, 'part');
	const hash = new MultiHash(['sha256', ...options.algorithms]);
	let earlier: Earlier | undefined;
	let problem: string | undefined;
	try {
		earlier = await openEarlier({record, part}, options, hash);
	} catch (error) {
		options.signal.throwIfAborted();
		problem = problemOf(error);
	}
	if (earlier) return partialDownload({record, part}, options, {...earlier, hash, problem});
	await rm(part, {force: true});
	await rm(record, {force: true});
	await makeParents(part);
	const flags = constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
	const handle = await open(part, flags, options.mode === undefined ? 0o666 : 0o600);
	const fresh = new MultiHash(['sha256', ...options.algorithms]);
	return partialDownload({record, part}, options, {handle, hash: fresh, version: undefined, problem});
}

type Paths = {readonly record: string; readonly part: string};

type Mark = {readonly bytes: number; readonly sha256: string};

type Earlier = {readonly handle: FileHandle; readonly version: string};

const decodeRecord = object({
	location: string,
	key: string,
	size: count,
	version: string,
	bytes: count,
	sha256: text(value => /^[0-9a-f]{64}$/.test(value), 'sha256'),
});

/** Bytes of a record. */
const largest = 64 << 10;

/**
 * Opens and verifies what was received earlier; `hash` is then that of its bytes. Undefined: there is none. Throws why it
 * cannot be used.
 */
async function openEarlier({record, part}: Paths, options: PartialDownloadOptions, hash: MultiHash) {
	const found = await readSmallFile(record, largest).catch((error: unknown) => {
		if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
		throw error;
	});
	if (!found) return undefined;
	const ours = await fileIdentity(dirname(part), options.run);
	requireOwn(found.stats, ours);
	const {location, key, size, version, bytes, sha256} = decodeRecord(JSON.parse(found.bytes.toString()), '');
	if (location !== options.location || key !== options.key) throw new UnsafeFileError('it is of another file');
	if (size !== options.size) throw new UnsafeFileError('the object was replaced since');
	const handle = await openPart(part, ours);
	try {
		await hashBeginning(handle, bytes, hash, options);
		if (hash.sha256SoFar() !== sha256) throw new UnsafeFileError('it was changed on the disk');
		await handle.truncate(bytes);
		const now = new Date();
		await handle.utimes(now, now); // not too old any more
		return {handle, version};
	} catch (error) {
		await handle.close();
		throw error;
	}
}

async function openPart(part: string, ours: FileIdentity): Promise<FileHandle> {
	const flags = constants.O_RDWR | constants.O_APPEND | constants.O_NOFOLLOW | constants.O_NONBLOCK;
	const handle = await open(part, flags);
	try {
		const stats = await handle.stat();
		if (!stats.isFile()) throw new UnsafeFileError('it is not a regular file');
		requireOwn(stats, ours);
		return handle;
	} catch (error) {
		await handle.close();
		throw error;
	}
}

async function hashBeginning(
	handle: FileHandle,
	bytes: number,
	hash: MultiHash,
	{signal, onRead}: PartialDownloadOptions,
): Promise<void> {
	for await (const chunk of readHandle(handle, signal)) {
		const wanted = chunk.subarray(0, bytes - hash.bytes);
		hash.update(wanted);
		onRead?.(wanted.length);
		if (hash.bytes === bytes) return;
	}
	if (hash.bytes < bytes) throw new UnsafeFileError(`only ${hash.bytes} of ${bytes} bytes are there`);
}

function problemOf(error: unknown): string {
	return error instanceof SyntaxError || error instanceof DecodeError ? 'its record is damaged' : messageOf(error);
}

type Start = {
	readonly handle: FileHandle;
	readonly hash: MultiHash;
	readonly version: string | undefined;
	readonly problem: string | undefined;
};

function partialDownload({record, part}: Paths, options: PartialDownloadOptions, start: Start): PartialDownload {
	const {handle, hash, problem} = start;
	const {location, key, size} = options;
	const markNow = (): Mark => ({bytes: hash.bytes, sha256: hash.sha256SoFar()});
	let written = markNow();
	let next: Mark | undefined;
	let recorded = written.bytes;
	let {version} = start;
	let recordHandle: FileHandle | undefined;
	/** In place, without a new block, so that it works on a full disk; a torn record only costs time. */
	const save = async (mark: Mark): Promise<void> => {
		if (version === undefined) return;
		const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
		recordHandle ??= await open(record, flags, 0o600);
		const content = JSON.stringify({location, key, size, version, ...mark});
		await recordHandle.write(`${content.padEnd(content.length + 20 - String(mark.bytes).length)}\n`, 0);
		recorded = mark.bytes;
	};
	const closeRecord = async (): Promise<void> => {
		await recordHandle?.close();
		recordHandle = undefined;
	};
	const discard = async (): Promise<void> => {
		await closeRecord();
		await rm(part, {force: true});
		await rm(record, {force: true});
	};
	return {
		path: part,
		handle,
		hash,
		resumedFrom: hash.bytes,
		version,
		problem,
		discard,
		async setVersion(found) {
			if (found === version) return;
			version = found;
			await save(written);
		},
		async wrote() {
			written = next ?? written;
			next = hash.bytes - written.bytes >= markEvery ? markNow() : undefined;
			if (written.bytes - recorded >= recordEvery) await save(written).catch(() => undefined); // the download itself goes on
		},
		async keep() {
			try {
				// Of a write that failed it is not known how much is there.
				const mark = (await stat(part)).size === hash.bytes ? markNow() : written;
				if (mark.bytes > 0 && version !== undefined) {
					await truncate(part, mark.bytes);
					await save(mark);
					await closeRecord();
					return mark.bytes;
				}
			} catch {
				// It cannot be kept; the error that interrupted the download is reported.
			}
			await discard();
			return 0;
		},
		async complete() {
			if (options.mode !== undefined) await setMode(part, options.mode & 0o777);
		},
		async forget() {
			await closeRecord();
			await rm(record, {force: true});
		},
	};
}
