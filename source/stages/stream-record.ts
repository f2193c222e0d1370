/**
 * Records of uploads without a local file, for stores that keep the parts of an unfinished upload until they are told
 * otherwise: the next run aborts what a killed run has left.
 */
import {dirname, relative} from 'node:path';
import {messageOf} from '../core/errors.js';
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

/** Aborts the upload that a killed run has left under `key`. */
export async function abortStream(storage: Storage, key: string, signal: AbortSignal): Promise<void> {
	if (!leavesParts(storage)) return;
	await storage.cleanup?.(key, {signal, olderThan: Infinity});
}

/** Returns false for stores that drop unfinished uploads themselves, or have them in files that name the run. */
function leavesParts({kind, cleanup}: Storage): boolean {
	return cleanup !== undefined && !storesWithPartials.has(kind);
}
