/** The tasks of a backup: each database, the globals, and the server's own files. */
import {createHash} from 'node:crypto';
import {basename} from 'node:path';
import {PgBackError} from '../core/errors.js';
import type {JobKind, StageName} from '../core/events.js';
import type {DatabaseSettings} from '../config/options.js';
import type {Database} from '../postgres/catalog.js';
import type {Contents} from '../postgres/contents.js';
import type {Connection} from '../postgres/connection.js';
import {supportsConnectionString, supportsDirectory, supportsNoRolePasswords} from '../postgres/versions.js';
import type {Tools} from '../postgres/tools.js';
import type {Subject} from '../retention/names.js';
import type {EncryptionKeys} from '../stages/age/keys.js';
import {discardAll, publishAll, writeArtifact, type ArtifactOptions, type Written} from '../stages/artifact.js';
import {writeChecksums} from '../stages/checksum.js';
import {dumpArguments, dumpSuffixes, compressedSuffix, needsCreateFile} from '../stages/dump-arguments.js';
import {dumpToDirectory} from '../stages/dump-directory.js';
import {dumpToArtifact, type DumpCommand} from '../stages/dump.js';
import {JobUploads, type UploadOptions} from '../stages/upload.js';
import {display} from '../lib/display.js';
import {shownCommand} from '../process/shown.js';
import type {RunContext} from './context.js';
import type {RunLocks} from './locks.js';
import {outputSettings, type FileNamer} from './output.js';
import type {PublishedJob} from './published.js';
import {readBackFile, type ReadBack} from './read-back.js';
import type {Recording} from './record-contents.js';
import type {JobControl, Task} from './scheduler.js';
import {once} from '../lib/once.js';

/** All that the tasks of one backup share. */
export type BackupShared = {
	readonly run: RunContext;
	/** The databases were named by somebody: one that is gone is an error then. */
	readonly named: boolean;
	readonly connection: Connection;
	readonly tools: Tools;
	readonly namer: FileNamer;
	readonly locks: RunLocks;
	readonly encryption: EncryptionKeys | undefined;
	readonly uploads: UploadOptions | undefined;
	/** What follows `-Z`, by database; undefined leaves it to pg_dump. */
	readonly compression: ReadonlyMap<string, string | undefined>;
	/** Given: dumps are read back before they get their names. */
	readonly readBack: ReadBack | undefined;
	/** createdb.sql's text for a database, where pg_dump's own output lacks it; undefined when there is nothing to say. */
	readonly createScript: (database: string) => Promise<string | undefined>;
	/** Begins to record what a restore drill compares; undefined when that is not asked for, or cannot be. */
	readonly record?: (database: string, job: string, signal: AbortSignal) => Promise<Recording | undefined>;
	/** Told what a job has published and shipped, when it is done. */
	readonly onFiles: (job: PublishedJob) => void;
};

type Algorithm = Parameters<typeof outputSettings>[1];

/** What a job of these settings goes through. */
export function stagesOf(shared: Pick<BackupShared, 'run' | 'encryption' | 'uploads' | 'readBack'>): StageName[] {
	const {settings} = shared.run.configuration;
	const hashes = settings.checksumAlgorithm !== 'none' || settings.verify !== 'none';
	return [
		'dump',
		...(hashes ? (['checksum'] as const) : []),
		...(shared.encryption ? (['encrypt'] as const) : []),
		...(shared.uploads ? (['upload'] as const) : []),
		...(shared.readBack ? (['verify'] as const) : []),
	];
}

