/** The task of a backup that dumps one database. */
import type {DatabaseSettings} from '../config/options.js';
import {messageOf, PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {encodeRaw} from '../lib/raw-text.js';
import {once} from '../lib/single-chunk.js';
import type {Database} from '../postgres/catalog.js';
import {type TableRows, withRows} from '../postgres/recorded-contents.js';
import {supportsConnectionString} from '../postgres/versions.js';
import type {Subject} from '../retention/names.js';
import type {JobControl, Task} from '../runs/scheduler.js';
import {type ArtifactOptions, writeArtifact, type Written} from '../stages/artifact.js';
import {type DumpCommand, dumpToArtifact, isSmallDatabase} from '../stages/dump.js';
import {compressedSuffix, dumpArguments, dumpSuffixes, needsCreateFile} from '../stages/dump-arguments.js';
import {dumpToDirectory} from '../stages/dump-directory.js';
import {applicationName, type BackupShared, plannedStages, reportsOf} from './backup-shared.js';
import {JobOutput} from './job-output.js';
import {databaseJobId} from './job-subjects.js';
import type {Split} from './split-tables.js';

export function databaseTask(shared: BackupShared, database: Database): Task {
	const {run} = shared;
	const {name} = database;
	const settings = run.configuration.forDatabase(name);
	const id = databaseJobId(name);
	return {
		plan: {
			id,
			kind: 'database',
			name,
			...plannedStages(shared),
			format: settings.format,
			...(database.size !== undefined && {estimatedBytes: database.size}),
		},
		async run(control) {
			const lockPath = shared.namer.path({kind: 'database', name}, undefined, 'lock');
			const directoryLock = await shared.locks.directoryOf(lockPath);
			const lock = await shared.locks.database(lockPath, name);
			const inherit = [...new Set([lock.descriptor, directoryLock.descriptor])];
			try {
				await dumpDatabase({shared, database, settings, id, control, inherit});
			} catch (error) {
				const gone = error instanceof PgBackError && error.code === 'DATABASE_GONE';
				if (!gone || shared.named) throw error;
				if (await shared.isThere(name)) throw unreachable(name);
				run.emit({type: 'log', level: 'warn', text: `database ${name} was dropped before it could be dumped`, job: id});
				run.emit({
					type: 'job.result',
					job: id,
					result: 'gone',
					detail: 'the database was dropped before it could be dumped',
				});
			} finally {
				await lock.release();
			}
		},
	};
}

/** A client sends the name in UTF-8, and the server compares bytes. */
function unreachable(name: string): PgBackError {
	return new PgBackError('DUMP_FAILED', `database ${display(name)} exists, but pg_dump cannot connect to it`, {
		hint: 'connect with -d to a database in the encoding that its name was written in, usually UTF8, or rename it',
	});
}

type DatabaseJob = {
	readonly shared: BackupShared;
	readonly database: Database;
	readonly settings: DatabaseSettings;
	/** The id of the job. */
	readonly id: string;
	readonly control: JobControl;
	/** Descriptors of the locks that pg_dump inherits. */
	readonly inherit: readonly number[];
};

async function dumpDatabase(job: DatabaseJob): Promise<void> {
	const {shared, database, settings} = job;
	const {name} = database;
	const compression = shared.compression.get(name);
	const suffix = dumpSuffixes[settings.format] as 'sql' | 'dump' | 'tar' | 'd';
	const compressed = compressedSuffix(settings.format, compression);
	const time = await shared.namer.time({kind: 'database', name}, suffix, compressed);
	const split = await splitOf(job, compression);
	try {
		const plainPath = shared.namer.path({kind: 'database', name}, time, suffix, compressed);
		await dumpTo(plainPath, job, {time, compression, split});
	} finally {
		await split?.close();
	}
}

type PreparedDump = {
	/** The time in the names of the files. */
	readonly time: Date;
	readonly compression: string | undefined;
	readonly split: Split | undefined;
};

async function dumpTo(plainPath: string, job: DatabaseJob, {time, compression, split}: PreparedDump): Promise<void> {
	const {shared, database, settings, id, control} = job;
	const {tools, namer} = shared;
	const {name} = database;
	const subject: Subject = {kind: 'database', name};
	const {command, warnings} = pgDumpCommand(job, compression, split?.dumpJobs);
	for (const text of warnings) shared.run.emit({type: 'log', level: 'warn', text: `${name}: ${text}`, job: id});
	const recording =
		dumpsEverything(settings) && tools.pgDump.version >= 90_500
			? await shared.record?.(name, {job: id, snapshot: split?.snapshot, signal: control.signal})
			: undefined;
	const snapshot = split?.snapshot ?? recording?.snapshot;
	const output = new JobOutput(shared, control, {
		subject,
		time,
		algorithm: settings.checksumAlgorithm,
		format: settings.format,
		...(settings.format === 'directory' && {directory: plainPath}),
		...(database.size !== undefined && {
			expectedSize: database.size,
			...(dumpsEverything(settings) && {databaseSize: database.size}),
		}),
	});
	await output
		.run(async (options, written) => {
			const dump = {...options, role: 'dump', plainPath} as const;
			const dumped =
				settings.format === 'directory' ? await dumpAsDirectory(job, {command, snapshot, split}, dump) : undefined;
			written.push(dumped?.written ?? (await dumpToArtifact(command(snapshotOption(snapshot)), dump)));
			control.lendSlot();
			if (dumped?.isRestarted) await recording?.abandon();
			else output.contents = withRows(await recording?.finish(), dumped?.tables ?? []);
			const script = {role: 'createdb', plainPath: namer.path(subject, time, 'createdb.sql')} as const;
			written.push(...(await writeCreateScript(job, {...options, ...script, meter: undefined})));
		})
		.finally(async () => recording?.abandon());
}

/** Its code is loaded only where large tables may be divided: a backup without it must not start later. */
async function splitOf(
	{shared, database, settings, control}: DatabaseJob,
	compression: string | undefined,
): Promise<Split | undefined> {
	if (settings.splitTablesLargerThan === 0 || settings.format !== 'directory') return undefined;
	const {startSplit} = await import('./split-tables.js');
	return startSplit({shared, database, settings, control, compression});
}

/** Returns the command line of pg_dump with additional arguments. */
type CommandWith = (more: readonly string[]) => DumpCommand;

type DirectoryDump = {
	readonly command: CommandWith;
	/** The snapshot that pg_dump uses; undefined: one of its own. */
	readonly snapshot: string | undefined;
	readonly split: Split | undefined;
};

function snapshotOption(snapshot: string | undefined): readonly string[] {
	return snapshot === undefined ? [] : [`--snapshot=${snapshot}`];
}

/**
 * Dumps to a directory. Returns the rows of divided tables too. When another session wants to alter one of them before
 * pg_dump has its locks, it starts again without dividing, in a snapshot of its own.
 */
async function dumpAsDirectory(
	{shared: {run}, database, id}: DatabaseJob,
	{command, snapshot, split}: DirectoryDump,
	dump: ArtifactOptions,
): Promise<{readonly written: Written; readonly tables: readonly TableRows[]; readonly isRestarted: boolean}> {
	const companion =
		split && (await import('./split-companion.js')).splitCompanion(split, {run: dump.settings.run, env: run.toolEnv});
	const more = (split?.patterns ?? []).map(pattern => `--exclude-table-data=${pattern}`);
	const start = (directory: string) => command([...snapshotOption(snapshot), ...more, '-f', directory]);
	try {
		const written = await dumpToDirectory(start, dump, companion);
		return {written, tables: companion?.tables() ?? [], isRestarted: false};
	} catch (error) {
		if (!companion?.isBlocked()) throw error;
		const text = `${database.name}: ${messageOf(error)}: starting again without dividing tables`;
		run.emit({type: 'log', level: 'warn', text, job: id});
		await split?.close();
		const written = await dumpToDirectory(directory => command(['-f', directory]), dump);
		return {written, tables: [], isRestarted: true};
	}
}

/** Returns the command line of pg_dump, and warnings about settings that it does not support or that may surprise. */
function pgDumpCommand(
	job: DatabaseJob,
	compression: string | undefined,
	parallelJobs = job.settings.parallelBackupJobs,
): {readonly command: CommandWith; readonly warnings: readonly string[]} {
	const {shared, settings, id, control, inherit} = job;
	const {run, tools} = shared;
	const {name} = job.database;
	const {lockWaitTimeout} = run.configuration.settings;
	const {args, warnings} = dumpArguments(
		{
			...settings,
			parallelJobs,
			compression,
			options: settings.pgDumpOptions,
			statistics: settings.dumpStatistics,
			serverVersion: shared.serverVersion,
			noSync: true, // pg_back flushes the output before it gets its name
			...(lockWaitTimeout > 0 && {lockWaitTimeout}),
		},
		tools.pgDump.version,
	);
	const connection = shared.connection.forDatabase(name, {
		...(settings.user !== '' && {user: settings.user}),
		applicationName: applicationName(run.tag, control.id),
		byEnvironment: !supportsConnectionString(tools.pgDump.version),
	});
	const command: CommandWith = more => ({
		command: tools.pgDump.path,
		args: [...args, ...more, ...connection.args],
		env: connection.env,
		inherit,
		onEnd: control.lendSlot,
		isSmall: isSmallDatabase(job.database.size),
		what: `pg_dump of ${display(name)}`,
		...reportsOf(run.emit, id),
	});
	return {command, warnings: [...warnings, ...settingWarnings(shared, settings)]};
}

/** Writes createdb.sql, if pg_dump's own output lacks its statements. */
async function writeCreateScript(
	{shared, database, settings}: DatabaseJob,
	options: ArtifactOptions,
): Promise<Written[]> {
	const {dumpOnly} = shared.run.configuration.settings;
	if (dumpOnly || !needsCreateFile(shared.tools.pgDump.version, settings.format)) return [];
	const script = await shared.createScript(database.name);
	return script === undefined ? [] : [await writeArtifact(once(encodeRaw(script)), options)];
}

/** Returns warnings about settings of a database with unexpected effects. */
function settingWarnings({run, encryption, record}: BackupShared, settings: DatabaseSettings): string[] {
	const {format, pgDumpOptions} = settings;
	const {recordContents} = run.configuration.settings;
	return [
		...(encryption && format === 'tar'
			? ['with format = tar, pg_dump writes each table unencrypted to a temporary file in /tmp; use format = custom']
			: []),
		...(encryption && format === 'directory'
			? [
					'with format = directory, each file is on disk unencrypted until pg_dump has finished it; use custom or plain to avoid that',
				]
			: []),
		...(pgDumpOptions.includes('--enable-row-security')
			? ['--enable-row-security: the dump omits rows that the user is not allowed to see']
			: []),
		...(record && recordContents === 'exact' && !dumpsEverything(settings)
			? ['record_contents = exact has no effect: filters or pg_dump_options decide what the dump contains']
			: []),
	];
}

/**
 * Returns false when a filter or an option of the user excludes data, because that cannot be distinguished from lost
 * data.
 */
function dumpsEverything(settings: DatabaseSettings): boolean {
	const {schemas, excludeSchemas, tables, excludeTables, withBlobs, pgDumpOptions} = settings;
	return (
		withBlobs !== false &&
		[schemas, excludeSchemas, tables, excludeTables, pgDumpOptions].every(list => list.length === 0)
	);
}
