/**
 * The events that the engine emits: one discriminated union of plain JSON, with one payload type for each event type.
 * `--log-format json` prints these objects unchanged, one a line; within schema 1 fields and types are only added.
 */
import type {ErrorCode} from './errors.js';

export const eventSchema = 1;

export const logLevels = ['debug', 'info', 'warn', 'error', 'fatal'] as const;
export type LogLevel = (typeof logLevels)[number];
/** The prefix of a log line: a level, or `hint` for the advice that follows an error. */
export type LineLevel = LogLevel | 'hint';

export const stageNames = [
	'dump',
	'download',
	'decrypt',
	'checksum',
	'encrypt',
	'upload',
	'create',
	'load',
	'index',
	'analyze',
	'verify',
	'restore',
	'rename',
] as const;
/** The stages of a job, in the order in which its bytes pass through them. */
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

export type Command =
	| 'backup'
	| 'check'
	| 'dry-run'
	| 'decrypt'
	| 'download'
	| 'list'
	| 'verify'
	| 'drill'
	| 'restore'
	| 'console'
	| 'upload'
	| 'purge';

export type Outcome = 'done' | 'failed' | 'cancelled';

/** The result of a job, where `done` is not specific enough. */
export type JobResult = {
	/**
	 * `skipped`: nothing was created, which is no failure. `gone`: the database was dropped before it was dumped.
	 * `restored` (drill): without errors and with all objects of the dump. `proven` (drill): restored, and equal to what
	 * was recorded at the time of the dump. `verified`: the content was read to its end. `hashed`: only the bytes were
	 * compared. `fetched`: downloaded.
	 */
	readonly result: 'skipped' | 'gone' | 'restored' | 'proven' | 'verified' | 'hashed' | 'fetched';
	/** The reason, the destination, or what was compared, for people. */
	readonly detail: string;
};

/** An error as it appears in an event: no stack, no secret. `skip`: patterns for `--skip` that leave out what has failed. */
export type EventError = {
	readonly code: ErrorCode;
	readonly message: string;
	readonly hint?: string;
	readonly output?: readonly string[];
	readonly skip?: readonly string[];
};

/** The question that a waiting job asks the user. */
export type JobQuestion = {
	/** `replace`: the restored database is ready to replace the present one. */
	readonly kind: 'replace';
	/** The text that the user must type to confirm. */
	readonly name: string;
	/** For people: size, tables and rows of the present database and of the restored one. */
	readonly present: string;
	readonly restored: string;
};

export type PlannedJob = {
	/** Unique in the run. */
	readonly id: string;
	readonly kind: JobKind;
	/** The exact name of the database, the file or the companion. */
	readonly name: string;
	/** The stages that this job goes through; other stages were not requested. */
	readonly stages: readonly StageName[];
	/** The stores that it is uploaded to, if there are several: `s3`, `sftp`. */
	readonly places?: readonly string[];
	/** Estimated bytes: the database's size according to the server, or the size of the file. */
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
	/** The system identifier from pg_control, if it may be read. */
	readonly systemIdentifier?: string;
};

export type FileRole =
	'dump' | 'globals' | 'settings' | 'hba' | 'ident' | 'createdb' | 'checksum' | 'manifest' | 'other';

/** A complete, flushed file under its final name. */
export type PublishedFile = {
	/** The path on disk, including the backup directory. */
	readonly path: string;
	readonly role: FileRole;
	/** Bytes on disk. */
	readonly size: number;
	/** Lower-case hexadecimal SHA-256 of the bytes before encryption, if they were hashed. */
	readonly plainSha256?: string;
	/** Bytes before encryption. */
	readonly plainSize?: number;
	/** SHA-256 of the bytes on disk. */
	readonly sha256?: string;
	readonly encrypted: boolean;
	/** True for a directory-format dump: `path` is the directory, `size` the sum of its files. */
	readonly directory?: boolean;
	/** True for a file that is only at the remote: there is nothing at `path`, and `size` are its bytes there. */
	readonly streamed?: boolean;
};

/** The bytes of one stage so far, sampled. */
export type StageProgress = {
	readonly bytesIn: number;
	readonly bytesOut: number;
	/** Bytes of `bytesIn` that an earlier attempt had processed: they do not count for the rate. */
	readonly present?: number | undefined;
};

export type TableProgress = {
	readonly name: string;
	readonly bytes: number;
	readonly rows: number;
	/** 0 to 1; absent when the size of the table is unknown. */
	readonly fraction?: number;
	/** True when `fraction` is computed from sizes instead of row counts. */
	readonly estimated?: boolean;
};

