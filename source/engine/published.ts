import type {Contents} from '../postgres/contents.js';
import type {Subject} from '../retention/names.js';
import type {PendingFile} from '../stages/artifact.js';
import type {Shipment} from '../stages/upload.js';

export type PublishedJob = {
	readonly job: string;
	readonly subject: Subject;
	readonly files: readonly PendingFile[];
	readonly shipments: readonly Shipment[];
	/** The instant that stands in the names, milliseconds since the epoch. */
	readonly time: number;
	/** Of the dump of a database. */
	readonly format?: string;
	/** What the database held, in the dump's own snapshot, as far as it was recorded. */
	readonly contents?: Contents;
};

/** What a run has brought to an end: the files under their final names, and where they were shipped. */
export class Published {
	readonly #jobs = new Map<string, PublishedJob>();

	/** A job that is run again replaces what it had. */
	add(job: PublishedJob): void {
		this.#jobs.set(job.job, job);
	}

	has(job: string): boolean {
		return this.#jobs.has(job);
	}

	jobs(): readonly PublishedJob[] {
		return [...this.#jobs.values()];
	}

	paths(): ReadonlySet<string> {
		return new Set(this.jobs().flatMap(job => job.files.map(file => file.finalPath)));
	}

	keys(): ReadonlySet<string> {
		return new Set(this.jobs().flatMap(job => job.shipments.map(shipment => shipment.key)));
	}
}
