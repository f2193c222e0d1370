/** Uploads one file to a store, and records its progress. */
import {constants} from 'node:fs';
import {type FileHandle, open, stat} from 'node:fs/promises';
import {relative} from 'node:path';
import {isSystemError, messageOf, PgBackError} from '../core/errors.js';
import type {Emit} from '../core/events.js';
import {readChunks, type ReadInto} from '../lib/read-chunks.js';
import {StorageError} from '../storage/errors.js';
import {isProof, type Proof, proofText} from '../storage/proof.js';
import type {PutResult, PutSource, Storage} from '../storage/storage.js';
import type {Meter} from './meter.js';
import {proveExisting, proveStored} from './prove-upload.js';
import {removeUploadRecord, type UploadRecord, uploadRecordPath, writeUploadRecord} from './upload-journal.js';

export type UploadOptions = {
	readonly storage: Storage;
	/** The six characters of the run. */
	readonly run: string;
	/** Returns the key of a local path, including the prefix. */
	readonly keyFor: (path: string) => string;
	/** Removes the local copy once every byte of it is proven to be stored remotely. */
	readonly deleteLocal: boolean;
	/** Downloads every object again and compares it: a checksum of the service does not count. */
	readonly readBack: boolean;
	readonly emit: Emit;
};

export type Shipment = {
	readonly path: string;
	readonly key: string;
	readonly location: string;
	/** How the object was checked against the file, in words. */
	readonly checked: string;
	/** False: checked by size only. The local copy must stay. */
	readonly proven: boolean;
};

