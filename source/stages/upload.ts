/** Ships files to a store: those that are whole, and those that are still being written. */
import {open, rm, rmdir, type FileHandle} from 'node:fs/promises';
import {dirname, join, relative} from 'node:path';
import {CancelledError} from '../core/errors.js';
import type {Emit} from '../core/events.js';
import {filesBelow} from '../lib/files.js';
import {readChunks, type ReadInto} from '../lib/read-chunks.js';
import type {PutSource} from '../storage/storage.js';
import {publishAll, type PendingFile, type Written} from './artifact.js';
import type {GrowingFile} from './growing.js';
import type {Meter} from './meter.js';
import {put, RecordFile, sendFile, type Parcel, type Shipment, type Target, type UploadOptions} from './send-file.js';
import {removeUploadRecord, type UploadRecord} from './upload-journal.js';

export type {Shipment, UploadOptions} from './send-file.js';

/** A file that is sent while it grows. Undefined: it could not be, and is sent from the whole file, from `journal` on. */
type Following = {
	readonly file: GrowingFile;
	/** Not the job's: what was sent of a dump that is cancelled is taken back, which takes a request. */
	readonly abort: AbortController;
	readonly shipment: Promise<Shipment | undefined>;
	/** Its bytes have been asked for. */
	begun: boolean;
	/** What a later upload needs to go on. */
	journal?: unknown;
	/** Told each time when that has changed, once the file is whole. */
	onJournal?: (journal: unknown) => void;
};

/** Milliseconds for which the end of an upload is waited for whose file will never be whole. */
const farewell = 5000;

/** The uploads of one job. `follow` files while they grow, then `ship` all that were published. */
export class JobUploads {
	readonly #target: Target;
	readonly #following = new Map<string, Following>();

	constructor(options: UploadOptions, job: string, meter: Meter, signal: AbortSignal) {
		this.#target = {options, job, meter, signal};
	}

	/**
	 * Starts to send a file that is being written. Never slows the writer down; a failure shows when the file is shipped.
	 * `expectedSize`, in bytes, is a guess from which the sizes of parts follow.
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
		const shipment = upload.finally(() => source.close()).catch(() => undefined); // ship() tries again, and tells
		const following: Following = {file, abort, shipment, begun: false};
		this.#following.set(file.finalPath, following);
	}

	/**
	 * Gives every file its final name, or none (`publishAll`), after it has written down that they are to be shipped: should this run die
	 * the moment they have their names, the next one ships them.
	 */
	async publish(written: readonly Pick<Written, 'files'>[]): Promise<readonly PendingFile[]> {
		const {options, job} = this.#target;
		const announced: RecordFile[] = [];
		try {
			const files = written.flatMap(one => one.files);
			const loads = await loadsOf(files, {partial: true});
			for (const {parcel} of loads) {
				const record = new RecordFile(options, parcel);
				if (await record.announce()) announced.push(record);
			}
			return await publishAll(written, job, options.emit);
		} catch (error) {
			for (const record of announced) await record.remove();
			throw error;
		}
	}

	/** Sends every published file that is not there yet, a few at a time. All are tried; throws the first failure. */
	async ship(files: readonly PendingFile[]): Promise<readonly Shipment[]> {
		const {meter, signal} = this.#target;
		meter.start('upload');
		const loads = await loadsOf(files);
		// All is written down before anything is sent: whatever happens to this run, the next knows what is missing.
		for (const {parcel} of loads)
			await new RecordFile(this.#target.options, parcel).tell(this.#following.get(parcel.path)?.journal);
		const end = () => this.#abortAll(signal.reason);
		signal.addEventListener('abort', end, {once: true});
		if (signal.aborted) end();
		try {
			return await this.#shipAll(loads);
		} catch (error) {
			meter.finish('upload', signal.aborted ? 'cancelled' : 'failed');
			throw error;
		} finally {
			signal.removeEventListener('abort', end);
		}
	}

	async #shipAll(loads: readonly Load[]): Promise<readonly Shipment[]> {
		const {meter, signal, options} = this.#target;
		const shipments: (Shipment | undefined)[] = loads.map(() => undefined);
		const failures: unknown[] = [];
		const left = loads.map((load, index) => ({...load, index}));
		const worker = async (): Promise<void> => {
			for (let next = left.shift(); next && !signal.aborted; next = left.shift()) {
				const {file, parcel, index} = next;
				try {
					shipments[index] = await this.#send(parcel);
					const whole = loads.every((one, at) => one.file !== file || shipments[at] !== undefined);
					if (whole && options.deleteLocal) await removeLocal(options.emit, file.finalPath, file.directory);
				} catch (error) {
					failures.push(error);
				}
			}
		};
		await Promise.all(Array.from({length: Math.min(loads.length, filesAtOnce)}, worker));
		signal.throwIfAborted();
		if (failures.length > 0) throw failures[0];
		meter.finish('upload');
		return shipments.filter(one => one !== undefined);
	}