export function databaseTask(shared: BackupShared, database: Database): Task {
	const {run, tools} = shared;
	const {name} = database;
	const settings = run.configuration.forDatabase(name);
	const subject: Subject = {kind: 'database', name};
	const id = `database:${name}`;
	const compression = shared.compression.get(name);
	return {
		plan: {
			id,
			kind: 'database',
			name,
			stages: stagesOf(shared),
			format: settings.format,
			...(database.size !== undefined && {estimatedBytes: database.size}),
		},
		async run(control) {
			const lockPath = shared.namer.path(subject, undefined, 'lock');
			const directoryLock = await shared.locks.directoryOf(lockPath);
			const lock = await shared.locks.database(lockPath, name);
			try {
				if (settings.format === 'directory' && !supportsDirectory(tools.pgDump.version)) {
					throw new PgBackError('TOOLS', 'provided pg_dump version does not support directory format', {
						hint: 'install pg_dump 9.1 or newer',
					});
				}
				const suffix = dumpSuffixes[settings.format] as 'sql' | 'dump' | 'tar' | 'd';
				const compressed = compressedSuffix(settings.format, compression);
				const time = await shared.namer.time(subject, suffix, compressed);
				const {args, warnings} = dumpArguments(
					{
						...settings,
						parallelJobs: settings.parallelBackupJobs,
						compression,
						options: settings.pgDumpOptions,
						...(run.configuration.settings.lockWaitTimeout > 0 && {
							lockWaitTimeout: run.configuration.settings.lockWaitTimeout,
						}),
					},
					tools.pgDump.version,
				);
				for (const text of warnings) run.emit({type: 'log', level: 'warn', text: `${name}: ${text}`, job: id});
				const connection = shared.connection.forDatabase(name, {
					...(settings.user !== '' && {user: settings.user}),
					applicationName: applicationName(run.tag, control.id),
					byEnvironment: !supportsConnectionString(tools.pgDump.version),
				});
				const command = (more: readonly string[]): DumpCommand => ({
					command: tools.pgDump.path,
					args: [...args, ...more, ...connection.args],
					env: connection.env,
					inherit: [...new Set([lock.descriptor, directoryLock.descriptor])],
					onEnd: control.lendSlot,
					what: `pg_dump of ${display(name)}`,
					...heard(run, id),
				});
				const recording =
					isWhole(settings) && tools.pgDump.version >= 90_500
						? await shared.record?.(name, id, control.signal)
						: undefined;
				const snapshot = recording ? [`--snapshot=${recording.snapshot}`] : [];
				const output = new JobOutput(shared, control, {
					subject,
					time,
					algorithm: settings.checksumAlgorithm,
					format: settings.format,
					...(database.size !== undefined && {expectedSize: database.size}),
				});
				await output
					.run(async (options, written) => {
						const plainPath = shared.namer.path(subject, time, suffix, compressed);
						written.push(
							settings.format === 'directory'
								? await dumpToDirectory(directory => command([...snapshot, '-f', directory]), {
										...options,
										role: 'dump',
										plainPath,
									})
								: await dumpToArtifact(command(snapshot), {...options, role: 'dump', plainPath}),
						);
						control.lendSlot();
						output.contents = await recording?.finish();
						const script =
							needsCreateFile(tools.pgDump.version, settings.format) && !run.configuration.settings.dumpOnly
								? await shared.createScript(name)
								: undefined;
						if (script !== undefined) {
							const path = shared.namer.path(subject, time, 'createdb.sql');
							written.push(
								await writeArtifact(once(Buffer.from(script)), {
									...options,
									meter: undefined,
									role: 'createdb',
									plainPath: path,
								}),
							);
						}
					})
					.finally(() => recording?.abandon());
			} catch (error) {
				const gone = error instanceof PgBackError && error.code === 'DATABASE_GONE';
				if (!gone || shared.named) throw error;
				run.emit({type: 'log', level: 'warn', text: `database ${name} was dropped before it could be dumped`, job: id});
				run.emit({type: 'job.result', job: id, result: 'gone', detail: 'it was dropped before it could be dumped'});
			} finally {
				await lock.release();
			}
		},
	};
}

export function globalsTask(shared: BackupShared, withPasswords: boolean): Task {
	const {run, tools} = shared;
	const id = 'globals';
	return {
		plan: {id, kind: 'globals', name: 'pg_globals', stages: stagesOf(shared)},
		async run(control) {
			const {pgDumpall} = tools;
			if (!pgDumpall) throw new PgBackError('BUG', 'pg_dumpall was not looked for');
			const {version} = pgDumpall;
			if (!withPasswords && !supportsNoRolePasswords(version)) {
				throw new PgBackError('TOOLS', 'pg_dumpall does not support --no-role-passwords, use pg_dumpall >= 10');
			}
			if (!withPasswords)
				run.emit({type: 'log', level: 'info', text: 'the globals are dumped without role passwords', job: id});
			const subject: Subject = {kind: 'globals'};
			const connection = shared.connection.forGlobals({byEnvironment: !supportsConnectionString(version)});
			const lockPath = shared.namer.path(subject, undefined, 'lock');
			const directoryLock = await shared.locks.directoryOf(lockPath);
			const turn = await shared.locks.turn(lockPath, 'the globals', control.signal);
			try {
				const time = await shared.namer.time(subject, 'sql');
				const plainPath = shared.namer.path(subject, time, 'sql');
				await new JobOutput(shared, control, {subject, time}).run(async (options, written) => {
					written.push(
						await dumpToArtifact(
							{
								command: pgDumpall.path,
								args: ['-g', '-w', ...connection.args, ...(withPasswords ? [] : ['--no-role-passwords'])],
								env: connection.env,
								inherit: [...new Set([turn.descriptor, directoryLock.descriptor])],
								careless: true,
								what: 'pg_dumpall of globals',
								...heard(run, id),
							},
							{...options, role: 'globals', plainPath},
						),
					);
				});
			} finally {
				await turn.release();
			}
		},
	};
}

