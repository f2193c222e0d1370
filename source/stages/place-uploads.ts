/** Uploads the files of one job to one place: complete files, and files that are still being written. */
import {type FileHandle, open} from 'node:fs/promises';
import {isTableOfContents} from '../core/directory-dump.js';
import {CancelledError} from '../core/errors.js';
import type {ReadInto} from '../lib/read-chunks.js';
import type {PutSource} from '../storage/storage.js';
import type {PendingFile} from './artifact.js';
import {type GrowingFile, growingSource} from './growing-file.js';
import type {Meter} from './meter.js';
import {put, RecordFile, sendFile, type Shipment, type Target, type UploadItem} from './send-file.js';

/**
 * A file that is uploaded while it grows. Undefined: that failed, and the complete file is uploaded, resuming from
 * `journal`.
 */
type Following = {
	readonly file: GrowingFile;
	/** Not the job's signal: what was sent of a canceled dump is removed, which takes a request. */
	readonly abort: AbortController;
	readonly shipment: Promise<Shipment | undefined>;
	/** Its bytes have been requested. */
	begun: boolean;
	/** What a later upload needs to resume. */
	journal?: unknown;
	/** Called when the journal has changed, once the file is complete. */
	onJournal?: (journal: unknown) => void;
};

/** Milliseconds to wait for an upload to end after its file has failed. */
const ABANDON_GRACE_MS = 5000;

/** A file of the job, and one regular file of it to upload: a directory dump has several. */
export type PendingUpload = {readonly file: PendingFile; readonly item: UploadItem};

type OnStored = (file: PendingFile, proven: boolean) => Promise<void>;

/** Files of a job that are uploaded at once; the storage has its own limit for all jobs together. */
const filesAtOnce = 8;

/** Uploads to keys that no other process wants. */
export class PlaceUploads {
	readonly #target: Target;
	readonly #following = new Map<string, Following>();
	/** The progress of each file that is not stored yet: where a second attempt resumes. */
	readonly #journals = new Map<string, unknown>();
	readonly #shipped = new Map<string, Shipment>();
	readonly #onStored: OnStored;

	/** `onStored` is called when all of a file is stored here. */
	constructor(target: Target, onStored: OnStored) {
		this.#target = target;
		this.#onStored = onStored;
	}

	/**
	 * Starts to upload a file that is being written. Never slows the writer down; a failure is reported by `ship`.
	 * `expectedSize`, in bytes, is an estimate that determines the size of parts.
	 */
	follow(file: GrowingFile, expectedSize?: number): void {
		this.#target.meter.start('upload');
		const abort = new AbortController();
		const source = followingSource(file, () => {
			following.begun = true;
		});
		const upload = put({...this.#target, signal: abort.signal}, file.finalPath, source, {
			size: () => file.written,
			sha256: () => file.sha256,
			expectedSize,
			onJournal(journal) {
				following.journal = journal;
				following.onJournal?.(journal);
			},
		});
		const shipment = upload.finally(() => source.close()).catch(() => undefined); // ship() retries, and reports the failure
		const following: Following = {file, abort, shipment, begun: false};
		this.#following.set(file.finalPath, following);
	}

