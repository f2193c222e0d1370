/** The body of a backup, between the hooks: connect, plan, dump, resume, purge. */
import {join} from 'node:path';
import {PgBackError} from '../core/errors.js';
import {plural} from '../lib/format.js';
import {listDatabases, serverInfo, type Database, type Server} from '../postgres/catalog.js';
import {createDatabaseScript} from '../postgres/create-database.js';
import {pauseReplication} from '../postgres/replication.js';
import {readServerFile, readSettings, type ServerFile} from '../postgres/server-files.js';
import type {Session} from '../postgres/session.js';
import {findPsql, findTools, type Tools} from '../postgres/tools.js';
import {formatVersion} from '../postgres/versions.js';
import type {Subject} from '../retention/names.js';
import type {PendingFile} from '../stages/artifact.js';
import {prepareStreams} from '../stages/dump.js';
import {databaseTask, globalsTask, serverFileTask, type BackupShared} from './backup-jobs.js';
import {
	backupToolOptions,
	findOptions,
	verifyTools,
	type BackupOptions,
	type Damage,
	type Prepared,
} from './prepare.js';
import type {RunContext} from './context.js';
import {hasDecryptionMaterial} from './key-material.js';
import {RunLocks} from './locks.js';
import {askPgDump, resolveCompressions} from './compression.js';
import {FileNamer} from './output.js';
import {writeManifest} from './manifest-step.js';
import {inDumpOrder, selectDatabases} from './plan.js';
import {startBackupProgress} from './progress/backup.js';
import {Published} from './published.js';
import {canReadBack, type ReadBack} from './read-back.js';
import {purgeAfterBackup} from './purge-step.js';
import {startRecording, toRecord} from './record-contents.js';
import {downloadBase, openRemote, uploadOptions} from './remote.js';
import {resumeTasks} from './resume-uploads.js';
import {Scheduler, type Task} from './scheduler.js';
import {Sessions} from './sessions.js';
import {startTicker} from './ticker.js';

/** Adds what fails to `damage`; throws when it cannot go on. */
export async function dumpServer(
	run: RunContext,
	prepared: Prepared,
	options: BackupOptions,
	damage: Damage,
): Promise<void> {
	const {settings} = run.configuration;
	const start = run.now().getTime();
	const remote = settings.upload === 'none' ? undefined : await openRemote(run, settings.upload);
	const sessions = new Sessions(run, prepared.connection);
	const locks = new RunLocks(run.tag, run.env, run.emit);
	try {
		run.emit({type: 'run.phase', phase: 'connecting'});
		if (prepared.encryption) prepareStreams(run.env);
		const session = await sessions.open();
		const server = await serverInfo(session);
		run.emit({type: 'run.connected', server});
		const tools = await findTools({...backupToolOptions(run), serverVersion: server.versionNumber});
		run.emit({
			type: 'log',
			level: 'info',
			text: `using pg_dump ${formatVersion(tools.pgDump.version)} at ${tools.pgDump.path}`,
		});
		if (tools.warning !== undefined) run.emit({type: 'log', level: 'warn', text: tools.warning});
		const namer = new FileNamer(run);
		namer.fixTime();
		// While the server counts sizes; whoever needs it first is told what stands in the way.
		const locking = locks.directoryOf(namer.path({kind: 'run'}, undefined, 'lock')).catch(() => undefined);
		const inventory = await listDatabases(session, {sizes: true});
		const include = options.databases ?? settings.includeDbs;
		const selection = selectDatabases(inventory, {
			include,
			exclude: settings.excludeDbs,
			withTemplates: settings.withTemplates,
		});
		for (const text of selection.warnings) run.emit({type: 'log', level: 'warn', text});
		const {failures} = damage;
		if (selection.databases.length === 0 && selection.problems.length === 0) {
			failures.push(
				new PgBackError('NOTHING_TO_DO', 'there is no database to dump', {
					hint: 'check include_dbs, exclude_dbs and the names given',
				}),
			);
		}
		const compression = await resolveCompressions(
			run.configuration,
			selection.databases.map(database => database.name),
			{version: tools.pgDump.version, ask: askPgDump(tools.pgDump, run.env, run.signal)},
		);
		const published = new Published();
		const shared: BackupShared = {
			run,
			named: include.length > 0,
			connection: prepared.connection,
			tools,
			namer,
			locks,
			encryption: prepared.encryption,
			compression,
			uploads: remote && uploadOptions(run, remote),
			readBack: settings.verify === 'full' ? await readBackOf(run, tools) : undefined,
			createScript: async database => {
				const {text, warnings} = await createDatabaseScript(session, database);
				for (const warning of warnings) run.emit({type: 'log', level: 'warn', text: warning});
				return text === '' ? undefined : text;
			},
			record: await recorderOf(run, prepared, session, selection.databases),
			onFiles: job => published.add(job),
		};
		await locking; // both look at what dead runs have left
		const databases = inDumpOrder(selection.databases, settings.jobs);
		const left = shared.uploads ? await resumeTasks(run, locks, shared.uploads) : [];
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
			const tasks = databases.map(database => databaseTask(shared, database));
			const others = settings.dumpOnly ? [] : serverTasks(shared, session, server);
			const missing = selection.problems.map((problem, index) => missingTask(selection.missing[index] ?? '', problem));
			announcePlan(shared, [...missing, ...others, ...tasks, ...left], remote?.location);
			scheduler.add([...missing, ...others]);
			await scheduler.idle();
			await dumpDatabases(run, sessions, session, scheduler, tasks);
			scheduler.add(left);
			await scheduler.idle();
		} finally {
			scheduler.close();
			stopTicker();
			await watched.stop();
		}
		for (const {plan, error} of scheduler.outcomes()) {
			if (!error) continue;
			failures.push(error);
			if (plan.kind === 'database') damage.databases.push(plan.name);
		}
		run.signal.throwIfAborted();
		const gone = new Set(
			scheduler
				.outcomes()
				.flatMap(({plan, outcome}) => (outcome === 'done' && !published.has(plan.id) ? [plan.name] : [])),
		);
		const asked = [
			...selection.missing,
			...selection.databases.map(database => database.name).filter(name => !gone.has(name)),
		];
		const fullyRead = (file: PendingFile) => shared.readBack !== undefined && canReadBack(file, shared.readBack);
		await writeManifest({...shared, start, server, databases: asked, scheduler, published, fullyRead});
		failures.push(
			...(await purgeAfterBackup({
				run,
				start,
				published,
				inventory,
				server,
				remote,
				subjects: doneSubjects(scheduler, published),
			})),
		);
	} finally {
		await sessions.close();
		await locks.release();
		await remote?.close();
	}
}

