/**
 * Uploads the files of one job of a shard, while another process of the run may upload the same names. The main file
 * decides: the process that creates it first owns the output, and all other files must belong to it.
 */
import {readFile, rm, stat} from 'node:fs/promises';
import {dirname} from 'node:path';
import {PgBackError} from '../core/errors.js';
import {isMainRole} from '../core/main-file.js';
import type {ManifestFile} from '../repository/manifest.js';
import type {Subject} from '../retention/names.js';
import {type PendingFile, publishAll, storedSha256, type Written} from '../stages/artifact.js';
import type {Meter} from '../stages/meter.js';
import {RecordFile, sendFile, type Shipment, type UploadOptions} from '../stages/send-file.js';
import type {Shipped, Uploads} from '../stages/upload.js';
import {largestContent} from './claims.js';
import type {ClaimedFile, ShardWork} from './shard.js';

export type ShardJob = {
	readonly shard: ShardWork;
	readonly job: string;
	readonly subject: Subject;
	/** Returns the manifest's entries for files, without their uploads. */
	readonly describe: (files: readonly PendingFile[]) => readonly ManifestFile[];
};

export class ShardUploads implements Uploads {
	readonly #job: ShardJob;
	readonly #meter: Meter;
	readonly #signal: AbortSignal;

	constructor(job: ShardJob, meter: Meter, signal: AbortSignal) {
		this.#job = job;
		this.#meter = meter;
		this.#signal = signal;
	}

	/** Nothing is uploaded before it is complete, because its checksum must be published first. */
	follow(): void {}

	/** The directory is private to this process: no later run resumes anything in it. */
	publish(written: readonly Pick<Written, 'files'>[]): Promise<readonly PendingFile[]> {
		return publishAll(written, this.#job.job, this.#job.shard.uploads.emit);
	}

	readonly nextAttempt = (meter: Meter, signal: AbortSignal): Uploads => new ShardUploads(this.#job, meter, signal);

	abandon(): Promise<void> {
		return Promise.resolve();
	}

	async ship(files: readonly PendingFile[]): Promise<Shipped> {
		this.#meter.start('upload');
		try {
			const shipments = await this.#ship(files);
			this.#meter.finish('upload');
			return {shipments};
		} catch (failure) {
			this.#meter.finish('upload', this.#signal.aborted ? 'cancelled' : 'failed');
			return {shipments: [], failure};
		}
	}

	async #ship(files: readonly PendingFile[]): Promise<readonly Shipment[]> {
		const {shard, job, subject, describe} = this.#job;
		const mainFirst = files.toSorted((a, b) => Number(isMainRole(b.role)) - Number(isMainRole(a.role)));
		const described = describe(mainFirst);
		await shard.claim(subject, await claimed(mainFirst, described), this.#signal);
		const shipments: Shipment[] = [];
		try {
			for (const file of mainFirst) shipments.push(await this.#send(file));
		} catch (error) {
			const isTaken = error instanceof PgBackError && error.code === 'EXISTS';
			const adopted = isTaken ? await shard.find(subject, this.#signal) : undefined;
			if (!adopted) throw error;
			shard.adopt(job, adopted);
			shipments.length = 0;
		}
		for (const {finalPath} of mainFirst) await rm(finalPath);
		return shipments;
	}

	async #send(file: PendingFile): Promise<Shipment> {
		const {shard, job} = this.#job;
		return sendWhole(shard.uploads, file, {job, meter: this.#meter, signal: this.#signal});
	}
}

/** Uploads a file and proves it. Throws EXISTS when its key is used by another file. */
export async function sendWhole(
	options: UploadOptions,
	file: PendingFile,
	target: {readonly job: string; readonly meter: Meter; readonly signal: AbortSignal},
): Promise<Shipment> {
	const sha256 = storedSha256(file);
	const item = {
		path: file.finalPath,
		recordDirectory: dirname(file.finalPath),
		...(sha256 !== undefined && {sha256}),
	};
	const record = new RecordFile(options, item);
	const shipment = await sendFile({...target, options}, item, record);
	await record.remove();
	if (!shipment.proven)
		throw new PgBackError('STORAGE', `only the size of ${shipment.key} at ${shipment.location} could be checked`, {
			hint: 'a shard removes its local copy and must prove the upload: give it the right to read what it uploads',
		});
	return shipment;
}

async function claimed(
	files: readonly PendingFile[],
	described: readonly ManifestFile[],
): Promise<readonly ClaimedFile[]> {
	return Promise.all(
		files.map(async ({finalPath}, index): Promise<ClaimedFile> => {
			const file = described[index];
			if (file === undefined) throw new PgBackError('BUG', `${finalPath} is not described`);
			// Values that would confirm a guess at the contents are only in the private manifest.
			const {plain: _secret, ...clear} = file;
			const {size} = await stat(finalPath);
			const isSmall = index > 0 && size <= largestContent;
			return {file: file.encryption ? clear : file, ...(isSmall && {content: await readFile(finalPath)})};
		}),
	);
}
