/** The body of a backup, between the hooks: connect, plan, dump, resume, purge. */
import {dirname} from 'node:path';
import type {PgBackError} from '../core/errors.js';
import {plural} from '../lib/format.js';
import type {Database} from '../postgres/catalog.js';
import {createDatabaseScript, hasDatabase} from '../postgres/create-database.js';
import type {Session} from '../postgres/session.js';
import {findPsql, type Tools} from '../postgres/tools.js';
import type {Manifest} from '../repository/manifest.js';
import {closeAll, openUploadPlaces, type Remote, uploadOptions} from '../repository/remote.js';
import type {Subject} from '../retention/names.js';
import type {RunContext, SecretContext, ServerContext} from '../runs/context.js';
import {findFlock} from '../runs/file-lock.js';
import {loadConfiguredDecryption} from '../runs/identities.js';
import {type BackupFailures, findOptions, type Prepared, verifyTools} from '../runs/prepare-backup.js';
import {RunLocks} from '../runs/run-locks.js';
import {Scheduler, type Task} from '../runs/scheduler.js';
import {startTicker} from '../runs/ticker.js';
import {isSmallDatabase, prepareStreams} from '../stages/dump.js';
import {directoryProblem} from './backup-directory.js';
import type {BackupShared} from './backup-shared.js';
import {databaseTask} from './database-task.js';
import {dumpDatabases, warnOfPromotion} from './dump-databases.js';
import {FileNamer} from './file-naming.js';
import {findShrunk} from './find-shrunk.js';
import {databaseJobId, subjectOf} from './job-subjects.js';
import {writeManifest} from './manifest-writer.js';
import {startBackupProgress} from './measure-progress.js';
import {databasesOf, isNothing, isWithoutServer, nothingToDump, selectionOf} from './plan.js';
import {ownNames} from './plan-purge.js';
import {Published} from './published-files.js';
import {purgeAfterBackup} from './purge-step.js';
import {canReadBack, type ReadBack} from './read-back.js';
import {startRecording, toRecord} from './record-contents.js';
import {resumeTasks} from './resume-uploads.js';
import {retryUpload} from './retry-upload.js';
import {asPlanned, planRun, type RunPlan} from './run-plan.js';
import type {MissingDatabase} from './select-databases.js';
import {serverTasks} from './server-tasks.js';
import {Sessions} from './sessions.js';
import type {BackupRequest, ShardRun} from './shard.js';
import {requireSameServer, shardFacts, type ShardParts, startShard, takingOver, vanished} from './shard-work.js';
import {sweepRemote} from './sweep-remote.js';
import type {TakeOver} from './take-over.js';

/** Resources that a backup holds while it runs. */
type Backup = {
	readonly run: RunContext;
	readonly prepared: Prepared;
	readonly options: BackupRequest;
	/** Milliseconds since the epoch. */
	readonly start: number;
	/** Where dumps are uploaded to. */
	readonly places: readonly Remote[];
	readonly sessions: Sessions;
	readonly locks: RunLocks;
	readonly published: Published;
	/** Present for one shard of a divided run. */
	readonly shard: ShardRun | undefined;
};

/** Runs the body. Adds failures to `failed`; throws when it cannot continue. */
export async function dumpServer(
	run: RunContext,
	prepared: Prepared,
	options: BackupRequest,
	failed: BackupFailures,
): Promise<void> {
	const start = options.shard?.start ?? run.now().getTime();
	const places = await openUploadPlaces(run);
	findFlock(run.env);
	const sessions = new Sessions(run, prepared.connection);
	const locks = new RunLocks(run);
	const {shard} = options;
	const published = new Published();
	const backup: Backup = {run, prepared, options, start, places, sessions, locks, published, shard};
	try {
		await backUp(backup, failed);
	} finally {
		await sessions.close();
		await locks.release();
		await closeAll(places);
	}
}