	/** Records that the files are to be uploaded. Adds each new record to `records` at once, for a caller that has to undo it. */
	async announce(pending: readonly PendingUpload[], records: RecordFile[]): Promise<void> {
		for (const {item} of pending) {
			const record = new RecordFile(this.#target.options, item);
			if (await record.announce()) records.push(record);
		}
	}

	/** Returns the uploads for another attempt at what `ship` could not send. */
	nextAttempt(meter: Meter, signal: AbortSignal, onStored: OnStored): PlaceUploads {
		const {options, job} = this.#target;
		const next = new PlaceUploads({options, job, meter, signal}, onStored);
		for (const [path, {journal}] of this.#following) next.#journals.set(path, journal);
		for (const [path, journal] of this.#journals) next.#journals.set(path, journal);
		for (const [path, shipment] of this.#shipped) next.#shipped.set(path, shipment);
		return next;
	}

	/** Uploads every published file that is not stored yet, a few at a time. All are tried; throws the first failure. */
	async ship(pending: readonly PendingUpload[]): Promise<readonly Shipment[]> {
		const {meter, signal} = this.#target;
		meter.start('upload');
		// All records are written before anything is sent: if this run is killed, the next one knows what is missing.
		for (const {item} of pending)
			if (!this.#shipped.has(item.path)) await new RecordFile(this.#target.options, item).save(this.#journalOf(item));
		const end = () => this.#abortAll(signal.reason);
		signal.addEventListener('abort', end, {once: true});
		if (signal.aborted) end();
		try {
			return await this.#shipAll(pending);
		} catch (error) {
			meter.finish('upload', signal.aborted ? 'cancelled' : 'failed');
			throw error;
		} finally {
			signal.removeEventListener('abort', end);
		}
	}

	async #shipAll(pending: readonly PendingUpload[]): Promise<readonly Shipment[]> {
		const {meter, signal} = this.#target;
		const shipments = pending.map(({item}) => this.#shipped.get(item.path));
		const failures: unknown[] = [];
		const left = pending
			.map((upload, index) => ({...upload, index}))
			.filter(({index}) => shipments[index] === undefined);
		const isStored = (file: PendingFile) =>
			pending.every((one, at) => one.file !== file || isTableOfContents(one.item.path) || shipments[at] !== undefined);
		const worker = async (queue: typeof left): Promise<void> => {
			for (let next = queue.shift(); next && !signal.aborted; next = queue.shift()) {
				const {file, item, index} = next;
				try {
					shipments[index] = await this.#send(item);
					const isComplete = pending.every((one, at) => one.file !== file || shipments[at] !== undefined);
					if (isComplete) {
						const proven = pending.every((one, at) => one.file !== file || shipments[at]?.proven);
						await this.#onStored(file, proven);
					}
				} catch (error) {
					failures.push(error);
				}
			}
		};
		const members = left.filter(({item}) => !isTableOfContents(item.path));
		await Promise.all(Array.from({length: Math.min(members.length, filesAtOnce)}, async () => worker(members)));
		// Sent when all other members are stored: with it the directory looks like a dump.
		await worker(left.filter(({item, file}) => isTableOfContents(item.path) && isStored(file)));
		signal.throwIfAborted();
		if (failures.length > 0) throw failures[0];
		meter.finish('upload');
		return shipments.filter(one => one !== undefined);
	}

	/** Aborts uploads of files that will never be complete: their sources fail, and what was sent is removed. */
	async abandon(): Promise<void> {
		const failure = new CancelledError('the dump failed');
		for (const {file, abort, begun} of this.#following.values()) {
			file.fail(failure);
			if (!begun) abort.abort(failure);
		}
		const timer = setTimeout(() => this.#abortAll(failure), ABANDON_GRACE_MS);
		await Promise.all([...this.#following.values()].map(following => following.shipment));
		clearTimeout(timer);
	}

	#abortAll(reason: unknown): void {
		for (const {abort} of this.#following.values()) abort.abort(reason);
	}

	async #send(item: UploadItem): Promise<Shipment> {
		const {options} = this.#target;
		const following = this.#following.get(item.path);
		const record = new RecordFile(options, item);
		try {
			if (following) {
				following.onJournal = journal => void record.save(journal);
				await record.save(this.#journalOf(item));
			}
			const shipment =
				(await following?.shipment) ??
				(await sendFile(this.#target, {...item, journal: this.#journalOf(item)}, record));
			this.#shipped.set(item.path, shipment);
			await record.remove();
			return shipment;
		} finally {
			await record.settled();
			if (record.journal !== undefined) this.#journals.set(item.path, record.journal);
		}
	}

	#journalOf({path}: UploadItem): unknown {
		return this.#following.get(path)?.journal ?? this.#journals.get(path);
	}
}

/** Returns a source that follows a file while it is being written. The caller closes it. */
function followingSource(file: GrowingFile, onBegun: () => void): PutSource & {readonly close: () => Promise<void>} {
	let handle: Promise<FileHandle> | undefined;
	const readInto: ReadInto = async (target, offset, signal) => {
		onBegun();
		const end = await file.beyond(offset, signal);
		if (end === undefined) return 0;
		// Once the file is published only its final name exists.
		handle ??= open(file.path, 'r').catch(() => open(file.finalPath, 'r'));
		const {bytesRead} = await (await handle).read(target, 0, Math.min(target.length, end - offset), offset);
		if (bytesRead === 0) throw new Error(`${file.finalPath} is shorter than the data written to it`);
		return bytesRead;
	};
	return {
		...growingSource(file, readInto),
		async close() {
			const opened = await handle?.catch(() => undefined); // reported by the reader
			await opened?.close();
		},
	};
}
