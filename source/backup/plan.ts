/**
 * The plan of a backup: everything that it will write, upload, remove and keep, as a pure function of collected facts.
 * The run executes it, `--dry-run` prints it, the console shows it and the manifest records it.
 */
import {dirname} from 'node:path';
import type {Configuration} from '../config/configuration.js';
import {type ErrorCode, PgBackError} from '../core/errors.js';
import type {DumpFormat} from '../core/formats.js';
import type {Database, Server} from '../postgres/catalog.js';
import type {Tools} from '../postgres/tools.js';
import {supportsDirectory, supportsNoRolePasswords} from '../postgres/versions.js';
import {type Subject, subjectText} from '../retention/names.js';
import type {PurgePlan} from '../retention/purge-plan.js';
import {subjectOf} from './job-subjects.js';
import {type PlannedFile, plannedFiles} from './planned-files.js';
import {inDumpOrder, partOf, selectDatabases, type Selection} from './select-databases.js';

export type ServerFileKind = 'settings' | 'hba' | 'ident';

/** The facts that a plan is computed from, collected before anything is written. */
export type PlanFacts = {
	readonly configuration: Configuration;
	/** Start of the run, milliseconds since the epoch. */
	readonly start: number;
	/** Overrides the databases in the configuration. */
	readonly databases?: readonly string[] | undefined;
	/** For a shard of a divided run: the only databases that it dumps. */
	readonly part?: ReadonlySet<string> | undefined;
	/** False for a shard that leaves the server-wide files to another one. */
	readonly withServer?: boolean;
	readonly server: Server;
	readonly tools: Tools;
	/** All databases of the server. */
	readonly inventory: readonly Database[];
	/** The value of `-Z`, by database; undefined for pg_dump's default. */
	readonly compression: ReadonlyMap<string, string | undefined>;
	/** Files of the server that will not be written, with the reasons. */
	readonly missingFiles: ReadonlyMap<ServerFileKind, string>;
	/** The remote locations that dumps are uploaded to. */
	readonly places?: readonly UploadPlace[];
	/** Directories that the run cannot write to, with the errors. */
	readonly directories: ReadonlyMap<string, PgBackError>;
	/** Further failures, which do not affect the dumps. */
	readonly problems: readonly PgBackError[];
	readonly warnings: readonly string[];
};

export type UploadPlace = {
	/** The store's name. */
	readonly store: string;
	/** For people, including the prefix. */
	readonly location: string;
	/** Returns the key of a local path; it is the same at every place. */
	readonly keyFor: (path: string) => string;
};

/** A failure of the run that is already known: the same code, text and exit status. */
export type PlanProblem = {
	readonly code: ErrorCode;
	readonly exitCode: number;
	readonly message: string;
	readonly hint?: string;
};

export type PlannedOutput = {
	readonly kind: 'database' | 'globals' | ServerFileKind | 'manifest';
	/** The database, or pg_globals, pg_settings, hba_file, ident_file, manifest. */
	readonly name: string;
	/** Bytes of the database, if the server reports them. */
	readonly bytes?: number;
	readonly format?: DumpFormat;
	/** The value of pg_dump's `-Z`; absent: pg_dump's default. */
	readonly compression?: string;
	/** The algorithm of the checksum files; absent: none. */
	readonly checksum?: string;
	readonly encrypted: boolean;
	/** The file names for a job that starts together with the run; in fact each has the time at which its job starts. */
	readonly files: readonly PlannedFile[];
	/** Why nothing will be written, which is not an error. */
	readonly skipped?: string;
	/** Why it will fail. */
	readonly problem?: PlanProblem;
};

/** What the purge of one place does when all outputs succeed; failed ones are excluded. */
export type PlacePurge = {
	/** `backup` for the backup directory, otherwise the store's name. */
	readonly place: string;
	/** The location for people: the directory, or `s3://bucket/prefix/`. */
	readonly location: string;
	readonly plan: PurgePlan;
};