/** A session that blocks a dump, or one that waits behind it. */
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
	/** 0 to 1, monotonic, never 1 before the end; absent when unknown. */
	readonly fraction?: number;
	readonly estimated?: boolean;
	/** Bytes per second over the sampling window, at the job's first stage. */
	readonly rate?: number;
	/** Estimated seconds that remain. */
	readonly eta?: number;
	readonly tables?: readonly TableProgress[];
	/** Bytes of tables as the server stores them, including TOAST: read so far, estimated total, and per second. */
	readonly read?: number;
	readonly readTotal?: number;
	readonly readRate?: number;
	/** The number of tables dumped, and the total. */
	readonly tablesDone?: number;
	readonly tablesTotal?: number;
	/**
	 * What pg_dump does before its first table, derived from its current statement: `locking tables`, `reading the
	 * schema`.
	 */
	readonly activity?: string;
	readonly waitEvent?: string;
	readonly blockedBy?: readonly LockInfo[];
	readonly blocking?: readonly LockInfo[];
	/** The stage that limits the speed: server, compression, encryption, disk or network. */
	readonly limitedBy?: string;
	/** The state of an unfinished upload: waiting for a slot or for bytes, or sending. */
	readonly upload?: 'waiting' | 'sending';
};

export type RunTotals = {
	/** 0 to 1. */
	readonly fraction?: number;
	readonly estimated?: boolean;
	/** Bytes read from tables and files, in the unit of `totalBytes`. */
	readonly bytes: number;
	/** Estimated bytes. */
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
		/** Another server of the fleet, if the work is for its dumps; the configured server otherwise. */
		readonly serverName?: string;
	};
	'run.connected': {readonly server: ServerInfo};
	/** The current phase of the run; `text` is for people. */
	'run.phase': {readonly phase: string; readonly text?: string};
	/** Emitted again when jobs are added (a retry, a download started from the console); `jobs` are the added ones. */
	'run.planned': {
		readonly jobs: readonly PlannedJob[];
		readonly concurrency: number;
		/** The destinations of the files, for people: `/var/backups/postgresql`, `s3://bucket/prefix/`. */
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
	/** A failed or canceled job was queued again; `from` as in `job.started`. */
	'job.queued': {readonly job: string; readonly from?: StageName};
	/** `attempt` counts from 1. With `from`, the job starts at that stage; the results of earlier stages are kept. */
	'job.started': {readonly job: string; readonly attempt: number; readonly from?: StageName};
	/** The command line of a child process, with secrets removed. */
	'job.command': {readonly job: string; readonly command: string};
	/** A line that a child process wrote. */
	'job.output': {readonly job: string; readonly line: string};
	/** The job waits for the user's answer; without `question` it no longer waits. */
	'job.asked': {readonly job: string; readonly question?: JobQuestion};
	'job.finished': {
		readonly job: string;
		readonly outcome: Outcome;
		readonly error?: EventError;
		/** The job was stopped to make room and is requeued at the end of the run; this is no failure. */
		readonly again?: true;
	};
	/** Emitted before the job finishes as done. */
	'job.result': {readonly job: string} & JobResult;
	'stage.started': {readonly job: string; readonly stage: StageName};
	'stage.finished': {
		readonly job: string;
		readonly stage: StageName;
		readonly outcome: Outcome;
		readonly bytesIn?: number;
		readonly bytesOut?: number;
	};
	/** The upload to one of several places started; the stage `upload` is all of them. */
	'place.started': {readonly job: string; readonly place: string};
	'place.finished': {
		readonly job: string;
		/** The store. */
		readonly place: string;
		readonly outcome: Outcome;
		/** Bytes that were sent. */
		readonly bytes: number;
	};
	/** Emitted at most four times a second, for all running jobs at once. */
	progress: {readonly jobs: readonly JobProgress[]};
	'file.published': {readonly job: string; readonly file: PublishedFile};
	'file.uploaded': {
		readonly job: string;
		readonly path: string;
		readonly location: string;
		readonly key: string;
		readonly size: number;
		readonly seconds: number;
		/** How the object was checked, for people. */
		readonly checked: string;
		/** Another process of a divided run had uploaded it, and this one only proved it. */
		readonly adopted?: boolean;
	};
	/** The dump of a database lost more than `alarm_shrink` allows; none of the database's dumps is purged. */
	'database.shrunk': {
		readonly job: string;
		readonly database: string;
		readonly measure: 'bytes' | 'rows';
		/** The value of the last good dump, and of this one. */
		readonly before: number;
		readonly now: number;
		/** The loss in percent. */
		readonly percent: number;
	};
	/** Removed by the purge, or a local copy removed after its upload. */
	'file.removed': {readonly path: string; readonly location: string; readonly reason: string};
	/** A file that the purge considered and kept. */
	'file.kept': {
		readonly path: string;
		readonly location: string;
		readonly reason: string;
		/** The place would refuse to remove it (object lock, legal hold, retention policy), or did. */
		readonly locked?: boolean;
	};
	/** A session waits for a lock: ours, or another session behind ours. */
	'lock.waiting': {readonly job: string; readonly blockedBy: readonly LockInfo[]};
	'lock.blocking': {readonly job: string; readonly blocking: readonly LockInfo[]};
	/**
	 * A remote location takes and gives nothing: no byte has passed on its connections since `since` (milliseconds since the epoch), or
	 * attempts have failed since then, for `reason`. Without `since` that is over.
	 */
	'network.stalled': {readonly location: string; readonly since?: number; readonly reason?: string};
	/** A message about anything else that the user should read. */
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
