import type {Contents} from '../postgres/recorded-contents.js';
import type {ManifestFile} from '../repository/manifest.js';
import type {Subject} from '../retention/names.js';
import type {PendingFile} from '../stages/artifact.js';
import type {Shipment} from '../stages/upload.js';
import type {Adopted} from './shard.js';

export type PublishedJob = {
	readonly job: string;
	readonly subject: Subject;
	readonly files: readonly PendingFile[];
	readonly shipments: readonly Shipment[];
	/** The time in the names, in milliseconds since the epoch. */
	readonly time: number;
	/** The format of a database's dump. */
	readonly format?: string;
	/** Bytes of the database on the server, if all of it was dumped. */
	readonly databaseSize?: number;
	/** The contents of the database in the dump's own snapshot, as far as they were recorded. */
	readonly contents?: Contents;
};

/** The results of a run: the files under their final names, and where they were uploaded. */
export class Published {
	readonly #jobs = new Map<string, PublishedJob>();
	readonly #adopted = new Map<string, Adopted>();

	/** A repeated job replaces its earlier result. */
	add(job: PublishedJob): void {
		this.#jobs.set(job.job, job);
	}

	/** Replaces what this process has written by what another process of a divided run has uploaded. */
	adopt(job: string, files: Adopted): void {
		this.#adopted.set(job, files);
	}

	has(job: string): boolean {
		return this.#jobs.has(job) || this.#adopted.has(job);
	}

	/** Returns the jobs without adopted ones. */
	jobs(): readonly PublishedJob[] {
		return [...this.#jobs.values()].filter(({job}) => !this.#adopted.has(job));
	}

	adopted(): readonly ManifestFile[] {
		return [...this.#adopted.values()].flat();
	}

	/** Returns whether every file of the job is stored at the location. */
	isAt(job: string, location: string): boolean {
		return this.#jobs.get(job)?.shipments.some(shipment => shipment.location === location) ?? false;
	}

	paths(): ReadonlySet<string> {
		return new Set(this.jobs().flatMap(job => job.files.map(file => file.finalPath)));
	}

	keys(): ReadonlySet<string> {
		return new Set(this.jobs().flatMap(job => job.shipments.map(shipment => shipment.key)));
	}
}