	/** Ends what still follows a file that will never be whole: its source fails, and what was sent is taken back. */
	async abandon(): Promise<void> {
		const failure = new CancelledError('the dump failed');
		for (const {file, abort, begun} of this.#following.values()) {
			file.fail(failure);
			if (!begun) abort.abort(failure);
		}
		const timer = setTimeout(() => this.#abortAll(failure), farewell);
		await Promise.all([...this.#following.values()].map(following => following.shipment));
		clearTimeout(timer);
	}

	#abortAll(reason: unknown): void {
		for (const {abort} of this.#following.values()) abort.abort(reason);
	}

	async #send(parcel: Parcel): Promise<Shipment> {
		const {options} = this.#target;
		const following = this.#following.get(parcel.path);
		const record = new RecordFile(options, parcel);
		try {
			if (following) {
				following.onJournal = journal => void record.tell(journal);
				await record.tell(following.journal);
			}
			const shipment =
				(await following?.shipment) ?? (await sendFile(this.#target, {...parcel, journal: following?.journal}, record));
			await record.remove();
			return shipment;
		} finally {
			await record.settled();
		}
	}
}

type Load = {readonly file: PendingFile; readonly parcel: Parcel};

/** What is to be shipped of `files`, of which those that have not their names yet are `partial`. */
async function loadsOf(files: readonly PendingFile[], {partial = false} = {}): Promise<readonly Load[]> {
	const parcels = files
		.filter(file => file.ship)
		.map(async file => (await parcelsOf(file, partial ? file.partial : undefined)).map(parcel => ({file, parcel})));
	return (await Promise.all(parcels)).flat();
}

/** Files of a job that are on their way at once; the storage has its own limit, of all jobs together. */
const filesAtOnce = 8;

/** Goes on with what an earlier run left: verifies what is there already, sends the rest, and removes the record. */
export async function resumeUpload(
	options: UploadOptions,
	recordFile: string,
	record: UploadRecord,
	control: Omit<Target, 'options'>,
): Promise<Shipment> {
	const directory = dirname(recordFile);
	const target: Target = {...control, options: {...options, keyFor: () => record.key, deleteLocal: record.deleteLocal}};
	const path = join(directory, record.file);
	control.meter.start('upload');
	const parcel: Parcel = {
		path,
		recordDirectory: directory,
		...(record.sha256 !== undefined && {sha256: record.sha256}),
		journal: record.journal,
	};
	const written = new RecordFile(target.options, parcel);
	const shipment = await sendFile(target, parcel, written).finally(() => written.settled());
	control.meter.finish('upload');
	if (record.deleteLocal) await removeLocal(options.emit, path, false);
	await removeUploadRecord(recordFile);
	return shipment;
}

/** `partial`: where the file is as long as it has not its name. */
async function parcelsOf(file: PendingFile, partial?: string): Promise<readonly Parcel[]> {
	const recordDirectory = dirname(file.finalPath);
	if (file.directory) {
		const digests = new Map(
			file.contents.flatMap(content => [
				[content.name, content.plainDigests.sha256] as const,
				[`${content.name}.age`, content.cipherDigests?.sha256] as const,
			]),
		);
		return (await filesBelow(partial ?? file.finalPath)).map(name => {
			const path = join(file.finalPath, name);
			const sha256 = digests.get(relative(recordDirectory, path));
			return {
				path,
				recordDirectory,
				...(partial !== undefined && {partial: join(partial, name)}),
				...(sha256 !== undefined && {sha256}),
			};
		});
	}
	const sha256 = file.encrypted ? file.contents[0]?.cipherDigests?.sha256 : file.contents[0]?.plainDigests.sha256;
	return [
		{
			path: file.finalPath,
			recordDirectory,
			...(partial !== undefined && {partial}),
			...(sha256 !== undefined && {sha256}),
		},
	];
}

async function removeLocal(emit: Emit, path: string, directory: boolean): Promise<void> {
	await rm(path, {recursive: directory});
	if (!directory && dirname(path).endsWith('.d')) await rmdir(dirname(path)).catch(() => undefined); // not empty yet
	emit({type: 'file.removed', path, location: 'local', reason: 'uploaded and checked'});
}

/** A file that is still being written, as its writer goes on. Close it after use. */
function followingSource(file: GrowingFile, onBegun: () => void): PutSource & {readonly close: () => Promise<void>} {
	let handle: Promise<FileHandle> | undefined;
	const readInto: ReadInto = async (target, offset, signal) => {
		onBegun();
		const end = await file.beyond(offset, signal);
		if (end === undefined) return 0;
		// Once the file is published only its final name is left.
		handle ??= open(file.path, 'r').catch(() => open(file.finalPath, 'r'));
		const {bytesRead} = await (await handle).read(target, 0, Math.min(target.length, end - offset), offset);
		if (bytesRead === 0) throw new Error(`${file.finalPath} is shorter than what was written to it`);
		return bytesRead;
	};
	return {
		read: (offset, signal) => readChunks(readInto, offset, signal),
		readInto,
		async close() {
			const opened = await handle?.catch(() => undefined); // told by who read
			await opened?.close();
		},
	};
}