/** `read` gives the file's bytes, or why there are none (if a warning is due, it has been given). */
export function serverFileTask(
	shared: BackupShared,
	kind: 'settings' | 'hba' | 'ident',
	read: () => Promise<Uint8Array | string>,
): Task {
	const names = {settings: 'pg_settings', hba: 'hba_file', ident: 'ident_file'} as const;
	return {
		plan: {id: kind, kind: kind satisfies JobKind, name: names[kind], stages: stagesOf(shared)},
		async run(control) {
			const subject: Subject = {kind};
			const content = await read();
			if (typeof content === 'string') {
				shared.run.emit({type: 'job.result', job: kind, result: 'skipped', detail: content});
				return;
			}
			const lockPath = shared.namer.path(subject, undefined, 'lock');
			await shared.locks.directoryOf(lockPath);
			const turn = await shared.locks.turn(lockPath, names[kind], control.signal);
			try {
				const time = await shared.namer.time(subject, 'out');
				const plainPath = shared.namer.path(subject, time, 'out');
				await new JobOutput(shared, control, {subject, time}).run(async (options, written) => {
					control.meter.start('dump');
					control.meter.count('dump', content.byteLength);
					control.meter.finish('dump');
					written.push(await writeArtifact(once(content), {...options, role: kind, plainPath}));
				});
			} finally {
				await turn.release();
			}
		},
	};
}

/** What a filter or an option of somebody's own leaves out cannot be told from what was lost. */
function isWhole(settings: DatabaseSettings): boolean {
	const {schemas, excludeSchemas, tables, excludeTables, withBlobs, pgDumpOptions} = settings;
	return (
		withBlobs !== false &&
		[schemas, excludeSchemas, tables, excludeTables, pgDumpOptions].every(list => list.length === 0)
	);
}

type About = {
	readonly subject: Subject;
	readonly time: Date;
	readonly algorithm?: Algorithm;
	readonly format?: string;
	/** Bytes, a guess. */
	readonly expectedSize?: number;
};

/** From what a job wrote to files under their final names, with checksums, shipped. */
class JobOutput {
	readonly #shared: BackupShared;
	readonly #control: JobControl;
	readonly #about: About;
	/** Of the database, when its dump is made. */
	contents: Contents | undefined;

	constructor(shared: BackupShared, control: JobControl, about: About) {
		this.#shared = shared;
		this.#control = control;
		this.#about = about;
	}

	/** `write` adds to `written` what it has written; if it fails, all of that is discarded. */
	async run(
		write: (options: Omit<ArtifactOptions, 'plainPath' | 'role'>, written: Written[]) => Promise<void>,
	): Promise<void> {
		const {run, encryption} = this.#shared;
		const {meter, signal, id} = this.#control;
		const algorithm = this.#about.algorithm ?? run.configuration.settings.checksumAlgorithm;
		const settings = outputSettings(run, algorithm, encryption);
		const uploads = this.#shared.uploads && new JobUploads(this.#shared.uploads, id, meter, signal);
		const all: Written[] = [];
		try {
			const onOpen: ArtifactOptions['onOpen'] = file => uploads?.follow(file, this.#about.expectedSize);
			await write({settings, signal, meter, onOpen}, all);
			await this.#verify(all);
			for (const written of [...all]) all.push(...(await writeChecksums(written, settings, signal)));
			const files = await (uploads ? uploads.publish(all) : publishAll(all, id, run.emit));
			this.#control.freeSlot();
			const about = {
				job: id,
				subject: this.#about.subject,
				time: this.#about.time.getTime(),
				format: this.#about.format,
				contents: this.contents,
				files,
			};
			this.#shared.onFiles({...about, shipments: []});
			if (uploads) this.#shared.onFiles({...about, shipments: await uploads.ship(files)});
		} catch (error) {
			await discardAll(all);
			await uploads?.abandon();
			throw error;
		}
	}

	async #verify(written: readonly Written[]): Promise<void> {
		const {readBack, run} = this.#shared;
		const {meter, signal, id} = this.#control;
		if (!readBack) return;
		this.#control.lendSlot();
		meter.start('verify');
		for (const file of written.flatMap(one => one.files)) {
			const how = await readBackFile(file, readBack, signal, meter);
			if (how !== undefined)
				run.emit({type: 'log', level: 'info', text: `${basename(file.finalPath)}: ${how}`, job: id});
		}
		meter.finish('verify');
	}
}

/** What a child says, and what it was started as, goes to its job. */
function heard({emit}: RunContext, job: string): Pick<DumpCommand, 'onLine' | 'onStart'> {
	return {
		onLine: line => emit({type: 'job.output', job, line}),
		onStart: words => emit({type: 'job.command', job, command: shownCommand(words)}),
	};
}

/** Unique to the job, so that the server's own views tell our sessions apart: 48 bits of a digest, as 63 bytes are few. */
export function applicationName(tag: string, job: string): string {
	return `pg_back ${tag} ${createHash('sha256').update(job).digest('hex').slice(0, 12)}`;
}
