/** One file on its way to a store, and the record of how far it is. */
import {open, stat, type FileHandle} from 'node:fs/promises';
import {relative} from 'node:path';
import {isSystemError, messageOf, PgBackError} from '../core/errors.js';
import type {Emit} from '../core/events.js';
import {readChunks, type ReadInto} from '../lib/read-chunks.js';
import type {PutResult, PutSource, Storage} from '../storage/storage.js';
import {hashHandle, MultiHash} from './hash.js';
import type {Meter} from './meter.js';
import {removeUploadRecord, uploadRecordPath, writeUploadRecord, type UploadRecord} from './upload-journal.js';

export type UploadOptions = {
	readonly storage: Storage;
	/** The run's six characters. */
	readonly run: string;
	/** The key of a local path, prefix and all. */
	readonly keyFor: (path: string) => string;
	/** Removes the local copy once every byte of it is known to be at the other end. */
	readonly deleteLocal: boolean;
	readonly emit: Emit;
};

export type Shipment = {
	readonly path: string;
	readonly key: string;
	readonly location: string;
	readonly result: PutResult;
};

/** One regular file that is to be shipped, with the directory in which its record stands. */
export type Parcel = {
	readonly path: string;
	readonly recordDirectory: string;
	/** Where it is while it has not its name yet. */
	readonly partial?: string;
	readonly sha256?: string;
	readonly journal?: unknown;
};

export type Target = {
	readonly options: UploadOptions;
	readonly job: string;
	readonly meter: Meter;
	readonly signal: AbortSignal;
};

async function describeParcel(options: UploadOptions, parcel: Parcel, journal?: unknown): Promise<UploadRecord> {
	const {size, mtimeMs} = await stat(parcel.partial ?? parcel.path);
	return {
		run: options.run,
		location: options.storage.location,
		key: options.keyFor(parcel.path),
		file: relative(parcel.recordDirectory, parcel.path),
		size,
		modified: mtimeMs,
		...(parcel.sha256 !== undefined && {sha256: parcel.sha256}),
		deleteLocal: options.deleteLocal,
		...(parcel.partial !== undefined && {announced: true}),
		...(journal !== undefined && {journal}),
	};
}

export async function sendFile(target: Target, parcel: Parcel, record: RecordFile): Promise<Shipment> {
	const handle = await open(parcel.path, 'r');
	try {
		const {size} = await handle.stat();
		const readInto: ReadInto = async (into, offset) => (await handle.read(into, 0, into.length, offset)).bytesRead;
		const source: PutSource = {size, read: (offset, signal) => readChunks(readInto, offset, signal), readInto};
		return await put(target, parcel.path, source, {
			size: () => size,
			sha256: () => parcel.sha256,
			journal: parcel.journal,
			onJournal: journal => void record.tell(journal),
			handle,
		});
	} finally {
		await handle.close();
	}
}

type Facts = {
	readonly size: () => number;
	/** Known at the end. */
	readonly sha256: () => string | undefined;
	/** A guess, where the size is not known before the end. */
	readonly expectedSize?: number;
	readonly journal?: unknown;
	readonly onJournal: (journal: unknown) => void;
	/** A whole file: an object that exists already may be this one. */
	readonly handle?: FileHandle;
};

export async function put(
	{options, job, meter, signal}: Target,
	path: string,
	source: PutSource,
	facts: Facts,
): Promise<Shipment> {
	const {storage, emit} = options;
	const key = options.keyFor(path);
	let confirmed = 0;
	const started = performance.now();
	const result = await storage
		.put(key, source, {
			signal,
			ifAbsent: true,
			metadata: (): Record<string, string> => {
				const digest = facts.sha256();
				return digest === undefined ? {} : {sha256: digest};
			},
			sha256: facts.sha256,
			expectedSize: facts.expectedSize,
			journal: facts.journal,
			onJournal: facts.onJournal,
			onProgress(bytes) {
				meter.count('upload', bytes - confirmed);
				confirmed = bytes;
			},
		})
		.catch(async (error: unknown) => {
			meter.count('upload', -confirmed); // it is sent again, or not at all
			if (!(error instanceof PgBackError) || error.code !== 'EXISTS' || !facts.handle) throw error;
			return existing(storage, key, facts.handle, error, signal);
		});
	const {location} = storage;
	const seconds = (performance.now() - started) / 1000;
	emit({type: 'file.uploaded', job, path, location, key, size: facts.size(), seconds, checked: result.checked});
	return {path, key, location, result};
}

/** The record of one file's upload: written anew when the journal changes, one write after the other. */
export class RecordFile {
	readonly #options: UploadOptions;
	readonly #parcel: Parcel;
	readonly #path: string;
	#newest: unknown;
	#writing: Promise<void> | undefined;

	constructor(options: UploadOptions, parcel: Parcel) {
		this.#options = options;
		this.#parcel = parcel;
		this.#path = uploadRecordPath(parcel.recordDirectory, options.storage.location, options.keyFor(parcel.path));
	}

	/** Resolves when this journal, or a newer one, is written down; a record that cannot be is a warning. */
	async tell(journal: unknown): Promise<void> {
		this.#newest = journal;
		this.#writing ??= this.#write()
			.catch((error: unknown) => this.#warn(error))
			.finally(() => (this.#writing = undefined));
		await this.#writing;
	}

	/** Writes down that the file will have its name at once. False: it cannot be, or an earlier run is not done with that name. */
	async announce(): Promise<boolean> {
		try {
			await writeUploadRecord(this.#path, await describeParcel(this.#options, this.#parcel));
			return true;
		} catch (error) {
			if (!isSystemError(error) || error.code !== 'EEXIST') this.#warn(error);
			return false;
		}
	}

	async settled(): Promise<void> {
		await this.#writing;
	}

	async remove(): Promise<void> {
		await this.#writing;
		await removeUploadRecord(this.#path);
	}

	#warn(error: unknown): void {
		const text = `the progress of the upload of ${this.#parcel.path} cannot be written down: ${messageOf(error)}`;
		this.#options.emit({type: 'log', level: 'warn', text});
	}

	async #write(): Promise<void> {
		for (let journal = this.#newest; ; journal = this.#newest) {
			await writeUploadRecord(this.#path, await describeParcel(this.#options, this.#parcel, journal));
			if (journal === this.#newest) return;
		}
	}
}

/** An object under the same key is ours when it has the same bytes: an upload that was completed by a run which then died. */
async function existing(
	storage: Storage,
	key: string,
	handle: FileHandle,
	error: PgBackError,
	signal: AbortSignal,
): Promise<PutResult> {
	const info = await storage.stat(key, {signal});
	const {size} = await handle.stat();
	if (info?.size !== size) throw error;
	const {sha256: own} = (await hashHandle(handle, ['sha256'], signal)).digests;
	const stored = info.metadata['sha256'] ?? (await sha256Of(storage.get(key, {signal})));
	if (stored !== own) throw error;
	return {size, checked: 'it was there already, sha256 checked'};
}

async function sha256Of(source: AsyncIterable<Uint8Array>): Promise<string | undefined> {
	const hash = new MultiHash(['sha256']);
	for await (const chunk of source) hash.update(chunk);
	return hash.digests().sha256;
}
