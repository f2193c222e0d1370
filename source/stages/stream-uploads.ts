/**
 * Uploads the files of a job that exist nowhere else (`local_copy = no`): each is sent while it is written, and gets
 * its name at the remote when the whole job has succeeded.
 */
import {CancelledError, PgBackError} from '../core/errors.js';
import {isMainRole} from '../core/main-file.js';
import {untilAborted} from '../lib/until-aborted.js';
import {describeFile, type PendingFile, type Written} from './artifact.js';
import {createFileStream, type FileStream, streamSink} from './file-stream.js';
import type {GrowingFile} from './growing-file.js';
import type {MemberUploads} from './member-uploads.js';
import {abandonGrace, removeStored} from './remove-stored.js';
import {put, type Shipment, type Target} from './send-file.js';
import type {Sink} from './sink.js';
import {announceStream} from './stream-record.js';
import type {Shipped, Uploads} from './upload.js';
import {lostWith, unproven} from './upload-errors.js';

type Sending = {
	readonly stream: FileStream;
	/** Not the job's signal: what was sent of a canceled dump is removed, which takes requests. */
	readonly abort: AbortController;
	/** Present once the upload has begun. Rejects with the error that the dump fails with. */
	shipment?: Promise<Shipment>;
};

export class StreamUploads implements Uploads {
	readonly #target: Target;
	readonly #sending = new Map<string, Sending>();

	/** Present if the dump is a directory, which leaves this disk member by member. */
	readonly spool: MemberUploads | undefined;

	constructor({options, ...target}: Target, spool?: MemberUploads) {
		// With `deleteLocal` every upload is proven, or fails.
		this.#target = {...target, options: {...options, deleteLocal: true}};
		this.spool = spool;
	}

	/** Returns where the bytes of the file with this final path go. */
	readonly open = (finalPath: string): Sink => {
		const stream = createFileStream(finalPath, this.#target.options.run);
		this.#sending.set(finalPath, {stream, abort: new AbortController()});
		return streamSink(stream);
	};

	/** Begins to upload a file that was opened. `expectedSize`, in bytes, is an estimate. */
	follow({finalPath}: GrowingFile, expectedSize?: number): void {
		void this.#begin(finalPath, expectedSize).catch(() => undefined); // the writer of the file throws it
	}

	/**
	 * Ends the uploads: those of the small files first, so that nothing can fail any more once the dump has its name. Throws
	 * the first failure; the caller then calls `abandon`.
	 */
	async publish(written: readonly Pick<Written, 'files'>[]): Promise<readonly PendingFile[]> {
		const files = written.flatMap(one => one.files);
		await this.#complete(files.filter(file => !isMainRole(file.role)));
		await this.#complete(files.filter(file => isMainRole(file.role) && !file.directory));
		const directory = files.find(file => file.directory);
		if (directory) await this.spool?.finish(directory.partial);
		const {options, job} = this.#target;
		for (const file of files) options.emit({type: 'file.published', job, file: describeFile(file)});
		return files;
	}

	/** Returns what `publish` has uploaded. */
	async ship(files: readonly PendingFile[]): Promise<Shipped> {
		const streams = files.filter(file => !file.directory);
		const shipments = await Promise.all(streams.map(file => this.#begin(file.finalPath)));
		this.#target.meter.finish('upload');
		return {shipments: [...(this.spool?.shipments ?? []), ...shipments]};
	}

	/** Aborts the uploads, and removes what is already stored of this job. */
	async abandon(): Promise<void> {
		const {meter, signal} = this.#target;
		meter.finish('upload', signal.aborted ? 'cancelled' : 'failed');
		const failure = new CancelledError('the dump failed');
		const all = [...this.#sending.values()];
		for (const {stream, abort} of all) {
			stream.fail(failure);
			if (!stream.isRead) abort.abort(failure);
		}
		const timer = setTimeout(() => all.forEach(({abort}) => abort.abort(failure)), abandonGrace);
		const settled = await Promise.allSettled(all.map(async one => one.shipment));
		clearTimeout(timer);
		const stored = settled.flatMap(one => (one.status === 'fulfilled' && one.value ? [one.value.key] : []));
		await this.spool?.abandon();
		await this.#remove(stored);
	}

	/** Ends the files and waits until they are stored and proven, or until the job is canceled. */
	async #complete(files: readonly PendingFile[]): Promise<void> {
		const {signal} = this.#target;
		signal.throwIfAborted();
		const shipments = files.map(file => {
			const shipment = this.#begin(file.finalPath);
			file.growing?.end(describeFile(file).sha256);
			return shipment;
		});
		await untilAborted(Promise.all(shipments), signal);
	}

	async #begin(path: string, expectedSize?: number): Promise<Shipment> {
		const sending = this.#sending.get(path);
		if (!sending) throw new PgBackError('BUG', `${path} was not opened`);
		sending.shipment ??= this.#send(path, sending, expectedSize);
		return sending.shipment;
	}

	async #send(path: string, {stream, abort}: Sending, expectedSize: number | undefined): Promise<Shipment> {
		const {options, meter} = this.#target;
		const {signal} = abort;
		meter.start('upload');
		try {
			const removeRecord = await announceStream(options, path);
			const shipment = await put({...this.#target, signal}, path, stream.source(), {
				size: () => stream.written,
				sha256: () => stream.sha256,
				expectedSize,
			}).finally(removeRecord);
			if (shipment.proven) return shipment;
			await this.#remove([shipment.key]);
			throw unproven(shipment);
		} catch (error) {
			const lost = lostWith(error);
			stream.fail(lost);
			throw lost;
		}
	}

	/** Removes objects that this job has created. */
	async #remove(keys: readonly string[]): Promise<void> {
		const {storage, emit} = this.#target.options;
		for (const {key, state, why} of await removeStored(storage, keys)) {
			const text = `${key} of the failed dump ${state} at ${storage.location}: ${why}`;
			emit({type: 'log', level: 'warn', text});
		}
	}
}
