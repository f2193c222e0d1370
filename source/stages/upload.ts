/** Uploads the files of a job to the places of the run. */
import {dirname, join, relative} from 'node:path';
import {messageOf} from '../core/errors.js';
import type {Emit} from '../core/events.js';
import {filesBelow} from '../lib/files.js';
import {type PendingFile, publishAll, storedSha256, type Written} from './artifact.js';
import type {GrowingFile} from './growing-file.js';
import type {Meter} from './meter.js';
import {placeMeters} from './place-meters.js';
import {type PendingUpload, PlaceUploads} from './place-uploads.js';
import {removeLocal} from './remove-local.js';
import {type RecordFile, type Shipment, type Target, type UploadItem, type UploadOptions} from './send-file.js';
import type {Sink} from './sink.js';
import type {Spool} from './spool.js';

export type {Shipment, UploadOptions} from './send-file.js';

/** How the files of one job are uploaded. `follow` uploads files while they grow, then `ship` uploads all published ones. */
export type Uploads = {
	readonly follow: (file: GrowingFile, expectedSize?: number) => void;
	/** Present if files are uploaded without a local copy: returns where the bytes of a file with this final path go. */
	readonly open?: (finalPath: string) => Sink;
	/** Present if the dump leaves this disk member by member. */
	readonly spool?: Spool | undefined;
	readonly publish: (written: readonly Pick<Written, 'files'>[]) => Promise<readonly PendingFile[]>;
	/** Returns the uploads for another attempt at what `ship` could not send; absent if only another dump can repeat it. */
	readonly nextAttempt?: (meter: Meter, signal: AbortSignal) => Uploads;
	readonly ship: (files: readonly PendingFile[]) => Promise<Shipped>;
	readonly abandon: () => Promise<void>;
};

export type Shipped = {
	/** Those of the places that have stored every file. */
	readonly shipments: readonly Shipment[];
	/** Why a place has not stored every file. */
	readonly failure?: unknown;
};

type Stored = {
	/** The number of places that store all of the file. */
	places: number;
	proven: boolean;
};

/** Uploads to one or several places, to keys that no other process wants. A place that fails does not stop the others. */
export class JobUploads implements Uploads {
	readonly #target: JobTarget;
	/** Not in a run with one place, where the stage is that of the place. */
	readonly #meters: readonly Meter[];
	/** By the path of a file. */
	readonly #stored = new Map<string, Stored>();
	#uploads: readonly PlaceUploads[];
	#pending: readonly PendingUpload[] | undefined;

	constructor(places: readonly UploadOptions[], job: string, meter: Meter, signal: AbortSignal) {
		this.#target = {places, job, meter, signal};
		this.#meters = metersOf(this.#target);
		this.#uploads = places.map(
			(options, index) => new PlaceUploads({options, job, meter: this.#meters[index] ?? meter, signal}, this.#onStored),
		);
	}

	/**
	 * Starts to upload a file that is being written. Never slows the writer down; a failure is reported by `ship`.
	 * `expectedSize`, in bytes, is an estimate that determines the size of parts.
	 */
	follow(file: GrowingFile, expectedSize?: number): void {
		for (const place of this.#uploads) place.follow(file, expectedSize);
	}

	/**
	 * Gives every file its final name, or none (`publishAll`), after recording that they are to be uploaded: if this run
	 * is killed as soon as they have their names, the next one uploads them.
	 */
	async publish(written: readonly Pick<Written, 'files'>[]): Promise<readonly PendingFile[]> {
		const {places, job} = this.#target;
		const announced: RecordFile[] = [];
		try {
			const files = written.flatMap(one => one.files);
			const pending = await pendingUploadsOf(files, {partial: true});
			for (const place of this.#uploads) await place.announce(pending, announced);
			return await publishAll(written, job, emitOf(places));
		} catch (error) {
			for (const record of announced) await record.remove();
			throw error;
		}
	}

	/** Returns the uploads for another attempt at what `ship` could not send. */
	readonly nextAttempt = (meter: Meter, signal: AbortSignal): JobUploads => {
		const {places, job} = this.#target;
		const next = new JobUploads(places, job, meter, signal);
		next.#uploads = this.#uploads.map((place, index) =>
			place.nextAttempt(next.#meters[index] ?? meter, signal, next.#onStored),
		);
		for (const [path, stored] of this.#stored) next.#stored.set(path, stored);
		next.#pending = this.#pending;
		return next;
	};

	/** Uploads every published file that is not stored yet, a few at a time. All are tried. */
	async ship(files: readonly PendingFile[]): Promise<Shipped> {
		const {meter, signal} = this.#target;
		meter.start('upload');
		const pending = (this.#pending ??= await pendingUploadsOf(files));
		const results = await Promise.allSettled(this.#uploads.map(async place => place.ship(pending)));
		const shipments = results.flatMap(one => (one.status === 'fulfilled' ? one.value : []));
		const failures = results.flatMap((one): unknown[] => (one.status === 'rejected' ? [one.reason] : []));
		if (failures.length > 0) meter.finish('upload', signal.aborted ? 'cancelled' : 'failed');
		else meter.finish('upload');
		if (!signal.aborted) for (const failure of failures.slice(1)) this.#report(failure);
		return {shipments, ...(failures.length > 0 && {failure: failures[0]})};
	}

	/** Aborts uploads of files that will never be complete: their sources fail, and what was sent is removed. */
	async abandon(): Promise<void> {
		await Promise.all(this.#uploads.map(async place => place.abandon()));
	}

	/** The job fails with the failure of one place; those of the others are logged. */
	#report(failure: unknown): void {
		const {places, job} = this.#target;
		emitOf(places)({type: 'log', level: 'error', text: messageOf(failure), job});
	}

	/** Removes the local copy when the last place has stored all of it. */
	readonly #onStored = async (file: PendingFile, proven: boolean): Promise<void> => {
		const {places} = this.#target;
		const stored = this.#stored.get(file.finalPath) ?? {places: 0, proven: true};
		this.#stored.set(file.finalPath, stored);
		stored.places++;
		stored.proven &&= proven;
		const [first] = places;
		if (first && stored.places === places.length && places.every(({deleteLocal}) => deleteLocal))
			await removeLocal(first, file, stored.proven);
	};
}

type JobTarget = Omit<Target, 'options'> & {readonly places: readonly UploadOptions[]};

function metersOf({places, job, meter}: JobTarget): readonly Meter[] {
	if (places.length < 2) return [];
	return placeMeters(
		meter,
		places.map(({storage}) => storage.kind),
		event => emitOf(places)({...event, job}),
	);
}

function emitOf(places: readonly UploadOptions[]): Emit {
	return event => places[0]?.emit(event);
}

/** Returns the items of `files`; those that do not have their names yet are `partial`. */
async function pendingUploadsOf(
	files: readonly PendingFile[],
	{partial = false} = {},
): Promise<readonly PendingUpload[]> {
	const items = files
		.filter(file => file.ship)
		.map(async file => (await itemsOf(file, partial ? file.partial : undefined)).map(item => ({file, item})));
	return (await Promise.all(items)).flat();
}

/** `partial`: the path while the file does not have its final name. */
async function itemsOf(file: PendingFile, partial?: string): Promise<readonly UploadItem[]> {
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
	const sha256 = storedSha256(file);
	return [
		{
			path: file.finalPath,
			recordDirectory,
			...(partial !== undefined && {partial}),
			...(sha256 !== undefined && {sha256}),
		},
	];
}
