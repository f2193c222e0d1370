/**
 * Upload records: what is still to be uploaded, with its progress. A small hidden file next to each dump, from when the
 * dump has its name until it is uploaded. A killed run leaves it for the next run, which verifies everything in it that
 * can be verified.
 */
import {createHash} from 'node:crypto';
import {open, readdir, rename, rm} from 'node:fs/promises';
import {basename, join} from 'node:path';
import {boolean, count, type Decode, DecodeError, object, optional, string, text} from '../lib/decode.js';
import {partialPath, renameNew} from '../lib/files.js';
import {type FileIdentity, readSmallFile, requireOwn, UnsafeFileError} from '../lib/own-file.js';

export type UploadRecord = {
	/** The run that uploads it, by its six characters. */
	readonly run: string;
	/** Such as `s3://bucket/`. */
	readonly location: string;
	readonly key: string;
	/** Relative to the directory of the record. */
	readonly file: string;
	/** Bytes. */
	readonly size: number;
	/**
	 * When its content was written, in milliseconds since the epoch: the upload of a file that has changed since is not
	 * resumed.
	 */
	readonly modified?: number;
	readonly sha256?: string;
	readonly deleteLocal: boolean;
	/**
	 * The file did not have its final name yet: if it does not exist, there is nothing to upload and nothing to report.
	 */
	readonly announced?: boolean;
	/** There is no file: what a killed run has sent is to be aborted. */
	readonly streamed?: boolean;
	/** It is a directory dump that is uploaded member by member: what a killed run has sent is to be removed. */
	readonly spooled?: boolean;
	/** What the store needs to resume the upload. */
	readonly journal?: unknown;
};

export const uploadRecordPattern = /^\.pg_back-upload-[0-9a-f]{16}\.json$/;

export function uploadRecordPath(directory: string, location: string, key: string): string {
	const digest = createHash('sha256').update(`${location}\0${key}`).digest('hex').slice(0, 16);
	return join(directory, `.pg_back-upload-${digest}.json`);
}

/**
 * Replaces the record atomically; a record that is only announced replaces nothing and throws EEXIST. Not flushed,
 * because a lost record only costs time.
 */
export async function writeUploadRecord(path: string, record: UploadRecord): Promise<void> {
	const partial = partialPath(path, record.run);
	const handle = await open(partial, 'wx', 0o600);
	try {
		await handle.writeFile(`${JSON.stringify(record)}\n`);
		await handle.close();
		await (record.announced ? renameNew : rename)(partial, path);
	} catch (error) {
		await handle.close().catch(() => undefined); // closed already if the write succeeded
		await rm(partial, {force: true});
		throw error;
	}
}

export async function removeUploadRecord(path: string): Promise<void> {
	await rm(path, {force: true});
}

export type FoundRecord =
	| {readonly path: string; readonly record: UploadRecord; readonly problem?: undefined}
	| {
			readonly path: string;
			readonly record?: undefined;
			/** Why the record is not trusted. */
			readonly problem: string;
			/** The record is ours, but truncated and therefore useless. */
			readonly isOurs: boolean;
	  };

/** Bytes; the journal of a large upload lists its parts: some hundred KiB. */
const largest = 8 << 20;

/**
 * Reads the records of a directory. `identity` returns the expected owner of our files there, and is called only if
 * there is a record. Anything that is not a regular file of ours with mode 0600 and one name, or does not contain a
 * record, is returned with the reason.
 */
export async function readUploadRecords(
	directory: string,
	identity: () => Promise<FileIdentity>,
): Promise<readonly FoundRecord[]> {
	const names = (await readdir(directory)).filter(name => uploadRecordPattern.test(name)).toSorted();
	if (names.length === 0) return [];
	const ours = await identity();
	const records = await Promise.all(names.map(async name => readRecord(join(directory, name), ours)));
	return records.filter(one => one !== undefined);
}

/** Undefined: another run has uploaded the file in the meantime. */
async function readRecord(path: string, ours: FileIdentity): Promise<FoundRecord | undefined> {
	let isOurs = false;
	try {
		const {bytes, stats} = await readSmallFile(path, largest);
		requireOwn(stats, ours);
		isOurs = true;
		const value: unknown = JSON.parse(bytes.toString());
		isOurs = false;
		const record = decodeRecord(value, '');
		if (basename(uploadRecordPath('', record.location, record.key)) !== basename(path))
			throw new UnsafeFileError('its name does not match its content');
		return {path, record};
	} catch (error) {
		const {code} = error as NodeJS.ErrnoException;
		if (code === 'ENOENT') return undefined;
		if (error instanceof SyntaxError) return {path, problem: 'invalid JSON', isOurs};
		if (error instanceof UnsafeFileError || error instanceof DecodeError)
			return {path, problem: error.message, isOurs: false};
		if (code === 'EACCES' || code === 'EPERM') return {path, problem: 'it cannot be read', isOurs: false};
		throw error;
	}
}

const decodeRecord: Decode<UploadRecord> = object({
	run: text(value => /^[a-z0-9]{6}$/.test(value), 'run of six characters'),
	location: string,
	key: string,
	file: string,
	size: count,
	modified: optional(milliseconds),
	sha256: optional(text(value => /^[0-9a-f]{64}$/.test(value), 'sha256')),
	deleteLocal: boolean,
	announced: optional(boolean),
	streamed: optional(boolean),
	spooled: optional(boolean),
	journal: value => value,
});

function milliseconds(value: unknown, place: string): number {
	if (typeof value !== 'number' || !Number.isFinite(value)) throw new DecodeError(place, 'time');
	return value;
}
