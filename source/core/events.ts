/**
 * What the engine says while it works: one discriminated union, plain JSON, one payload type a kind. `--log-format json`
 * prints these objects as they are, one a line; from schema 1 on they are only added to.
 */
import type {ErrorCode} from './errors.js';

export const eventSchema = 1;

export const logLevels = ['debug', 'info', 'warn', 'error', 'fatal'] as const;
export type LogLevel = (typeof logLevels)[number];

export const stageNames = [
	'dump',
	'download',
	'decrypt',
	'checksum',
	'encrypt',
	'upload',
	'verify',
	'restore',
] as const;
/** What happens to the bytes of a job, in the order in which they pass. */
export type StageName = (typeof stageNames)[number];

export const jobKinds = [
	'database',
	'globals',
	'settings',
	'hba',
	'ident',
	'decrypt',
	'download',
	'upload',
	'verify',
	'restore',
] as const;
export type JobKind = (typeof jobKinds)[number];

export type Command = 'backup' | 'decrypt' | 'download' | 'list' | 'verify' | 'restore' | 'console' | 'upload';

export type Outcome = 'done' | 'failed' | 'cancelled';

/** What a job came to, where `done` does not say all of it. */
export type JobResult = {
	/**
	 * `skipped`: nothing was made, and that is no failure; `gone`: the database was dropped before it was dumped. Of a restore drill:
	 * `restored` without an error and with all that the dump holds; `proven`: that, and equal to what was recorded at the time of the dump.
	 * Of a verification: `verified` when the content was read to its end, `hashed` when its bytes were only compared. `fetched`: a download.
	 */
	readonly result: 'skipped' | 'gone' | 'restored' | 'proven' | 'verified' | 'hashed' | 'fetched';
	/** Why, where to, or what was compared: for people. */
	readonly detail: string;
};

/** An error as it stands in an event: no stack, no secret. */
export type EventError = {
	readonly code: ErrorCode;
	readonly message: string;
	readonly hint?: string;
	readonly output?: readonly string[];
};

export type PlannedJob = {
	/** Unique in the run. */
	readonly id: string;
	readonly kind: JobKind;
	/** The exact name of the database, of the file, or of the special output. */
	readonly name: string;
	/** The stages that this job will go through; what is not here is not asked for. */
	readonly stages: readonly StageName[];
	/** Bytes, an estimate: what the server says of the database's size, or the size of the file. */
	readonly estimatedBytes?: number;
	/** custom, plain, tar or directory, for a database. */
	readonly format?: string;
};

export type ServerInfo = {
	/** As the server prints it, such as `15.18`. */
	readonly version: string;
	/** Such as 150018. */
	readonly versionNumber: number;
	readonly inRecovery: boolean;
	readonly host: string;
	readonly port: string;
	readonly user: string;
	readonly superuser: boolean;
	/** pg_control's, where it may be read. */
	readonly systemIdentifier?: string;
};

export type FileRole =
	'dump' | 'globals' | 'settings' | 'hba' | 'ident' | 'createdb' | 'checksum' | 'manifest' | 'other';

/** A file that is whole, flushed and under its final name. */
export type PublishedFile = {
	/** As on disk, including the backup directory. */
	readonly path: string;
	readonly role: FileRole;
	/** Bytes on disk. */
	readonly size: number;
	/** Lower-case hexadecimal SHA-256 of the bytes before encryption, where they were hashed. */
	readonly plainSha256?: string;
	/** Bytes before encryption. */
	readonly plainSize?: number;
	/** Of the bytes on disk. */
	readonly sha256?: string;
	readonly encrypted: boolean;
	/** A directory-format dump: `path` is the directory, `size` the sum of its files. */
	readonly directory?: boolean;
};

/** One stage's bytes so far, sampled. */
export type StageProgress = {readonly bytesIn: number; readonly bytesOut: number};

export type TableProgress = {
	readonly name: string;
	readonly bytes: number;
	readonly rows: number;
	/** 0 to 1; absent when nothing is known of the table's size. */
	readonly fraction?: number;
	/** True when `fraction` comes from sizes rather than from row counts. */
	readonly estimated?: boolean;
};

/** Who holds up a dump, and who waits behind it. */
export type LockInfo = {
	readonly table: string;
	readonly mode: string;
	/** Server process id of the other session. */
	readonly pid: number;
	readonly user?: string;
	readonly application?: string;
	/** Shortened, without parameters. */
	readonly statement?: string;
	/** Seconds. */
	readonly waiting: number;
};

