/** The local copy of a dump whose uploads were resumed. */
import {constants} from 'node:fs';
import {open} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {isTableOfContents} from '../core/directory-dump.js';
import {messageOf, PgBackError} from '../core/errors.js';
import {filesBelow, lstatIfThere} from '../lib/files.js';
import {inParallel} from '../lib/in-parallel.js';
import {proveExisting} from './prove-upload.js';
import {removeLocal} from './remove-local.js';
import type {Resumed} from './resume-upload.js';
import {fileSource, type UploadOptions} from './send-file.js';
import {uploadRecordPath} from './upload-journal.js';

type LocalDump = {readonly path: string; readonly directory: boolean};

/** Returns whether a member of a directory dump, other than its table of contents, is still to be uploaded to a place. */
export async function hasRecordOfMember(dump: LocalDump, place: UploadOptions): Promise<boolean> {
	if (!dump.directory) return false;
	for (const path of await filesOf(dump))
		if (!isTableOfContents(path) && (await hasRecord(place, path, dirname(dump.path)))) return true;
	return false;
}

/**
 * Removes the local copy if it is to be removed and is stored at every place. `places` are all places of this run: what
 * this run has not sent itself there is proven.
 */
export async function removeLocalCopy(
	dump: LocalDump,
	resumed: readonly Resumed[],
	places: readonly UploadOptions[],
	signal: AbortSignal,
): Promise<void> {
	const [first] = resumed;
	if (!first || !resumed.every(({left}) => left.record.deleteLocal && left.options.deleteLocal)) return;
	const {emit} = first.left.options;
	const recordDirectory = dirname(dump.path);
	const sent = new Set(resumed.map(({left}) => `${left.options.storage.location}\0${left.record.key}`));
	const checksums = new Map(resumed.map(({left: {record}}) => [join(recordDirectory, record.file), record.sha256]));
	const others = (await filesOf(dump)).flatMap(path =>
		places
			.filter(({storage, keyFor}) => !sent.has(`${storage.location}\0${keyFor(path)}`))
			.map((place): Copy => ({place, path, sha256: checksums.get(path), signal})),
	);
	for (const {place, path} of others) if (await hasRecord(place, path, recordDirectory)) return;
	try {
		await inParallel(others, requireProof);
	} catch (error) {
		signal.throwIfAborted();
		emit({type: 'log', level: 'warn', text: `${dump.path} is kept despite delete_uploaded: ${messageOf(error)}`});
		return;
	}
	await removeLocal(
		first.left.options,
		{finalPath: dump.path, directory: dump.directory},
		resumed.every(({shipment}) => shipment.proven),
	);
}

async function filesOf({path, directory}: LocalDump): Promise<readonly string[]> {
	return directory ? (await filesBelow(path)).map(name => join(path, name)) : [path];
}

async function hasRecord({storage, keyFor}: UploadOptions, path: string, directory: string): Promise<boolean> {
	return (await lstatIfThere(uploadRecordPath(directory, storage.location, keyFor(path)))) !== undefined;
}

type Copy = {
	readonly place: UploadOptions;
	readonly path: string;
	readonly sha256: string | undefined;
	readonly signal: AbortSignal;
};

/** Throws why a copy is not proven. An earlier run has sent it, and did not say how it was checked. */
async function requireProof({place: {storage, keyFor, readBack}, path, sha256, signal}: Copy): Promise<void> {
	const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
	try {
		const {size} = await handle.stat();
		const missing = new PgBackError('STORAGE', `there is no copy of it at ${storage.location}`);
		await proveExisting(
			{storage, key: keyFor(path), signal, mustRead: readBack},
			{source: fileSource(handle, size), size, sha256},
			missing,
		);
	} finally {
		await handle.close();
	}
}
