/** A backup's progress: what its tasks will dump, told to the estimators, and what it learned, kept for the next run. */
import {messageOf} from '../../core/errors.js';
import {supportsParallel} from '../../postgres/versions.js';
import type {Database, Server} from '../../postgres/catalog.js';
import type {Session} from '../../postgres/session.js';
import {applicationName, stagesOf, type BackupShared} from '../backup-jobs.js';
import type {Task} from '../scheduler.js';
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
};

export type BackupProgress = {
	readonly progress: Progress;
	/** Closes the connections and keeps what was learned. */
	readonly stop: () => Promise<void>;
};

export async function startBackupProgress(options: BackupProgressOptions): Promise<BackupProgress> {
	const {shared, server, databases, others, connect} = options;
	const {run} = shared;
	const {settings} = run.configuration;
	const directory = settings.backupDirectory.replaceAll('{dbname}', '');
	const history = settings.progressInterval > 0 ? await readHistory(directory) : new History();
	const progress = new Progress({
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
		cluster: server.systemIdentifier ?? `${server.host}:${server.port}`,
	});
	return {
		progress,
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

function expectedDump(shared: BackupShared, server: Server, database: Database): ExpectedDump {
	const {run, tools} = shared;
	const {name} = database;
	const {schemas, excludeSchemas, tables, excludeTables, withBlobs, pgDumpOptions, format, parallelBackupJobs} =
		run.configuration.forDatabase(name);
	const id = `database:${name}`;
	const workers = format === 'directory' && supportsParallel(tools.pgDump.version) ? parallelBackupJobs : 1;
	return {
		id,
		name,
		application: shared.connection.forDatabase(name, {applicationName: applicationName(run.tag, id)}).applicationName,
		bytes: database.size,
		stages: stagesOf(shared),
		workers,
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
