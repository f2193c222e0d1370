/** Ships files to a store: those that are whole, and those that are still being written. */
import {open, rm, rmdir, type FileHandle} from 'node:fs/promises';
import {dirname, join, relative} from 'node:path';
import {CancelledError, PgBackError} from '../core/errors.js';
import type {Emit} from '../core/events.js';
import {filesBelow} from '../lib/files.js';
import type {PutResult, PutSource, Storage} from '../storage/storage.js';
import type {PendingFile} from './artifact.js';
import type {GrowingFile} from './growing.js';
import {MultiHash} from './hash.js';
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

export type Shipment = {readonly path: string; readonly key: string; readonly location: string; readonly result: PutResult};

/** One regular file that is to be shipped, with the directory in which its record stands. */
type Parcel = {readonly path: string; readonly recordDirectory: string; readonly sha256?: string; readonly journal?: unknown};

type Target = {readonly options: UploadOptions; readonly job: string; readonly meter: Meter; readonly signal: AbortSignal};

/** The uploads of one job. `follow` files while they grow, then `ship` all that were published. */
export class JobUploads {
	readonly #target: Target;
	readonly #following = new Map<string, Promise<Shipment | undefined>>();
	readonly #abort = new AbortController();

	constructor(options: UploadOptions, job: string, meter: Meter, signal: AbortSignal) {
		this.#target = {options, job, meter, signal: AbortSignal.any([signal, this.#abort.signal])};
	}

