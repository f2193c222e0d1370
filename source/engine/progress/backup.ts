/** A backup's progress: what its tasks will dump, told to the estimators, and what it learned, kept for the next run. */
import type {DumpFormat} from '../../core/formats.js';
import {messageOf, PgBackError, RequeuedError} from '../../core/errors.js';
import type {LockInfo, NewEvent} from '../../core/events.js';
import {formatDuration} from '../../lib/format.js';
import {supportsParallel, supportsZstd} from '../../postgres/versions.js';
import type {Database, Server} from '../../postgres/catalog.js';
import type {Session} from '../../postgres/session.js';
import {applicationName, stagesOf, type BackupShared} from '../backup-jobs.js';
import type {Scheduler, Task} from '../scheduler.js';
import {History, readHistory, writeHistory} from './history.js';
import {Progress, type ExpectedDump} from './progress.js';

export type BackupProgressOptions = {
	readonly shared: BackupShared;
	readonly server: Server;
	/** In the order in which they are dumped. */
	readonly databases: readonly Database[];
	/** Uploads that an earlier run left. */
	readonly others: readonly Task[];
	readonly connect: (database?: string) => Promise<Session>;
	/** Asked when a dump has to make room for others. */
	readonly scheduler: () => Scheduler;
};

export type BackupProgress = {
	readonly progress: Progress;
	/** Told of all that the jobs do. */
	readonly see: (event: NewEvent) => void;
	/** Closes the connections and keeps what was learned. */
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
		giveWay(job, action, blocking) {
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
					text: `what this run learned for the next one's progress cannot be kept: ${messageOf(error)}`,
				});
			});
		},
	};
}

/** After that a database is dumped to its end, whoever waits. */
const maxRequeues = 2;

function reasonFor(action: 'cancel' | 'requeue', [first]: readonly LockInfo[]): PgBackError {
	const table = first?.table ?? 'a table';
	const waited = formatDuration(first?.waiting ?? 0);
	if (action === 'requeue')
		return new RequeuedError(
			`others have waited ${waited} for ${table} behind it: it is dumped again at the end of the run`,
		);
	return new PgBackError(
		'DUMP_FAILED',
		`others have waited ${waited} for ${table} behind it: given up (on_blocking = cancel)`,
		{
			hint: 'dump it when nobody alters its tables, or use on_blocking = requeue',
		},
	);
}

function expectedDump(shared: BackupShared, server: Server, database: Database): ExpectedDump {
	const {run, tools} = shared;
	const {name} = database;
	const {schemas, excludeSchemas, tables, excludeTables, withBlobs, pgDumpOptions, format, parallelBackupJobs} =
		run.configuration.forDatabase(name);
	const id = `database:${name}`;
	const compression = shared.compression.get(name);
	const zstd = supportsZstd(tools.pgDump.version);
	const workers = format === 'directory' && supportsParallel(tools.pgDump.version) ? parallelBackupJobs : 1;
	return {
		id,
		name,
		application: shared.connection.forDatabase(name, {applicationName: applicationName(run.tag, id)}).applicationName,
		bytes: database.size,
		stages: stagesOf(shared),
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

/** gzip or more, which may take longer than reading. */
function compresses(format: DumpFormat, compression: string | undefined): boolean {
	if (compression === undefined) return format === 'custom' || format === 'directory';
	return format !== 'tar' && compression !== '0' && !/^(?:none|lz4)/.test(compression);
}
