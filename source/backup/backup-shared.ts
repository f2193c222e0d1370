/** State and settings that the tasks of one backup share. */
import {createHash} from 'node:crypto';
import type {Emit, PlannedJob, StageName} from '../core/events.js';
import {shownCommand} from '../lib/shown-command.js';
import type {Connection} from '../postgres/connection.js';
import type {Tools} from '../postgres/tools.js';
import type {RunIdentity, ServerContext} from '../runs/context.js';
import type {RunLocks} from '../runs/run-locks.js';
import type {EncryptionKeys} from '../stages/age/load-keys.js';
import type {PendingFile} from '../stages/artifact.js';
import type {DumpCommand} from '../stages/dump.js';
import type {UploadOptions} from '../stages/upload.js';
import type {FileNamer} from './file-naming.js';
import type {PublishedJob} from './published-files.js';
import type {ReadBack} from './read-back.js';
import type {RecordedDump, Recording} from './record-contents.js';
import type {UploadRetries} from './retry-upload.js';
import type {ShardWork} from './shard.js';

/** State and settings that the tasks of one backup share. */
export type BackupShared = {
	readonly run: ServerContext & RunIdentity;
	/** The databases were named explicitly: a missing one is then an error. */
	readonly named: boolean;
	readonly connection: Connection;
	readonly tools: Tools;
	/** The version of the dumped server, such as 150018. */
	readonly serverVersion: number;
	readonly namer: FileNamer;
	readonly locks: RunLocks;
	readonly encryption: EncryptionKeys | undefined;
	/** For each place that dumps are uploaded to. */
	readonly uploads: readonly UploadOptions[];
	/** The value of `-Z`, by database; undefined for pg_dump's default. */
	readonly compression: ReadonlyMap<string, string | undefined>;
	/** If present, dumps are read back before they get their names. */
	readonly readBack: ReadBack | undefined;
	/** Returns whether the server still has the database. */
	readonly isThere: (database: string) => Promise<boolean>;
	/**
	 * Returns the text of createdb.sql for a database, if pg_dump's output lacks it; undefined when nothing is needed.
	 */
	readonly createScript: (database: string) => Promise<string | undefined>;
	/** Starts to record what a restore drill compares; undefined when that is disabled or impossible. */
	readonly record?: (database: string, dump: RecordedDump) => Promise<Recording | undefined>;
	readonly unshipped: UploadRetries;
	/** Present for one shard of a divided run. */
	readonly shard: ShardWork | undefined;
	/** Returns whether a dump that was read back could be read to its end. */
	readonly fullyRead: (file: PendingFile) => boolean;
	/** Called with the published and uploaded files of a job when it is done. */
	readonly onFiles: (job: PublishedJob) => void;
};

type StageSettings = Pick<BackupShared, 'run' | 'encryption' | 'uploads' | 'readBack'>;

/** Returns the stages of a job with these settings, and the places of its upload if there are several. */
export function plannedStages(shared: StageSettings): Pick<PlannedJob, 'stages' | 'places'> {
	const places = shared.uploads.map(({storage}) => storage.kind);
	return {stages: stagesOf(shared), ...(places.length > 1 && {places})};
}

function stagesOf(shared: StageSettings): StageName[] {
	const {settings} = shared.run.configuration;
	const hashes = settings.checksumAlgorithm !== 'none' || settings.verify !== 'none';
	return [
		'dump',
		...(hashes ? (['checksum'] as const) : []),
		...(shared.encryption ? (['encrypt'] as const) : []),
		...(shared.uploads.length > 0 ? (['upload'] as const) : []),
		...(shared.readBack ? (['verify'] as const) : []),
	];
}

/** Returns callbacks that report a child's command line and output as events of its job. */
export function reportsOf(emit: Emit, job: string): Pick<DumpCommand, 'onLine' | 'onStart'> {
	return {
		onLine: line => emit({type: 'job.output', job, line}),
		onStart: words => emit({type: 'job.command', job, command: shownCommand(words)}),
	};
}

/**
 * Returns a name unique to the job, so that the server's views distinguish our sessions: 48 bits of a checksum, because
 * names are limited to 63 bytes.
 */
export function applicationName(tag: string, job: string): string {
	return `pg_back ${tag} ${createHash('sha256').update(job).digest('hex').slice(0, 12)}`;
}
