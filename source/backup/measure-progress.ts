/**
 * Measures the progress of a backup: passes the planned dumps to the estimators, and saves what was learned for the
 * next run.
 */
import {messageOf, PgBackError, RequeuedError} from '../core/errors.js';
import type {LockInfo, NewEvent} from '../core/events.js';
import type {DumpFormat} from '../core/formats.js';
import {formatDuration} from '../lib/format.js';
import type {Database, Server} from '../postgres/catalog.js';
import type {Session} from '../postgres/session.js';
import {supportsParallel, supportsZstd} from '../postgres/versions.js';
import {History, readHistory, writeHistory} from '../progress/history.js';
import {type ExpectedDump, Progress} from '../progress/progress.js';
import type {Scheduler, Task} from '../runs/scheduler.js';
import {applicationName, type BackupShared, plannedStages} from './backup-shared.js';
import {databaseJobId} from './job-subjects.js';
import {sendingOf} from './sending.js';

export type BackupProgressOptions = {
	readonly shared: BackupShared;
	readonly server: Server;
	/** In the order of dumping. */
	readonly databases: readonly Database[];
	/** Uploads left by an earlier run. */
	readonly others: readonly Task[];
	readonly connect: (database?: string) => Promise<Session>;
	/** Called when a dump has to be stopped to make room for others. */
	readonly scheduler: () => Scheduler;
};

export type BackupProgress = {
	readonly progress: Progress;
	/** Receives all events of the jobs. */
	readonly see: (event: NewEvent) => void;
	/** Closes the connections and saves what was learned. */
	readonly stop: () => Promise<void>;
};

export async function startBackupProgress(options: BackupProgressOptions): Promise<BackupProgress> {
	const {shared, server, databases, others, connect, scheduler} = options;
	const {run} = shared;
	const {settings} = run.configuration;
	const directory = settings.backupDirectory.replaceAll('{dbname}', '');
	const history = settings.progressInterval > 0 ? await readHistory(directory) : new History();
	const progress = new Progress({
		guard: {warnAfter: settings.lockWarnAfter, onBlocking: settings.onBlocking, maxRequeues},
		yieldLocks(job, action, blocking) {
			scheduler().cancel(job, reasonFor(action, blocking));
		},
		emit: run.emit,
		now: () => run.now().getTime(),
		interval: settings.progressInterval,
		connect,
		concurrency: settings.jobs,
		dumps: databases.map(database => expectedDump(shared, server, database)),
		others: others.map(({plan: {id, name, stages, estimatedBytes}}) => ({
			id,
			name,
			stages,
			application: '',
			bytes: estimatedBytes,
			workers: 1,
		})),
		history,
		serverVersion: server.versionNumber,
		cluster: server.systemIdentifier ?? `${server.host}:${server.port}`,
	});
	return {
		progress,
		see(event) {
			progress.see(event);
			if (event.type === 'job.finished' && event.again) scheduler().retry(event.job);
		},
		async stop() {
			await progress.stop();
			if (!progress.learned) return;
			await writeHistory(directory, history).catch((error: unknown) => {
				run.emit({
					type: 'log',
					level: 'warn',
					text: `cannot save the progress history for the next run: ${messageOf(error)}`,
				});
			});
		},
	};
}

/** After this number, a database is dumped to its end even if other sessions wait. */
const maxRequeues = 2;

function reasonFor(action: 'cancel' | 'requeue', [first]: readonly LockInfo[]): PgBackError {
	const table = first?.table ?? 'a table';
	const waited = formatDuration(first?.waiting ?? 0);
	if (action === 'requeue')
		return new RequeuedError(
			`other sessions have waited ${waited} for ${table} behind this dump: requeued to the end of the run`,
		);
	return new PgBackError(
		'DUMP_FAILED',
		`other sessions have waited ${waited} for ${table} behind this dump: canceled (on_blocking = cancel)`,
		{
			hint: 'dump it when no session alters its tables, or use on_blocking = requeue',
		},
	);
}

function expectedDump(shared: BackupShared, server: Server, database: Database): ExpectedDump {
	const {run, tools} = shared;
	const {name} = database;
	const {schemas, excludeSchemas, tables, excludeTables, withBlobs, pgDumpOptions, format, parallelBackupJobs} =
		run.configuration.forDatabase(name);
	const id = databaseJobId(name);
	const compression = shared.compression.get(name);
	const zstd = supportsZstd(tools.pgDump.version);
	const workers =
		format === 'directory' && supportsParallel(tools.pgDump.version) ? Math.max(1, parallelBackupJobs) : 1;
	return {
		id,
		name,
		application: shared.connection.forDatabase(name, {applicationName: applicationName(run.tag, id)}).applicationName,
		bytes: database.size,
		...plannedStages(shared),
		sendsMeanwhile: sendingOf(run.configuration.settings, format === 'directory') !== 'after',
		workers,
		limits: {workers, encrypts: shared.encryption !== undefined, compresses: compresses(format, compression)},
		advice: zstd ? 'compress_level = zstd:3' : 'compress_level = 1, or pg_dump 16 or later and compress_level = zstd:3',
		choices: {
			schemas,
			excludeSchemas,
			tables,
			excludeTables,
			withBlobs,
			options: pgDumpOptions,
			workers,
			inRecovery: server.inRecovery,
		},
	};
}

/** Returns true for gzip or stronger, which may take longer than reading. */
function compresses(format: DumpFormat, compression: string | undefined): boolean {
	if (compression === undefined) return format === 'custom' || format === 'directory';
	return format !== 'tar' && compression !== '0' && !/^(?:none|lz4)/.test(compression);
}
