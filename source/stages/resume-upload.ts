/** Finishes the uploads of one file that an earlier run left. */
import {constants} from 'node:fs';
import {open} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {messageOf, PgBackError} from '../core/errors.js';
import {lstatIfThere} from '../lib/files.js';
import {proveExisting} from './prove-upload.js';
import {removeLocal} from './remove-local.js';
import {
	fileSource,
	RecordFile,
	sendFile,
	type Shipment,
	type Target,
	type UploadItem,
	type UploadOptions,
} from './send-file.js';
import {removeUploadRecord, type UploadRecord, uploadRecordPath} from './upload-journal.js';

/** One upload that an earlier run left, to one of the places of this run. */
export type LeftUpload = {
	readonly options: UploadOptions;
	readonly recordFile: string;
	readonly record: UploadRecord;
};

/** Verifies what is already stored, and sends the rest. The record stays. */
export async function resumeUpload(
	{options, recordFile, record}: LeftUpload,
	control: Omit<Target, 'options'>,
): Promise<Shipment> {
	const directory = dirname(recordFile);
	// A record is untrusted data: it may keep the local file, but never delete one that this configuration keeps.
	const deleteLocal = record.deleteLocal && options.deleteLocal;
	const target: Target = {...control, options: {...options, keyFor: () => record.key, deleteLocal}};
	const path = join(directory, record.file);
	control.meter.start('upload');
	const item: UploadItem = {
		path,
		recordDirectory: directory,
		...(record.sha256 !== undefined && {sha256: record.sha256}),
		journal: record.journal,
	};
	const written = new RecordFile(target.options, item);
	const shipment = await sendFile(target, item, written).finally(() => written.settled());
	control.meter.finish('upload');
	return shipment;
}

export type Resumed = {readonly left: LeftUpload; readonly shipment: Shipment};

/**
 * Removes the local copy if it is to be removed and is stored at every place, then the record of what was sent last.
 * `places` are all places of this run: what this run has not sent itself there is proven.
 */
export async function finishResumed(
	resumed: readonly Resumed[],
	places: readonly UploadOptions[],
	signal: AbortSignal,
): Promise<void> {
	const [first] = resumed;
	if (!first) return;
	const {options, recordFile, record} = first.left;
	const path = join(dirname(recordFile), record.file);
	if (resumed.every(({left}) => left.record.deleteLocal && left.options.deleteLocal)) {
		const sent = new Set(resumed.map(({left}) => left.options.storage.location));
		const others = places.filter(({storage}) => !sent.has(storage.location));
		const isLeft = await Promise.all(others.map(async place => hasRecord(place, path, dirname(recordFile))));
		if (!isLeft.includes(true)) {
			const missing = await firstUnproven(others, {path, sha256: record.sha256, signal});
			if (missing === undefined) {
				const file = {finalPath: path, directory: false};
				await removeLocal(
					options.emit,
					file,
					resumed.every(({shipment}) => shipment.proven),
				);
			} else options.emit({type: 'log', level: 'warn', text: `${path} is kept despite delete_uploaded: ${missing}`});
		}
	}
	for (const {left} of resumed) await removeUploadRecord(left.recordFile);
}

async function hasRecord({storage, keyFor}: UploadOptions, path: string, directory: string): Promise<boolean> {
	return (await lstatIfThere(uploadRecordPath(directory, storage.location, keyFor(path)))) !== undefined;
}

type Copy = {readonly path: string; readonly sha256: string | undefined; readonly signal: AbortSignal};

/** Returns why the copy at one of the places is not proven. An earlier run has sent it, and did not say how it was checked. */
async function firstUnproven(
	places: readonly UploadOptions[],
	{path, sha256, signal}: Copy,
): Promise<string | undefined> {
	if (places.length === 0) return undefined;
	const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
	try {
		const {size} = await handle.stat();
		for (const {storage, keyFor, readBack} of places) {
			const missing = new PgBackError('STORAGE', `there is no copy of it at ${storage.location}`);
			try {
				await proveExisting(
					{storage, key: keyFor(path), signal, mustRead: readBack},
					{source: fileSource(handle, size), size, sha256},
					missing,
				);
			} catch (error) {
				signal.throwIfAborted();
				return messageOf(error);
			}
		}
		return undefined;
	} finally {
		await handle.close();
	}
}
