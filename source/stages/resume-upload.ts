/** Finishes the uploads of one file that an earlier run left. */
import {dirname, join} from 'node:path';
import {RecordFile, sendFile, type Shipment, type Target, type UploadItem, type UploadOptions} from './send-file.js';
import type {UploadRecord} from './upload-journal.js';

/** One upload that an earlier run left, to one of the places of this run. */
export type LeftUpload = {
	readonly options: UploadOptions;
	readonly recordFile: string;
	readonly record: UploadRecord;
};

export type Resumed = {readonly left: LeftUpload; readonly shipment: Shipment};

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
	return sendFile(target, item, written).finally(() => written.settled());
}
