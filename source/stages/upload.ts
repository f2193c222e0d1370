/** Ships files to a store: those that are whole, and those that are still being written. */
import {open, rm} from 'node:fs/promises';
import {join} from 'node:path';
import {CancelledError} from '../core/errors.js';
import type {Emit} from '../core/events.js';
import {filesBelow} from '../lib/files.js';
import type {PutResult, PutSource, Storage} from '../storage/storage.js';
import type {PendingFile} from './artifact.js';
import type {GrowingFile} from './growing.js';
import type {Meter} from './meter.js';

export type UploadOptions = {
	readonly storage: Storage;
	/** The key of a local path, prefix and all. */
	readonly keyFor: (path: string) => string;
	/** Removes the local copy once every byte of it is known to be at the other end. */
	readonly deleteLocal: boolean;
	readonly emit: Emit;
};

export type Shipment = {readonly path: string; readonly key: string; readonly location: string; readonly result: PutResult};

/** The uploads of one job. `follow` files while they grow, then `ship` all that were published. */
export class JobUploads {
	readonly #options: UploadOptions;
	readonly #job: string;
	readonly #meter: Meter;
	readonly #signal: AbortSignal;
	readonly #following = new Map<string, Promise<Shipment | undefined>>();
	readonly #abort = new AbortController();

	constructor(options: UploadOptions, job: string, meter: Meter, signal: AbortSignal) {
		this.#options = options;
		this.#job = job;
		this.#meter = meter;
		this.#signal = AbortSignal.any([signal, this.#abort.signal]);
	}

	/** Starts to send a file that is being written. Never slows the writer down; a failure shows when the file is shipped. */
	follow(file: GrowingFile): void {
		this.#meter.start('upload');
		const upload = this.#put(file.finalPath, followingSource(file), () => file.written, () => file.sha256).catch(() => undefined);
		this.#following.set(file.finalPath, upload); // undefined: ship() sends it again, from the whole file
	}

	/** Sends every published file that is not there yet. All are tried; throws the first failure. */
	async ship(files: readonly PendingFile[]): Promise<readonly Shipment[]> {
		this.#meter.start('upload');
		const failures: unknown[] = [];
		const shipments: Shipment[] = [];
		for (const file of files.filter(one => one.ship)) {
			try {
				const sent = await this.#shipOne(file);
				shipments.push(...sent);
				if (this.#options.deleteLocal) await this.#removeLocal(file);
			} catch (error) {
				failures.push(error);
				if (this.#signal.aborted) break;
			}
		}
		if (failures.length > 0) {
			this.#meter.finish('upload', this.#signal.aborted ? 'cancelled' : 'failed');
			throw failures[0];
		}
		this.#meter.finish('upload');
		return shipments;
	}

	/** Ends what still follows a file that will never be whole. */
	async abandon(): Promise<void> {
		this.#abort.abort(new CancelledError('the dump failed'));
		await Promise.all(this.#following.values());
	}

	async #shipOne(file: PendingFile): Promise<Shipment[]> {
		if (file.directory) {
			const names = await filesBelow(file.finalPath);
			const sent: Shipment[] = [];
			for (const name of names) sent.push(await this.#shipFile(join(file.finalPath, name)));
			return sent;
		}
		const sha256 = file.encrypted ? file.contents[0]?.cipherDigests?.sha256 : file.contents[0]?.plainDigests.sha256;
		return [(await this.#following.get(file.finalPath)) ?? (await this.#shipFile(file.finalPath, sha256))];
	}

	async #shipFile(path: string, sha256?: string): Promise<Shipment> {
		const handle = await open(path, 'r');
		try {
			const {size} = await handle.stat();
			return await this.#put(path, {size, read: offset => readFrom(handle, offset)}, () => size, () => sha256);
		} finally {
			await handle.close();
		}
	}

	async #put(path: string, source: PutSource, size: () => number, sha256: () => string | undefined): Promise<Shipment> {
		const {storage, keyFor, emit} = this.#options;
		const key = keyFor(path);
		let confirmed = 0;
		const started = performance.now();
		const result = await storage.put(key, source, {
			signal: this.#signal,
			metadata: (): Record<string, string> => {
				const digest = sha256();
				return digest === undefined ? {} : {sha256: digest};
			},
			sha256,
			onProgress: bytes => {
				this.#meter.count('upload', bytes - confirmed);
				confirmed = bytes;
			},
		});
		const seconds = (performance.now() - started) / 1000;
		const {location} = storage;
		emit({type: 'file.uploaded', job: this.#job, path, location, key, size: size(), seconds, checked: result.checked});
		return {path, key, location, result};
	}

	async #removeLocal(file: PendingFile): Promise<void> {
		await rm(file.finalPath, {recursive: file.directory});
		this.#options.emit({type: 'file.removed', path: file.finalPath, location: 'local', reason: 'uploaded and checked'});
	}
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
					while (position < end) {
						const buffer = Buffer.allocUnsafe(Math.min(1 << 20, end - position));
						const {bytesRead} = await handle.read(buffer, 0, buffer.length, position);
						position += bytesRead;
						yield buffer.subarray(0, bytesRead);
					}
				}
			} finally {
				await handle.close();
			}
		},
	};
}

async function* readFrom(handle: Awaited<ReturnType<typeof open>>, offset: number): AsyncGenerator<Uint8Array> {
	for (let position = offset; ; ) {
		const buffer = Buffer.allocUnsafe(1 << 20);
		const {bytesRead} = await handle.read(buffer, 0, buffer.length, position);
		if (bytesRead === 0) return;
		position += bytesRead;
		yield buffer.subarray(0, bytesRead);
	}
}
