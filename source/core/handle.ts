/**
 * All that a console may ask of the engine. The console holds no truth and does no work: it reads `state()`, listens, and
 * calls these. Every call that fails rejects with a PgBackError.
 */
import type {Listener} from './bus.js';
import type {RunState} from './state.js';

/** A place where dumps are kept: the backup directory, or a configured remote. */
export type Location = {
	/** `local` for the backup directory, else the store's name: s3, b2, gcs, azure, sftp, directory. */
	readonly id: string;
	/** For people: `/var/backups/postgresql`, `s3://bucket/prefix/`. */
	readonly label: string;
	readonly remote: boolean;
};

/** One name at a location, as the listing finds it. */
export type ListedFile = {
	/** Relative to the location. */
	readonly key: string;
	/** Bytes; for a directory dump the sum where it is known. */
	readonly size: number;
	/** Milliseconds since the epoch. */
	readonly modified?: number;
	/** What the name says, when it is one of ours (README, "Files"): undefined for foreign names. */
	readonly name?: {
		/** The database, or pg_globals, pg_settings, hba_file, ident_file; decoded. */
		readonly subject: string;
		/** The text of the time in the name: files with the same text belong to one group. */
		readonly timeText: string;
		/** Milliseconds since the epoch. */
		readonly time: number;
		/** Such as `dump`, `sql.gz`, `d`, `createdb.sql`, without .age and checksum suffixes. */
		readonly suffix: string;
		readonly encrypted: boolean;
		/** The algorithm, for a checksum file. */
		readonly checksum?: string;
		/** The file's name inside a directory dump. */
		readonly member?: string;
	};
	/** The run that the file belongs to: files with the same `run` are one row. */
	readonly run?: string;
};

/** What is known of a run from its manifest. */
export type RunSummary = {
	readonly run: string;
	/** Milliseconds since the epoch. */
	readonly time: number;
	readonly state: 'complete' | 'partial' | 'unknown';
	readonly serverVersion?: string;
	readonly databases: readonly string[];
	readonly failed: readonly string[];
	readonly encrypted: boolean;
	/** Milliseconds since the epoch of the last restore drill that proved it. */
	readonly lastProven?: number;
	/** The same of a drill that restored it, with or without anything recorded to compare it with. */
	readonly lastRestored?: number;
};

/** What can be said of one dump without fetching or decrypting more than needed. */
export type DumpDetails = {
	readonly key: string;
	/** Label and value, in order, for people. */
	readonly facts: readonly (readonly [label: string, value: string])[];
	/** Tables with bytes or rows, where the manifest or the archive's list of contents tells. */
	readonly tables: readonly {readonly name: string; readonly rows?: number; readonly bytes?: number}[];
};

/** Secrets that a call needs and the configuration does not have; asked for in a masked field and kept in memory only. */
export type Secrets = {
	readonly passphrase?: string;
	/** An age identity, AGE-SECRET-KEY-… */
	readonly privateKey?: string;
	/** Opens the identity files that are configured and are themselves encrypted. */
	readonly identityPassphrase?: string;
};

/** What a person must be asked for before a dump can be decrypted. */
export type MissingSecret =
	/** A passphrase or an age identity: nothing is configured. */
	{readonly kind: 'key'} | {readonly kind: 'identity passphrase'; readonly path: string};

export type FetchRequest = {
	readonly location: string;
	readonly keys: readonly string[];
	/** A local directory. */
	readonly target: string;
	readonly decrypt: boolean;
	readonly verify: boolean;
	/** Replace existing files. Without it an existing file fails that job. */
	readonly force: boolean;
	readonly secrets?: Secrets;
};

export type PlanPreview = {
	readonly databases: readonly {readonly name: string; readonly bytes: number; readonly format: string}[];
	/** Lines for people: where to, how checked, encrypted, shipped, purged. */
	readonly facts: readonly (readonly [label: string, value: string])[];
};

export type EngineHandle = {
	readonly state: () => RunState;
	/** Returns the function that ends the subscription. */
	readonly subscribe: (listener: Listener) => () => void;
	/** Cancels one job, or all work. Returns at once; the outcome comes as events. */
	readonly cancel: (job?: string) => void;
	/** Runs a failed or cancelled job again, with other secrets where the first were wrong. */
	readonly retry: (job: string, secrets?: Secrets) => void;
	readonly locations: () => readonly Location[];
	/** Names as they arrive. Ends early only by `signal` (which rejects). */
	readonly list: (location: string, options: {readonly signal: AbortSignal}) => AsyncIterable<ListedFile>;
	/** What the manifests of a location say, by `run`. */
	readonly runs: (location: string, options: {readonly signal: AbortSignal}) => AsyncIterable<RunSummary>;
	readonly inspect: (
		location: string,
		key: string,
		options: {readonly signal: AbortSignal; readonly secrets?: Secrets},
	) => Promise<DumpDetails>;
	/** Undefined when all that decrypting needs is configured. */
	readonly missingSecret: () => Promise<MissingSecret | undefined>;
	/** Rejects where what was typed can be no key, or does not open the identity files. Whether it fits a dump shows with the dump. */
	readonly checkSecrets: (secrets: Secrets) => Promise<void>;
	/** Where downloads go unless the person says otherwise. */
	readonly defaultTarget: () => string;
	/** Which of the files that the request would write exist already. */
	readonly conflicts: (request: FetchRequest) => Promise<readonly string[]>;
	/** Starts downloads (and decryption, verification) as jobs; resolves when they are planned. */
	readonly fetch: (request: FetchRequest) => Promise<void>;
	/** Decrypts local files beside themselves, as jobs. */
	readonly decrypt: (request: Omit<FetchRequest, 'location' | 'decrypt'>) => Promise<void>;
	readonly verify: (location: string, keys: readonly string[], secrets?: Secrets) => Promise<void>;
	readonly restoreDrill: (location: string, keys: readonly string[], secrets?: Secrets) => Promise<void>;
	/** Removes for good. Resolves with the keys that could not be removed and why. */
	readonly remove: (
		location: string,
		keys: readonly string[],
	) => Promise<readonly {readonly key: string; readonly message: string}[]>;
	/** Databases that a backup could dump now, with the plan of a backup of `databases` (all when empty). */
	readonly preview: (databases: readonly string[]) => Promise<PlanPreview>;
	/** Starts a backup of `databases` (all that the configuration says when empty). */
	readonly backup: (databases: readonly string[]) => Promise<void>;
	/** Resolves when no work is running. */
	readonly idle: () => Promise<void>;
};
