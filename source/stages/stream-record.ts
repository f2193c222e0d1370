/**
 * Records of uploads without a local file, for stores that keep the parts of an unfinished upload until it is aborted: the next run aborts what a killed run has left.
 */
import {dirname, relative} from 'node:path';
import {messageOf, PgBackError} from '../core/errors.js';
import {type Storage, storesWithPartials} from '../storage/storage.js';
import type {UploadOptions} from './send-file.js';
import {removeUploadRecord, uploadRecordPath, writeUploadRecord} from './upload-journal.js';

/**
 * Records that the file with the final path `path` is being streamed, and returns the function that removes the record
 * when the upload has ended. A failure causes a warning.
 */
export async function announceStream(options: UploadOptions, path: string): Promise<() => Promise<void>> {
	const {storage, run, keyFor, emit} = options;
	if (!leavesParts(storage)) return () => Promise.resolve();
	const [directory, key] = [dirname(path), keyFor(path)];
	const record = uploadRecordPath(directory, storage.location, key);
	try {
		await writeUploadRecord(record, {
			...{run, location: storage.location, key, file: relative(directory, path), size: 0},
			...{deleteLocal: true, streamed: true},
		});
	} catch (error) {
		emit({type: 'log', level: 'warn', text: `cannot record the upload of ${path}: ${messageOf(error)}`});
	}
	return () => removeUploadRecord(record);
}

/**
 * Records that the members of the directory dump with the final path `path` are being uploaded, at every store, because
 * each is visible at once. Returns the function that removes the record. Throws EXISTS if there is something under its
 * key, which would be indistinguishable from what this run uploads, and system errors, because nothing else would remove
 * it.
 */
export async function announceSpool(
	{storage, run, keyFor}: UploadOptions,
	path: string,
	signal: AbortSignal,
): Promise<() => Promise<void>> {
	const [directory, key] = [dirname(path), keyFor(path)];
	for await (const {key: other} of storage.list(`${key}/`, {signal})) {
		throw new PgBackError('EXISTS', `there is already ${other} at ${storage.location}`, {
			hint: 'another dump of the same name has left it: compare it, remove it, or dump again in another second',
		});
	}
	const record = uploadRecordPath(directory, storage.location, key);
	await writeUploadRecord(record, {
		...{run, location: storage.location, key, file: relative(directory, path), size: 0},
		...{deleteLocal: true, streamed: true, spooled: true},
	});
	return () => removeUploadRecord(record);
}

/** Aborts the upload that a killed run has left under `key`. */
export async function abortStream(storage: Storage, key: string, signal: AbortSignal): Promise<void> {
	if (!leavesParts(storage)) return;
	await storage.cleanup?.(key, {signal, olderThan: Infinity});
}

/** Returns false for stores that drop unfinished uploads themselves, or have them in files that name the run. */
function leavesParts({kind, cleanup}: Storage): boolean {
	return cleanup !== undefined && !storesWithPartials.has(kind);
}