export type BackupPlan = {
	/** ISO 8601, UTC. */
	readonly start: string;
	readonly server: Server;
	readonly tools: Tools;
	/** The number of concurrent dumps. */
	readonly jobs: number;
	/** Where the outputs are uploaded to. */
	readonly places: readonly UploadPlace[];
	/** The databases in the order of dumping; then globals and the server's files; the manifest is last. */
	readonly outputs: readonly PlannedOutput[];
	/** Empty until the places are listed. */
	readonly purge: readonly PlacePurge[];
	readonly warnings: readonly string[];
	/** Failures of the run that are already known. */
	readonly problems: readonly PlanProblem[];
	/** Why the run will not dump anything; it is then the only problem. */
	readonly refused?: PlanProblem;
};

export function planBackup(facts: PlanFacts, purge: readonly PlacePurge[] = []): BackupPlan {
	const {configuration, server, tools} = facts;
	const {settings} = configuration;
	const selection = selectionOf(facts);
	const databases = databasesOf(facts).map(database => planDatabase(facts, database));
	const special = isWithoutServer(facts)
		? []
		: [planGlobals(facts), ...serverFileKinds.map(kind => planServerFile(facts, kind))];
	const outputs = [...databases, ...special, planManifest(facts)].map(output => withDirectoryProblem(facts, output));
	const refused = refusalOf(facts, outputs);
	const nothing = isNothing(facts);
	return {
		start: new Date(facts.start).toISOString(),
		server,
		tools,
		jobs: settings.jobs,
		places: facts.places ?? [],
		outputs,
		purge,
		warnings: [
			...facts.warnings,
			...selection.warnings,
			...(settings.dumpOnly || !settings.dumpRolePasswords || server.canReadRolePasswords
				? []
				: [`role passwords are not dumped: user ${server.user} lacks select on pg_authid`]),
			...purge.flatMap(place => place.plan.warnings),
		],
		problems: refused
			? [refused]
			: [
					...selection.missing.map(({error}) => problemOf(error)),
					...(nothing ? [problemOf(nothingToDump())] : []),
					...outputs.flatMap(output => output.problem ?? []),
					...facts.problems.map(problemOf),
				],
		...(refused && {refused}),
	};
}

/** Returns one error instead of one for each job when no directory is writable. */
function refusalOf({directories}: PlanFacts, outputs: readonly PlannedOutput[]): PlanProblem | undefined {
	const [first] = directories.values();
	const isBad = (output: PlannedOutput) => output.files.every(file => directories.has(dirname(file.path)));
	return first && outputs.every(isBad) ? problemOf(first) : undefined;
}

function withDirectoryProblem({directories}: PlanFacts, output: PlannedOutput): PlannedOutput {
	const [file] = output.files;
	const problem = file && directories.get(dirname(file.path));
	return problem ? {...output, problem: problemOf(problem)} : output;
}

type SelectionFacts = Pick<PlanFacts, 'configuration' | 'databases' | 'inventory' | 'part'>;

export function selectionOf({configuration: {settings}, databases, inventory, part}: SelectionFacts): Selection {
	const selection = selectDatabases(inventory, {
		include: databases ?? settings.includeDbs,
		exclude: settings.excludeDbs,
		withTemplates: settings.withTemplates,
	});
	return part === undefined ? selection : partOf(selection, part);
}

/**
 * Returns true when there is nothing to dump, which is a failure. A shard's databases may have been dropped in the
 * meantime.
 */
export function isNothing(facts: SelectionFacts & Pick<PlanFacts, 'withServer'>): boolean {
	if (facts.part !== undefined) return facts.part.size === 0 && facts.withServer !== true;
	const {databases, missing} = selectionOf(facts);
	return databases.length === 0 && missing.length === 0;
}

/** Returns true when the globals and the files of the server are not dumped. */
export function isWithoutServer({configuration, withServer}: Pick<PlanFacts, 'configuration' | 'withServer'>): boolean {
	return configuration.settings.dumpOnly || withServer === false;
}

