/**
 * The interface of the engine that the console uses. The console keeps no state of its own and does no work: it reads
 * `state()`, subscribes to events, and calls these functions. Each of them rejects with a PgBackError on failure.
 */
import type {Listener} from './bus.js';
import type {Command} from './events.js';
import type {FleetHandle} from './fleet-handle.js';
import type {Location} from './location.js';
import type {RestorePreview, RestoreRequest, StartedRestore} from './restore.js';
import type {DraftsHandle, RestoreHandle} from './restore-handle.js';
import type {RunState} from './run-state.js';
import type {RunsHandle} from './runs-handle.js';
import type {Secrets} from './secrets.js';

/** One entry of a location's listing. */
export type ListedFile = {
	/** Relative to the location. */
	readonly key: string;
	/** Bytes; for a directory dump the sum of its files, if known. */
	readonly size: number;
	/** Milliseconds since the epoch. */
	readonly modified?: number;
	/** The parsed file name (docs/reference.md); undefined if pg_back did not create it. */
	readonly name?: {
		/** The decoded name of the database, or pg_globals, pg_settings, hba_file, ident_file. */
		readonly subject: string;
		/** The timestamp text in the name; files with the same text belong to one group. */
		readonly timeText: string;
		/** Milliseconds since the epoch. */
		readonly time: number;
		/** The suffix without .age and checksum suffixes, such as `dump`, `sql.gz`, `d`, `createdb.sql`. */
		readonly suffix: string;
		readonly encrypted: boolean;
		/** The algorithm, if this is a checksum file. */
		readonly checksum?: string;
		/** The file's name inside a directory dump. */
		readonly member?: string;
	};
};

/** What a manifest, and the drills since, say of one file of a run. */
export type DumpVerdict = Pick<ListedFile, 'key' | 'name'> & {
	/** `hashed` while it was written; `verified`: read to its end by the tool that would restore it. */
	readonly verdict: 'none' | 'hashed' | 'verified' | 'restored' | 'proven';
	/** Milliseconds since the epoch of the drill that restored it. */
	readonly at?: number;
};

/** The summary of a run from its manifest. */
export type RunSummary = {
	readonly run: string;
	/** Milliseconds since the epoch. */
	readonly time: number;
	readonly state: 'complete' | 'partial' | 'running' | 'unknown';
	readonly serverVersion?: string;
	readonly databases: readonly string[];
	readonly failed: readonly string[];
	readonly encrypted: boolean;
	/** When a restore drill last proved the run, in milliseconds since the epoch. */
	readonly lastProven?: number;
	/**
	 * When a drill last restored the run, whether or not there was recorded data to compare, in milliseconds since the
	 * epoch.
	 */
	readonly lastRestored?: number;
	/** Who pinned the run and why: `pinned by dba: before the migration`. No purge removes a pinned run. */
	readonly pinned?: string;
	/** Its files; those of a directory dump are one. */
	readonly dumps?: readonly DumpVerdict[];
};

/**
 * The age of a database's newest good dump, and when its dumps were last restored. Times in milliseconds since the
 * epoch.
 */
export type DatabaseAge = {
	readonly database: string;
	/** Undefined when there is no good dump. */
	readonly newest?: number;
	/** When a restore drill last proved one of its dumps. */
	readonly proven?: number;
	/** When a drill last restored one of its dumps without recorded data to compare. */
	readonly restored?: number;
};

/**
 * The secret that the user must enter before a dump can be decrypted. `key`: nothing is configured, and nothing is known of the dumps.
 * `problem` says why the keys that there are do not decrypt the dumps: for whom these are, and whose the keys are.
 */
export type MissingSecret = {readonly problem?: string} & (
	| {readonly kind: 'key' | 'passphrase' | 'private key'}
	/** Of the identity file at `path`, configured or given. */
	| {readonly kind: 'identity passphrase'; readonly path: string}
);

/** Encrypted dumps at a location. */
export type EncryptedDumps = {readonly location: string; readonly keys: readonly string[]};

export type FetchRequest = {
	readonly location: string;
	readonly keys: readonly string[];
	/** A local directory. */
	readonly target: string;
	readonly decrypt: boolean;
	readonly verify: boolean;
	/** Overwrites existing files. Without it an existing file fails its job. */
	readonly force: boolean;
	readonly secrets?: Secrets;
};

/** Work that has a command line. `fetch` of local files is their decryption. */
export type CommandRequest =
	| {readonly command: 'backup'; readonly databases: readonly string[]}
	| ({readonly command: 'fetch'} & Pick<FetchRequest, 'location' | 'keys' | 'target' | 'decrypt'>)
	| {readonly command: 'verify' | 'drill'; readonly location: string; readonly keys: readonly string[]};

export type PlanPreview = {
	readonly databases: readonly {readonly name: string; readonly bytes: number; readonly format: string}[];
	/** Lines for people: destination, checks, encryption, upload, purge. */
	readonly facts: readonly (readonly [label: string, value: string])[];
};

export type PreviewOptions = {
	/** False: the remote is not listed, which may take minutes, and the plan does not include its purge. */
	readonly listRemote?: boolean;
};

/** A run that another process executes in the backup directory. */
export type RunElsewhere = {
	/** Unique among the runs of the directory. */
	readonly id: string;
	readonly directory: string;
	/** From the run's lock file. */
	readonly pid?: number;
	readonly host?: string;
	/** ISO 8601. */
	readonly since?: string;
	/** The command of the run, as its status socket reports it. */
	readonly command?: Command;
	/** Its progress when it was last read: `3 dumping, 9 to upload, ~41 %`. */
	readonly progress?: string;
	/** False: only the lock is known (an older version, another host, or no status socket). */
	readonly canAttach: boolean;
};