export type JobProgress = {
	readonly job: string;
	readonly stages: {readonly [S in StageName]?: StageProgress};
	/** 0 to 1, monotone, never 1 before the end; absent when nothing is known. */
	readonly fraction?: number;
	readonly estimated?: boolean;
	/** Bytes a second over the window, at the job's first stage. */
	readonly rate?: number;
	/** Seconds that remain; an estimate. */
	readonly eta?: number;
	readonly tables?: readonly TableProgress[];
	/** Bytes of tables as the server stores them, TOAST included: read so far, of an estimated total, and a second. */
	readonly read?: number;
	readonly readTotal?: number;
	readonly readRate?: number;
	/** How many tables are dumped, of how many. */
	readonly tablesDone?: number;
	readonly tablesTotal?: number;
	/** What pg_dump is at before its first table, as its statement says: `locking tables`, `reading the schema`. */
	readonly activity?: string;
	readonly waitEvent?: string;
	readonly blockedBy?: readonly LockInfo[];
	readonly blocking?: readonly LockInfo[];
	/** The stage that limits: server, compression, encryption, disk or network. */
	readonly limitedBy?: string;
};

export type RunTotals = {
	/** 0 to 1. */
	readonly fraction?: number;
	readonly estimated?: boolean;
	/** Bytes that were read of tables and files, in the measure of `totalBytes`. */
	readonly bytes: number;
	/** Bytes, an estimate. */
	readonly totalBytes?: number;
	readonly rate?: number;
	/** Seconds. */
	readonly eta?: number;
};

export type EventPayloads = {
	/** The first event of every run. */
	'run.started': {
		readonly schema: typeof eventSchema;
		readonly runId: string;
		readonly command: Command;
		readonly version: string;
		readonly host: string;
		readonly pid: number;
	};
	'run.connected': {readonly server: ServerInfo};
	/** What the run is at; `text` is for people. */
	'run.phase': {readonly phase: string; readonly text?: string};
	/** May come again when jobs are added (a retry, a download started from the console): `jobs` are the new ones. */
	'run.planned': {
		readonly jobs: readonly PlannedJob[];
		readonly concurrency: number;
		/** Where the files go, for people: `/var/backups/postgresql`, `s3://bucket/prefix/`. */
		readonly destinations: readonly string[];
		/** For people: `age, 2 recipients`. */
		readonly encryption?: string;
	};
	'run.totals': RunTotals;
	'run.finished': {
		readonly exitCode: number;
		readonly outcome: Outcome;
		readonly error?: EventError;
	};
	/** `attempt` counts from 1. */
	'job.started': {readonly job: string; readonly attempt: number};
	/** The command of a child, secrets taken out. */
	'job.command': {readonly job: string; readonly command: string};
	/** A line that a child wrote. */
	'job.output': {readonly job: string; readonly line: string};
	'job.finished': {
		readonly job: string;
		readonly outcome: Outcome;
		readonly error?: EventError;
		/** It was stopped to make room, and is done again at the end of the run: that is no failure. */
		readonly again?: true;
	};
	/** Before the job finishes, as done. */
	'job.result': {readonly job: string} & JobResult;
	'stage.started': {readonly job: string; readonly stage: StageName};
	'stage.finished': {
		readonly job: string;
		readonly stage: StageName;
		readonly outcome: Outcome;
		readonly bytesIn?: number;
		readonly bytesOut?: number;
	};
	/** Four times a second at the most, all running jobs at once. */
	progress: {readonly jobs: readonly JobProgress[]};
	'file.published': {readonly job: string; readonly file: PublishedFile};
	'file.uploaded': {
		readonly job: string;
		readonly path: string;
		readonly location: string;
		readonly key: string;
		readonly size: number;
		readonly seconds: number;
		/** For people: what was compared with what the remote says. */
		readonly checked: string;
	};
	/** By the purge, or the local copy after an upload. */
	'file.removed': {readonly path: string; readonly location: string; readonly reason: string};
	/** A file that the purge looked at and left. */
	'file.kept': {readonly path: string; readonly location: string; readonly reason: string};
	/** A session waits for a lock, ours or somebody's behind us. */
	'lock.waiting': {readonly job: string; readonly blockedBy: readonly LockInfo[]};
	'lock.blocking': {readonly job: string; readonly blocking: readonly LockInfo[]};
	/** Anything else that a person should read. */
	log: {readonly level: LogLevel; readonly text: string; readonly job?: string};
};

export type EventType = keyof EventPayloads;

/** An event as the bus delivers it; `time` is milliseconds since the epoch. */
export type RunEvent = {
	[K in EventType]: {readonly type: K; readonly time: number} & EventPayloads[K];
}[EventType];

/** An event as it is emitted: the bus adds the time. */
export type NewEvent = {[K in EventType]: {readonly type: K} & EventPayloads[K]}[EventType];

export type Emit = (event: NewEvent) => void;