/** Returns the databases in the order of dumping. */
export function databasesOf(facts: SelectionFacts): readonly Database[] {
	return inDumpOrder(selectionOf(facts).databases, facts.configuration.settings.jobs);
}

/** Returns the subjects to purge: all that are expected to succeed. */
export function plannedSubjects(plan: Pick<BackupPlan, 'outputs'>): readonly Subject[] {
	return plan.outputs.flatMap(output => {
		if (output.skipped !== undefined || output.problem) return [];
		return subjectOf(output) ?? [];
	});
}

export function nothingToDump(): PgBackError {
	return new PgBackError('NOTHING_TO_DO', 'no database to dump', {
		hint: 'check include_dbs, exclude_dbs and the names given',
	});
}

export function problemOf({code, exitCode, message, hint}: PgBackError): PlanProblem {
	return {code, exitCode, message, ...(hint !== undefined && {hint})};
}

/** Returns the error that the run fails with. */
export function errorOf({code, exitCode, message, hint}: PlanProblem): PgBackError {
	return new PgBackError(code, message, {exitCode, ...(hint !== undefined && {hint})});
}

const serverFileKinds = ['settings', 'hba', 'ident'] as const;

function planDatabase(facts: PlanFacts, {name, size}: Database): PlannedOutput {
	const {configuration, tools} = facts;
	const {format, checksumAlgorithm} = configuration.forDatabase(name);
	const compression = facts.compression.get(name);
	return {
		kind: 'database',
		name,
		...(size !== undefined && {bytes: size}),
		format,
		...(compression !== undefined && {compression}),
		...written(facts, checksumAlgorithm),
		files: plannedFiles(facts, {subject: {kind: 'database', name}, format, compression, checksum: checksumAlgorithm}),
		...(format === 'directory' &&
			!supportsDirectory(tools.pgDump.version) && {
				problem: problemOf(
					new PgBackError('TOOLS', 'provided pg_dump version does not support directory format', {
						hint: 'install pg_dump 9.1 or newer',
					}),
				),
			}),
	};
}

function planGlobals(facts: PlanFacts): PlannedOutput {
	const {configuration, server, tools} = facts;
	const {checksumAlgorithm, dumpRolePasswords} = configuration.settings;
	const withPasswords = dumpRolePasswords && server.canReadRolePasswords;
	const {pgDumpall} = tools;
	return {
		kind: 'globals',
		name: subjectText({kind: 'globals'}),
		...written(facts, checksumAlgorithm),
		files: plannedFiles(facts, {subject: {kind: 'globals'}, checksum: checksumAlgorithm}),
		...(!withPasswords &&
			pgDumpall &&
			!supportsNoRolePasswords(pgDumpall.version) && {
				problem: problemOf(
					new PgBackError('TOOLS', 'pg_dumpall does not support --no-role-passwords, use pg_dumpall >= 10'),
				),
			}),
	};
}

function planServerFile(facts: PlanFacts, kind: ServerFileKind): PlannedOutput {
	const {checksumAlgorithm} = facts.configuration.settings;
	const skipped = facts.missingFiles.get(kind);
	return {
		kind,
		name: subjectText({kind}),
		...written(facts, checksumAlgorithm),
		files: skipped === undefined ? plannedFiles(facts, {subject: {kind}, checksum: checksumAlgorithm}) : [],
		...(skipped !== undefined && {skipped}),
	};
}

function planManifest(facts: PlanFacts): PlannedOutput {
	const {encrypted} = written(facts, 'none');
	return {
		kind: 'manifest',
		name: 'manifest',
		encrypted: false,
		files: plannedFiles(facts, {subject: {kind: 'run'}, encrypted}),
	};
}

function written({configuration: {settings}}: PlanFacts, checksum: string) {
	return {...(checksum !== 'none' && {checksum}), encrypted: settings.encrypt};
}