async function backUp(backup: Backup, failed: BackupFailures): Promise<void> {
	const {run, prepared, places, sessions, locks, shard} = backup;
	run.emit({type: 'run.phase', phase: 'connecting'});
	const session = await sessions.open();
	const namer = new FileNamer(run, shard && new Date(shard.start));
	const {planned, locking} = await planBackupRun(backup, session, namer);
	if (shard) requireSameServer(shard, planned.facts);
	const large = databasesOf(planned.facts).some(({size}) => !isSmallDatabase(size));
	if (prepared.encryption && large) prepareStreams(run.env);
	if (isNothing(planned.facts)) failed.failures.push(nothingToDump());
	const parts = shard && startShard(run, places[0], {shard, namer, published: backup.published});
	const shared = await sharedBy(backup, {session, namer, parts}, planned);
	await locking; // both check what dead runs have left
	const context = {backup, session, planned, shared, takeOver: parts?.takeOver};
	const scheduler = await runJobs(context);
	for (const {plan, error} of scheduler.outcomes()) {
		if (!error) continue;
		failed.failures.push(error);
		failed.jobFailures.add(error);
		if (plan.kind === 'database') failed.databases.push(plan.name);
	}
	run.signal.throwIfAborted();
	void sessions.close(); // nothing below asks the server; psql exits while the manifest is written
	failed.failures.push(...(await recordAndPurge(context, scheduler)));
	const dead = new Set([...locks.dead, ...(shard?.dead ?? [])]);
	for (const remote of places) await sweepRemote(run, remote, dead);
}

async function planBackupRun(
	{run, options, start, places, locks, shard}: Backup,
	session: Session,
	namer: FileNamer,
): Promise<{readonly planned: RunPlan; readonly locking: Promise<unknown> | undefined}> {
	let locking: Promise<unknown> | undefined;
	const planned = await planRun({
		...{run, session, start, places, databases: options.databases, shard},
		isOwn: ownNames(namer.named),
		onServer() {
			namer.fixTime();
			// Runs while the server computes sizes; an error is thrown to the first job that needs the lock.
			locking = lockRunDirectory(locks, namer).catch(() => undefined);
		},
	});
	return {planned, locking};
}

/** Locks the run's directory. If it is not writable the plan reports that, and nothing is created. */
async function lockRunDirectory(locks: RunLocks, namer: FileNamer): Promise<void> {
	const path = namer.path({kind: 'run'}, undefined, 'lock');
	if ((await directoryProblem(dirname(path))) === undefined) await locks.directoryOf(path);
}

async function sharedBy(
	{run, prepared, options, places, locks, published}: Backup,
	{session, namer, parts}: {session: Session; namer: FileNamer; parts: ShardParts | undefined},
	{facts}: RunPlan,
): Promise<BackupShared> {
	const {settings} = run.configuration;
	const {tools, compression, server} = facts;
	const readBack = settings.verify === 'full' ? await readBackOf(run, tools) : undefined;
	return {
		...{run, namer, locks, tools, compression, readBack, serverVersion: server.versionNumber},
		named: (options.databases ?? settings.includeDbs).length > 0,
		connection: prepared.connection,
		encryption: prepared.encryption,
		uploads: places.map(remote => uploadOptions(run, remote)),
		fullyRead: file => readBack !== undefined && canReadBack(file, readBack),
		isThere: async database => hasDatabase(session, database),
		createScript: async database => {
			const {text, warnings} = await createDatabaseScript(session, database);
			for (const warning of warnings) run.emit({type: 'log', level: 'warn', text: warning});
			return text === '' ? undefined : text;
		},
		record: await recorderOf(run, prepared, session, selectionOf(facts).databases),
		unshipped: new Map(),
		shard: parts?.work,
		onFiles: job => published.add(job),
	};
}

async function readBackOf(run: ServerContext & SecretContext, tools: Tools): Promise<ReadBack> {
	return {keys: await loadConfiguredDecryption(run), tools: verifyTools(run, tools)};
}

async function recorderOf(
	run: ServerContext,
	{connection}: Prepared,
	control: Session,
	databases: readonly Database[],
): Promise<BackupShared['record']> {
	const {recordContents: mode, jobs} = run.configuration.settings;
	const wanted = mode === 'none' ? new Set<string>() : toRecord(mode, databases);
	if (mode === 'none' || wanted.size === 0) return undefined;
	const psql = await findPsql(findOptions(run));
	const options = {run, psql: psql.path, connection, control, mode, others: 2 * jobs + 2};
	return async (database, dump) => (wanted.has(database) ? startRecording(options, database, dump) : undefined);
}

type PlannedBackup = {
	readonly backup: Backup;
	/** The control connection. */
	readonly session: Session;
	readonly planned: RunPlan;
	readonly shared: BackupShared;
	readonly takeOver: TakeOver | undefined;
};