/** With replay paused on a standby, so that pg_dump cannot wait for ever behind it. */
async function dumpDatabases(
	run: RunContext,
	sessions: Sessions,
	session: Session,
	scheduler: Scheduler,
	databases: readonly Task[],
): Promise<void> {
	if (databases.length === 0) return;
	const {settings} = run.configuration;
	const pause = await pauseReplication({
		session,
		openSession: () => sessions.open(),
		timeoutSeconds: settings.pauseTimeout,
		markerPath: join(downloadBase(settings.backupDirectory), '.pg_back-replication-paused'),
		signal: run.signal,
		log: (level, text) => run.emit({type: 'log', level, text}),
	});
	try {
		run.emit({
			type: 'run.phase',
			phase: 'dumping',
			text: `dumping ${plural(databases.length, 'database')}, ${settings.jobs} at a time`,
		});
		scheduler.concurrency = settings.jobs;
		scheduler.add(databases);
		await scheduler.idle();
	} finally {
		await pause?.resume();
	}
}

async function readBackOf(run: RunContext, tools: Tools): Promise<ReadBack> {
	const keys = hasDecryptionMaterial(run) ? await (await import('./keys.js')).loadRunDecryption(run) : undefined;
	return {keys, tools: verifyTools(run, tools)};
}

async function recorderOf(
	run: RunContext,
	{connection}: Prepared,
	control: Session,
	databases: readonly Database[],
): Promise<BackupShared['record']> {
	const {recordContents: mode, jobs} = run.configuration.settings;
	const wanted = mode === 'none' ? new Set<string>() : toRecord(mode, databases);
	if (mode === 'none' || wanted.size === 0) return undefined;
	const psql = await findPsql(findOptions(run));
	const options = {run, psql: psql.path, connection, control, mode, others: 2 * jobs + 2};
	return async (database, job, signal) =>
		wanted.has(database) ? startRecording(options, database, job, signal) : undefined;
}

/** A database that was asked for and is not there fails as a job: it stands in every table and every count. */
function missingTask(name: string, problem: PgBackError): Task {
	return {
		plan: {id: `database:${name}`, kind: 'database', name, stages: ['dump']},
		run: () => Promise.reject(problem),
	};
}

/** What was dumped well: only of that are old dumps purged. */
function doneSubjects(scheduler: Scheduler, published: Published): readonly Subject[] {
	return scheduler.outcomes().flatMap(({plan: {id, kind, name}, outcome}): Subject[] => {
		if (outcome !== 'done' || !published.has(id)) return [];
		if (kind === 'database') return [{kind, name}];
		return kind === 'globals' || kind === 'settings' || kind === 'hba' || kind === 'ident' ? [{kind}] : [];
	});
}

function serverTasks(shared: BackupShared, session: Session, server: Server): Task[] {
	const {run} = shared;
	const reading = (read: () => Promise<ServerFile>) => async () => {
		const {content, warning} = await read();
		if (warning !== undefined) run.emit({type: 'log', level: 'warn', text: warning});
		return content ?? warning?.replace(/^[^:]*not dumped: /, '') ?? 'the server has nothing there';
	};
	const {dumpRolePasswords} = run.configuration.settings;
	const withPasswords = dumpRolePasswords && server.canReadRolePasswords;
	if (dumpRolePasswords && !withPasswords) {
		run.emit({
			type: 'log',
			level: 'warn',
			text: `role passwords are not dumped: user ${server.user} lacks select on pg_authid`,
		});
	}
	return [
		globalsTask(shared, withPasswords),
		serverFileTask(
			shared,
			'settings',
			reading(() => readSettings(session)),
		),
		serverFileTask(
			shared,
			'hba',
			reading(() => readServerFile(session, 'hba_file')),
		),
		serverFileTask(
			shared,
			'ident',
			reading(() => readServerFile(session, 'ident_file')),
		),
	];
}

function announcePlan(shared: BackupShared, tasks: readonly Task[], remoteLocation: string | undefined): void {
	const {run, encryption} = shared;
	const {settings} = run.configuration;
	const recipients = encryption?.recipients.length ?? 0;
	run.emit({
		type: 'run.planned',
		jobs: tasks.map(task => task.plan),
		concurrency: settings.jobs,
		destinations: [settings.backupDirectory, ...(remoteLocation === undefined ? [] : [remoteLocation])],
		...(encryption && {
			encryption: encryption.passphrase ? 'age, passphrase' : `age, ${plural(recipients, 'recipient')}`,
		}),
	});
}