	/** Starts to send a file that is being written. Never slows the writer down; a failure shows when the file is shipped. */
	follow(file: GrowingFile): void {
		this.#target.meter.start('upload');
		const upload = put(this.#target, file.finalPath, followingSource(file), {size: () => file.written, sha256: () => file.sha256});
		// Undefined: ship() sends it again, from the whole file.
		this.#following.set(file.finalPath, upload.catch(() => undefined));
	}

	/** Sends every published file that is not there yet. All are tried; throws the first failure. */
	async ship(files: readonly PendingFile[]): Promise<readonly Shipment[]> {
		const {meter, signal, options} = this.#target;
		meter.start('upload');
		const failures: unknown[] = [];
		const shipments: Shipment[] = [];
		const parcels = new Map<PendingFile, readonly Parcel[]>();
		for (const file of files.filter(one => one.ship)) parcels.set(file, await parcelsOf(file));
		// All is written down before anything is sent: whatever happens to this run, the next knows what is missing.
		for (const parcel of [...parcels.values()].flat()) await this.#record(parcel);
		for (const [file, content] of parcels) {
			try {
				for (const parcel of content) {
					shipments.push((await this.#following.get(parcel.path)) ?? (await sendFile(this.#target, parcel)));
					await this.#forget(parcel);
				}
				if (options.deleteLocal) await removeLocal(options.emit, file.finalPath, file.directory);
			} catch (error) {
				failures.push(error);
				if (signal.aborted) break;
			}
		}
		if (failures.length > 0) {
			meter.finish('upload', signal.aborted ? 'cancelled' : 'failed');
			throw failures[0];
		}
		meter.finish('upload');
		return shipments;
	}

	/** Ends what still follows a file that will never be whole. */
	async abandon(): Promise<void> {
		this.#abort.abort(new CancelledError('the dump failed'));
		await Promise.all(this.#following.values());
	}

	async #record(parcel: Parcel): Promise<void> {
		const record = await describeParcel(this.#target.options, parcel);
		await writeUploadRecord(recordPath(this.#target.options, parcel), record);
	}

	async #forget(parcel: Parcel): Promise<void> {
		await removeUploadRecord(recordPath(this.#target.options, parcel));
	}
}

/** Goes on with what an earlier run left: verifies what is there already, sends the rest, and removes the record. */
export async function resumeUpload(options: UploadOptions, recordFile: string, record: UploadRecord, control: Omit<Target, 'options'>): Promise<Shipment> {
	const directory = dirname(recordFile);
	const target: Target = {...control, options: {...options, keyFor: () => record.key, deleteLocal: record.deleteLocal}};
	const path = join(directory, record.file);
	control.meter.start('upload');
	const shipment = await sendFile(target, {path, recordDirectory: directory, ...(record.sha256 !== undefined && {sha256: record.sha256}), journal: record.journal});
	control.meter.finish('upload');
	if (record.deleteLocal) await removeLocal(options.emit, path, false);
	await removeUploadRecord(recordFile);
	return shipment;
}

async function parcelsOf(file: PendingFile): Promise<readonly Parcel[]> {
	const recordDirectory = dirname(file.finalPath);
	if (file.directory) {
		const digests = new Map(file.contents.flatMap(content => [
			[content.name, content.plainDigests.sha256] as const,
			[`${content.name}.age`, content.cipherDigests?.sha256] as const,
		]));
		return (await filesBelow(file.finalPath)).map(name => {
			const path = join(file.finalPath, name);
			const sha256 = digests.get(relative(recordDirectory, path));
			return {path, recordDirectory, ...(sha256 !== undefined && {sha256})};
		});
	}
	const sha256 = file.encrypted ? file.contents[0]?.cipherDigests?.sha256 : file.contents[0]?.plainDigests.sha256;
	return [{path: file.finalPath, recordDirectory, ...(sha256 !== undefined && {sha256})}];
}

function recordPath({storage, keyFor}: UploadOptions, parcel: Parcel): string {
	return uploadRecordPath(parcel.recordDirectory, storage.location, keyFor(parcel.path));
}

async function describeParcel(options: UploadOptions, parcel: Parcel, journal?: unknown): Promise<UploadRecord> {
	const handle = await open(parcel.path, 'r');
	try {
		return {
			run: options.run,
			location: options.storage.location,
			key: options.keyFor(parcel.path),
			file: relative(parcel.recordDirectory, parcel.path),
			size: (await handle.stat()).size,
			...(parcel.sha256 !== undefined && {sha256: parcel.sha256}),
			deleteLocal: options.deleteLocal,
			...(journal !== undefined && {journal}),
		};
	} finally {
		await handle.close();
	}
}

async function sendFile(target: Target, parcel: Parcel): Promise<Shipment> {
	const handle = await open(parcel.path, 'r');
	try {
		const {size} = await handle.stat();
		const source: PutSource = {size, read: offset => readFrom(handle, offset)};
		return await put(target, parcel.path, source, {size: () => size, sha256: () => parcel.sha256, parcel, handle});
	} finally {
		await handle.close();
	}
}

type Facts = {
	readonly size: () => number;
	/** Known at the end. */
	readonly sha256: () => string | undefined;
	/** A whole file: its progress is written down, and an object that exists already may be this one. */
	readonly parcel?: Parcel;
	readonly handle?: FileHandle;
};

async function put({options, job, meter, signal}: Target, path: string, source: PutSource, facts: Facts): Promise<Shipment> {
	const {storage, emit} = options;
	const key = options.keyFor(path);
	const {parcel} = facts;
	let confirmed = 0;
	let saving = Promise.resolve();
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
			onProgress(bytes) {
				meter.count('upload', bytes - confirmed);
				confirmed = bytes;
			},
			...(parcel && {
				journal: parcel.journal,
				onJournal(journal: unknown) {
					saving = saving
						.then(async () => writeUploadRecord(recordPath(options, parcel), await describeParcel(options, parcel, journal)))
						.catch((error: unknown) => {
							emit({type: 'log', level: 'warn', text: `the progress of the upload of ${path} cannot be written down: ${String(error)}`});
						});
				},
			}),
		})
		.catch(async (error: unknown) => {
			if (!(error instanceof PgBackError) || error.code !== 'EXISTS' || !facts.handle) throw error;
			return existing(storage, key, facts.handle, error, signal);
		});
	await saving;
	const {location} = storage;
	const seconds = (performance.now() - started) / 1000;
	emit({type: 'file.uploaded', job, path, location, key, size: facts.size(), seconds, checked: result.checked});
	return {path, key, location, result};
}

/** An object under the same key is ours when it has the same bytes: an upload that was completed by a run which then died. */
async function existing(storage: Storage, key: string, handle: FileHandle, error: PgBackError, signal: AbortSignal): Promise<PutResult> {
	const info = await storage.stat(key, {signal});
	const {size} = await handle.stat();
	if (info?.size !== size) throw error;
	const own = await sha256Of(readFrom(handle, 0));
	const stored = info.metadata['sha256'] ?? (await sha256Of(storage.get(key, {signal})));
	if (stored !== own) throw error;
	return {size, checked: 'it was there already, sha256 checked'};
}

async function sha256Of(source: AsyncIterable<Uint8Array>): Promise<string | undefined> {
	const hash = new MultiHash(['sha256']);
	for await (const chunk of source) hash.update(chunk);
	return hash.digests().sha256;
}

async function removeLocal(emit: Emit, path: string, directory: boolean): Promise<void> {
	await rm(path, {recursive: directory});
	if (!directory && dirname(path).endsWith('.d')) await rmdir(dirname(path)).catch(() => undefined); // not empty yet
	emit({type: 'file.removed', path, location: 'local', reason: 'uploaded and checked'});
}

function followingSource(file: GrowingFile): PutSource {
	return {
		async *read(offset, signal) {
			// Once the file is published only its final name is left.
			const handle = await open(file.path, 'r').catch(() => open(file.finalPath, 'r'));
			try {
				let position = offset;
				for (;;) {
					const end = await file.beyond(position, signal);
					if (end === undefined) return;
					for await (const chunk of readFrom(handle, position, end)) {
						position += chunk.byteLength;
						yield chunk;
					}
				}
			} finally {
				await handle.close();
			}
		},
	};
}

async function* readFrom(handle: FileHandle, offset: number, end = Infinity): AsyncGenerator<Uint8Array> {
	for (let position = offset; position < end; ) {
		const buffer = Buffer.allocUnsafe(Math.min(1 << 20, end - position));
		const {bytesRead} = await handle.read(buffer, 0, buffer.length, position);
		if (bytesRead === 0) return;
		position += bytesRead;
		yield buffer.subarray(0, bytesRead);
	}
}