/** One regular file to upload, with the directory of its upload record. */
export type UploadItem = {
	readonly path: string;
	readonly recordDirectory: string;
	/** The path while the file does not have its final name. */
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

async function describeItem(options: UploadOptions, item: UploadItem, journal?: unknown): Promise<UploadRecord> {
	const {size, mtimeMs} = await stat(item.partial ?? item.path);
	return {
		run: options.run,
		location: options.storage.location,
		key: options.keyFor(item.path),
		file: relative(item.recordDirectory, item.path),
		size,
		modified: mtimeMs,
		...(item.sha256 !== undefined && {sha256: item.sha256}),
		deleteLocal: options.deleteLocal,
		...(item.partial !== undefined && {announced: true}),
		...(journal !== undefined && {journal}),
	};
}

/** Uploads a complete file, and saves the journal in `record` as it changes. Throws EXISTS when its key is used by another file. */
export async function sendFile(target: Target, item: UploadItem, record: RecordFile): Promise<Shipment> {
	const handle = await open(item.path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
	try {
		const stats = await handle.stat();
		if (!stats.isFile()) throw new PgBackError('FILE_SYSTEM', `${item.path} is not a regular file`);
		const {size} = stats;
		return await put(target, item.path, fileSource(handle, size), {
			size: () => size,
			sha256: () => item.sha256,
			journal: item.journal,
			onJournal: journal => void record.save(journal),
			isComplete: true,
		});
	} finally {
		await handle.close();
	}
}

/** Returns the bytes of a complete file. The caller closes the handle. */
export function fileSource(handle: FileHandle, size: number): PutSource & {readonly readInto: ReadInto} {
	const readInto: ReadInto = async (into, offset) => (await handle.read(into, 0, into.length, offset)).bytesRead;
	return {size, read: (offset, signal) => readChunks(readInto, offset, signal), readInto};
}

type FileFacts = {
	readonly size: () => number;
	/** Returns the checksum; known at the end. */
	readonly sha256: () => string | undefined;
	/** An estimate, if the size is not known before the end. */
	readonly expectedSize?: number;
	readonly journal?: unknown;
	/** Absent if the upload cannot be resumed: then nothing of a failed one is kept at the remote. */
	readonly onJournal?: (journal: unknown) => void;
	/** The file was complete before its upload began: an object that exists under its key may be the same file. */
	readonly isComplete?: boolean;
};

/** Total attempts for one file when an object that was read back differs. */
const mostAttempts = 2;

/**
 * Uploads one file. The result has a proof if the service provides one, and always one if the local copy is to be
 * deleted and the object can be read back. With `readBack`, the proof is that it was read back.
 */
export async function put(target: Target, path: string, source: PutSource, facts: FileFacts): Promise<Shipment> {
	const {options, job, signal} = target;
	const {storage, emit} = options;
	const key = options.keyFor(path);
	const started = performance.now();
	const result = await putProven(target, key, source, facts);
	signal.throwIfAborted();
	const {location} = storage;
	const seconds = (performance.now() - started) / 1000;
	const checked = checkedText(result);
	emit({type: 'file.uploaded', job, path, location, key, size: facts.size(), seconds, checked});
	return {path, key, location, checked, proven: isProof(result.proof)};
}

type Proven = PutResult & {readonly existed?: boolean};

async function putProven(target: Target, key: string, source: PutSource, facts: FileFacts): Promise<Proven> {
	const {options, meter, signal} = target;
	const {storage} = options;
	const place = {storage, key, signal, mustRead: options.readBack};
	const original = () => ({source, size: facts.size(), sha256: facts.sha256()});
	let held = 0;
	const onSlot = (hasSlot: boolean) => {
		meter.countSlots(Number(hasSlot) - held);
		held = Number(hasSlot);
	};
	for (let attempt = 1; ; attempt++) {
		const journal = attempt === 1 ? facts.journal : undefined;
		let confirmed = 0;
		const count = (bytes: number) => {
			meter.count('upload', bytes - confirmed);
			confirmed = bytes;
		};
		try {
			const result = await putOnce(storage, key, source, {facts, journal, signal, onProgress: count, onSlot});
			if (!needsReadBack(options, result.proof)) return result;
			options.emit({type: 'log', level: 'info', text: `reading ${key} back from ${storage.location} to verify it`});
			return {...result, proof: await proveStored(place, original(), result)};
		} catch (error) {
			count(0); // sent again, or not at all
			if (error instanceof PgBackError && error.code === 'EXISTS' && facts.isComplete)
				return {...(await proveExisting(place, original(), error)), existed: true};
			const mayRepeat = error instanceof StorageError && error.fault === 'corrupt' && !error.exhausted;
			if (!mayRepeat || attempt === mostAttempts || source.canRestart?.() === false) throw error;
			options.emit({type: 'log', level: 'warn', text: `${error.message}: uploading it again`});
		}
	}
}

function needsReadBack({readBack, deleteLocal}: UploadOptions, proof: Proof): boolean {
	return readBack ? proof.by !== 'read back' : deleteLocal && !isProof(proof);
}

type Attempt = {
	readonly facts: FileFacts;
	readonly journal: unknown;
	readonly signal: AbortSignal;
	readonly onProgress: (bytes: number) => void;
	readonly onSlot: (hasSlot: boolean) => void;
};

function putOnce(
	storage: Storage,
	key: string,
	source: PutSource,
	{facts, journal, signal, onProgress, onSlot}: Attempt,
): Promise<PutResult> {
	return storage.put(key, source, {
		signal,
		ifAbsent: true,
		metadata: (): Record<string, string> => {
			const sha256 = facts.sha256();
			return sha256 === undefined ? {} : {sha256};
		},
		sha256: facts.sha256,
		expectedSize: facts.expectedSize,
		journal,
		onJournal: facts.onJournal,
		onProgress,
		onSlot,
	});
}

/** Returns how an upload was checked, in the words of the log and the manifest. */
function checkedText({proof, flushed, existed}: Proven): string {
	return [existed && 'it already existed', proofText(proof), flushed && 'flushed'].filter(Boolean).join(', ');
}

/** The upload record of one file: rewritten when the journal changes, one write at a time. */
export class RecordFile {
	readonly #options: UploadOptions;
	readonly #item: UploadItem;
	readonly #path: string;
	#newest: unknown;
	#writing: Promise<void> | undefined;

	constructor(options: UploadOptions, item: UploadItem) {
		this.#options = options;
		this.#item = item;
		this.#path = uploadRecordPath(item.recordDirectory, options.storage.location, options.keyFor(item.path));
	}

	/** Resolves when this journal, or a newer one, is written; a failed write causes a warning. */
	async save(journal: unknown): Promise<void> {
		this.#newest = journal;
		this.#writing ??= this.#write()
			.catch((error: unknown) => this.#warn(error))
			.finally(() => (this.#writing = undefined));
		await this.#writing;
	}

	/**
	 * Records that the file is about to get its final name. Returns false if that fails, or if an earlier run still uses
	 * that name.
	 */
	async announce(): Promise<boolean> {
		try {
			await writeUploadRecord(this.#path, await describeItem(this.#options, this.#item));
			return true;
		} catch (error) {
			if (!isSystemError(error) || error.code !== 'EEXIST') this.#warn(error);
			return false;
		}
	}

	/** The latest journal. */
	get journal(): unknown {
		return this.#newest;
	}

	async settled(): Promise<void> {
		await this.#writing;
	}

	async remove(): Promise<void> {
		await this.#writing;
		await removeUploadRecord(this.#path);
	}

	#warn(error: unknown): void {
		const text = `cannot record the progress of the upload of ${this.#item.path}: ${messageOf(error)}`;
		this.#options.emit({type: 'log', level: 'warn', text});
	}

	async #write(): Promise<void> {
		for (let journal = this.#newest; ; journal = this.#newest) {
			await writeUploadRecord(this.#path, await describeItem(this.#options, this.#item, journal));
			if (journal === this.#newest) return;
		}
	}
}