/** A view of a run in another process. It does not affect that run, except through `cancel` and `retry`. */
export type AttachedRun = Pick<EngineHandle, 'state' | 'subscribe'> & {
	/** Asks the run to cancel one job, or everything. The outcome is reported by events. */
	readonly cancel: (job?: string) => void;
	/** Asks the run to repeat a failed or canceled job. */
	readonly retry: (job: string) => void;
	/**
	 * Resolves when no more events will come: the run has ended, its process is gone, or this process read too slowly.
	 */
	readonly ended: Promise<void>;
	readonly close: () => void;
};

type Parts = RestoreHandle & DraftsHandle & RunsHandle & FleetHandle;

export type EngineHandle = Parts & {
	readonly state: () => RunState;
	/** Returns the function that ends the subscription. */
	readonly subscribe: (listener: Listener) => () => void;
	/** Cancels one job, or all work. Returns immediately; the outcome is reported by events. */
	readonly cancel: (job?: string) => void;
	/** Repeats a failed or canceled job, with other secrets if the first were wrong. */
	readonly retry: (job: string, secrets?: Secrets) => void;
	readonly locations: () => readonly Location[];
	/**
	 * Yields names as they arrive. Ends early only if `signal` aborts, which rejects. `onTrouble` gets the reason of each failed attempt
	 * that is retried.
	 */
	readonly list: (
		location: string,
		options: {readonly signal: AbortSignal; readonly onTrouble?: (reason: string) => void},
	) => AsyncIterable<ListedFile>;
	/** Returns the summaries of a location's manifests, keyed by `run`. */
	readonly runs: (location: string, options: {readonly signal: AbortSignal}) => AsyncIterable<RunSummary>;
	/**
	 * Returns the data of `--check-age` for each database that has dumps at the location, limited to the databases that
	 * the configuration includes, if any.
	 */
	readonly ages: (location: string, options: {readonly signal: AbortSignal}) => Promise<readonly DatabaseAge[]>;
	/**
	 * Resolves to undefined when the configuration and `secrets` have all that decryption needs. With `dumps` the headers of
	 * some of them are read, to know which kind of key they need, and whether the keys open them.
	 */
	readonly missingSecret: (
		dumps?: EncryptedDumps,
		options?: {readonly secrets?: Secrets | undefined; readonly signal?: AbortSignal},
	) => Promise<MissingSecret | undefined>;
	/**
	 * Rejects if the input cannot be a key, or does not decrypt the identity files. Whether it fits a dump is only known
	 * when a dump is read.
	 */
	readonly checkSecrets: (secrets: Secrets) => Promise<void>;
	/** Completes a path that a person types. */
	readonly completePath: (
		text: string,
	) => Promise<{readonly text: string; /** What it may go on with. */ readonly candidates: readonly string[]}>;
	/** The command line that does the same, without secrets. */
	readonly commandFor: (request: CommandRequest) => string;
	/** Bytes that can be written below a directory, which need not exist yet; undefined where that cannot be told. */
	readonly freeSpace: (directory: string) => Promise<number | undefined>;
	/** Returns the default directory for downloads. */
	readonly defaultTarget: () => string;
	/** Returns the files that the request would overwrite. */
	readonly conflicts: (request: FetchRequest) => Promise<readonly string[]>;
	/** Starts downloads (with decryption and verification) as jobs; resolves when they are planned. */
	readonly fetch: (request: FetchRequest) => Promise<void>;
	/** Decrypts local files into the same directory, as jobs. */
	readonly decrypt: (request: Omit<FetchRequest, 'location' | 'decrypt'>) => Promise<void>;
	readonly verify: (location: string, keys: readonly string[], secrets?: Secrets) => Promise<void>;
	readonly restoreDrill: (location: string, keys: readonly string[], secrets?: Secrets) => Promise<void>;
	/**
	 * Plans a restore: reads the tables of contents of the dumps and the server, and changes nothing. Obstacles are
	 * returned as findings; rejects only if no plan can be made (no such dump, no connection, a wrong key).
	 */
	readonly planRestore: (request: RestoreRequest, options: {readonly signal: AbortSignal}) => Promise<RestorePreview>;
	/**
	 * Starts a restore as jobs. `confirmed` holds the names that the user typed; unless they are exactly the plan's
	 * `replaced`, nothing is done and the run fails with USAGE. A replacement that is ready for the swap has a `question`
	 * (`JobState`) and waits for the answer.
	 */
	readonly restore: (request: RestoreRequest, confirmed: readonly string[]) => Promise<StartedRestore>;
	/** Answers a job's question: its `name` confirms; any other text ends the job, and nothing is replaced. */
	readonly answer: (job: string, text: string) => void;
	/** Returns the databases that would lose their last good dump at that location if these keys were removed. */
	readonly lastGoodOf: (location: string, keys: readonly string[]) => Promise<readonly string[]>;
	/** Removes files permanently. Resolves to the keys that could not be removed, with the reasons. */
	readonly remove: (
		location: string,
		keys: readonly string[],
	) => Promise<readonly {readonly key: string; readonly message: string}[]>;
	/** Returns the databases that a backup could dump now, and the plan of a backup of `databases` (all when empty). */
	readonly preview: (databases: readonly string[], options?: PreviewOptions) => Promise<PlanPreview>;
	/** Starts a backup of `databases` (all configured ones when empty). */
	readonly backup: (databases: readonly string[]) => Promise<void>;
	/** Returns the active runs of other processes in the backup directory. */
	readonly runsElsewhere: () => Promise<readonly RunElsewhere[]>;
	/** Attaches to a run. Rejects when the run has ended or does not answer. The caller closes the result. */
	readonly attach: (id: string) => Promise<AttachedRun>;
	/** Resolves when no work is running. */
	readonly idle: () => Promise<void>;
};
