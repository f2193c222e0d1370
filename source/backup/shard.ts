/**
 * A backup that is one shard of a divided run: its part of the databases, with keys that are the same for every
 * attempt.
 */
import type {ManifestFile, ShardFacts} from '../repository/manifest.js';
import type {Subject} from '../retention/names.js';
import type {BackupOptions} from '../runs/prepare-backup.js';
import type {Shipment, UploadOptions} from '../stages/upload.js';

export type ShardRun = {
	readonly facts: Omit<ShardFacts, 'gone'>;
	/** Milliseconds since the epoch: the time in the names of all files. */
	readonly start: number;
	/** The databases that it dumps; undefined: all that the server has. */
	readonly databases: readonly string[] | undefined;
	/** It also dumps the server-wide files. */
	readonly withServer: boolean;
	/** The prefix of the run's claims, with a trailing slash. */
	readonly claims: string;
	/** The system identifier of the planned server, if readable. */
	readonly systemIdentifier: string | undefined;
	/** Killed runs (six characters each) with leftovers on this host. */
	readonly dead: ReadonlySet<string>;
};

export type BackupRequest = BackupOptions & {readonly shard?: ShardRun};

/** The files of one output that another process of the run has uploaded, in the form of the manifest. */
export type Adopted = readonly ManifestFile[];

/** The state of a running shard. */
export type ShardWork = {
	readonly facts: ShardRun['facts'];
	readonly uploads: UploadOptions;
	/** Publishes what is about to be uploaded for the other processes of the run. */
	readonly claim: (subject: Subject, files: readonly ClaimedFile[], signal: AbortSignal) => Promise<void>;
	/** Returns what is stored of an output, proven by reading it back. */
	readonly find: (subject: Subject, signal: AbortSignal) => Promise<Adopted | undefined>;
	/** Called with an output that another process has uploaded. */
	readonly adopt: (job: string, files: Adopted) => void;
};

export type ClaimedFile = {
	readonly file: ManifestFile;
	/** The bytes of a small file. */
	readonly content?: Buffer;
};

/** Returns the manifest's entry with the upload. */
export function shipped(file: ManifestFile, {location, key, checked}: Omit<Shipment, 'path' | 'proven'>): ManifestFile {
	return {...file, shipped: [{location, key, checked}]};
}