/** Runs every job of the plan, and the uploads left by earlier runs. */
async function runJobs({backup, session, planned, shared}: PlannedBackup): Promise<Scheduler> {
	const {run, sessions, locks, places} = backup;
	const {facts, plan, serverFiles} = planned;
	const {server} = facts;
	const selection = selectionOf(facts);
	const databases = databasesOf(facts);
	const left = await resumeTasks(run, locks, shared.uploads);
	const watched = await startBackupProgress({
		...{shared, server, databases, others: left},
		connect: database => sessions.open(database),
		scheduler: () => scheduler,
	});
	const scheduler: Scheduler = new Scheduler({
		concurrency: 1,
		signal: run.signal,
		emit(event) {
			run.emit(event);
			watched.see(event);
		},
	});
	run.onScheduler?.(scheduler);
	const stopTicker = startTicker(() => scheduler.meters(), run.emit, watched.progress);
	try {
		const {shard, unshipped} = shared;
		const own = (task: Task) => retryUpload(takingOver(task, shard), unshipped);
		const tasks = asPlanned(
			plan,
			databases.map(database => own(databaseTask(shared, database))),
		);
		const others = isWithoutServer(facts)
			? []
			: asPlanned(plan, serverTasks(shared, session, server, serverFiles).map(own));
		const missing = selection.missing.map(missingTask);
		announcePlan(shared, [...missing, ...others, ...tasks, ...left], places);
		scheduler.add([...missing, ...others]);
		await scheduler.idle();
		await dumpDatabases({run, sessions, session, scheduler}, tasks);
		if (server.inRecovery) await warnOfPromotion(run.emit, sessions);
		scheduler.add(left);
		await scheduler.idle();
	} finally {
		scheduler.close();
		stopTicker();
		await watched.stop();
	}
	return scheduler;
}

/**
 * Returns a task that fails for a requested database that does not exist, so that it appears in every table and count.
 */
function missingTask({name, error}: MissingDatabase): Task {
	return {
		plan: {id: databaseJobId(name), kind: 'database', name, stages: ['dump']},
		run: () => Promise.reject(error),
	};
}

function announcePlan(shared: BackupShared, tasks: readonly Task[], places: readonly Remote[]): void {
	const {run, encryption} = shared;
	const {settings} = run.configuration;
	const recipients = encryption?.recipients.length ?? 0;
	run.emit({
		type: 'run.planned',
		jobs: tasks.map(task => task.plan),
		concurrency: settings.jobs,
		destinations: [settings.backupDirectory, ...places.map(({location}) => location)],
		...(encryption && {
			encryption: encryption.passphrase ? 'age, passphrase' : `age, ${plural(recipients, 'recipient')}`,
		}),
	});
}

/** Writes the manifest, then purges as planned. Returns the failures of the purge. */
async function recordAndPurge(
	{backup, planned, shared, takeOver}: PlannedBackup,
	scheduler: Scheduler,
): Promise<readonly PgBackError[]> {
	const {run, start, places, published, shard} = backup;
	const {facts} = planned;
	const selection = selectionOf(facts);
	const gone = new Set(
		scheduler
			.outcomes()
			.flatMap(({plan, outcome}) => (outcome === 'done' && !published.has(plan.id) ? [plan.name] : [])),
	);
	const asked = [
		...selection.missing.map(({name}) => name),
		...selection.databases.map(({name}) => name).filter(name => !gone.has(name)),
	];
	const purge = await planned.purge();
	const {server} = facts;
	let shrunk: readonly string[] = [];
	const alarm = async (manifest: Manifest) => (shrunk = await findShrunk(run, places, manifest));
	const about = {start, server, databases: asked, scheduler, published, purge, takeOver};
	const dropped = facts.part === undefined ? [] : vanished(run.emit, facts);
	const isOwn = (name: string) => facts.part?.has(name) ?? true;
	const ofShard = shardFacts(shard, [...dropped, ...[...gone].filter(isOwn)]);
	const failures = await writeManifest({...shared, ...about, shard: ofShard, findShrunk: alarm});
	// Old dumps are purged by --purge, which sees the whole run.
	if (shard) return failures;
	const subjectsAt = (remote?: Remote) => doneSubjects(scheduler, published, remote);
	const step = {run, facts, published, places, subjectsAt, planned: purge, shrunk: new Set(shrunk)};
	return [...failures, ...(await purgeAfterBackup(step))];
}

/**
 * Returns the subjects that were dumped successfully: only their old dumps are purged. At a remote, also those that only
 * another place lacks.
 */
function doneSubjects(scheduler: Scheduler, published: Published, remote: Remote | undefined): readonly Subject[] {
	return scheduler.outcomes().flatMap(({plan, outcome}) => {
		const isThere = outcome === 'failed' && remote !== undefined && published.isAt(plan.id, remote.storage.location);
		if (!(outcome === 'done' || isThere) || !published.has(plan.id)) return [];
		return subjectOf(plan) ?? [];
	});
}
