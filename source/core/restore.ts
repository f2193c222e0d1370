/** The request for a restore and the plan that the console shows before anything is done. Plain data. */
import type {ErrorCode} from './errors.js';
import type {EventError, Outcome} from './events.js';
import type {Secrets} from './secrets.js';

/** Absent fields have their configured values. The fields mean the same as the options with these names. */
export type RestoreRequest = {
	readonly location: string;
	/** Names of databases; empty: the roles and all databases of the run. */
	readonly databases: readonly string[];
	/**
	 * `RunSummary.run`, a part of it, or the time in the file names. Absent: the newest run that contains the requested
	 * databases.
	 */
	readonly run?: string;
	/** The server to restore into. */
	readonly server?: {
		readonly host?: string;
		readonly port?: number;
		readonly user?: string;
		/** The database to connect to, or a connection string. */
		readonly dbname?: string;
	};
	readonly into?: string;
	readonly replace?: boolean;
	readonly only?: readonly string[];
	readonly onlySchema?: readonly string[];
	readonly noDependents?: boolean;
	readonly noData?: boolean;
	readonly noPrivileges?: boolean;
	readonly owner?: string;
	readonly roles?: 'needed' | 'all' | 'none';
	readonly restoreJobs?: number;
	readonly compare?: 'auto' | 'rows' | 'none';
	readonly analyze?: boolean;
	readonly amcheck?: boolean;
	readonly locale?: string;
	readonly skip?: readonly string[];
	readonly keep?: boolean;
	readonly secrets?: Secrets;
};

/** `stop`: nothing is created. `warn`: the user should know before confirming. `note`: for information. */
export type RestoreFinding = {
	readonly severity: 'stop' | 'warn' | 'note';
	/** Determines the exit status of a `stop`. */
	readonly code?: ErrorCode;
	/** The dumped database that the finding is about; absent: all. */
	readonly database?: string;
	readonly text: string;
	/** The option that resolves it. */
	readonly hint?: string;
};

export type RestoreSource = {
	readonly location: string;
	/** Undefined for dumps without a manifest. */
	readonly runId: string | undefined;
	/** UTC. */
	readonly time: string;
	/** The version of the dumped server. */
	readonly server: string | undefined;
	readonly systemIdentifier: string | undefined;
	/** When a drill or a restore last restored the complete run, for people. */
	readonly proven: string;
};

export type RestoreServer = {
	readonly label: string;
	readonly user: string;
	readonly superuser: boolean;
	readonly version: string;
	readonly systemIdentifier: string | undefined;
};

/** The planned restore of one dump. */
export type PlannedRestore = {
	readonly database: string;
	/** The path of the dump, relative to the location. */
	readonly path: string;
	readonly format: string;
	readonly encrypted: boolean;
	/** Stored bytes. */
	readonly bytes: number;
	readonly tables: number;
	readonly extensions: readonly string[];
	/** The name of the restored database. */
	readonly target: string;
	/** `only`: objects are restored into the existing database. `skip`: there is nothing to restore. */
	readonly mode: 'create' | 'replace' | 'skip' | 'only';
	/** With `only`: the restored objects, in the order of creation. */
	readonly entries?: readonly {readonly kind: string; readonly schema?: string; readonly name: string}[] | undefined;
	/** With `replace`: the new name of the present database. */
	readonly previous: string | undefined;
	/** How the dump is read: in place, file (downloaded first), stream, members (table by table), psql. */
	readonly road: string;
	/** The number of parallel connections. */
	readonly jobs: number;
	/** The version of the pg_restore that will be used. */
	readonly pgRestore: string | undefined;
};

/** The plan of a restore, as `--dry-run --json` prints it. */
export type RestorePreview = {
	readonly schema: 1;
	readonly source: RestoreSource;
	readonly target: RestoreServer;
	readonly roles: {
		readonly create: readonly string[];
		readonly missing: readonly string[];
		readonly differences: readonly string[];
	};
	readonly databases: readonly PlannedRestore[];
	readonly findings: readonly RestoreFinding[];
	/** Existing databases that will be replaced: the user must first type exactly these names. */
	readonly replaced: readonly string[];
};

/** `ended` never rejects. The outcome of each database is in its job. */
export type StartedRestore = {readonly ended: Promise<RestoreResult>};

export type RestoreResult = {readonly outcome: Outcome; readonly error?: EventError};
