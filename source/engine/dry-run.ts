/** What a backup would do, without doing it. */
import {PgBackError} from '../core/errors.js';
import {listDatabases, serverInfo, type Server} from '../postgres/catalog.js';
import {openSession} from '../postgres/session.js';
import {findPsql, findTools, type Tools} from '../postgres/tools.js';
import type {Subject} from '../retention/names.js';
import {planItems, type PlannedItem} from '../retention/purge-plan.js';
import {planLocalPurge} from '../retention/purge.js';
import {dumpSuffixes, compressedSuffix} from '../stages/dump-arguments.js';
import {backupToolOptions, findOptions, prepare} from './prepare.js';
import type {RunContext} from './context.js';
import {localManifests, localRecords} from './manifests.js';
import {FileNamer} from './output.js';
import {inDumpOrder, selectDatabases} from './plan.js';
import {purgeOptions} from './purge-step.js';

export type PlannedFile = {
	/** The database, pg_globals and its like, or the manifest. */
	readonly name: string;
	/** As the dump would be called if it began now. */
	readonly path: string;
	/** Of the database, in bytes. */
	readonly size?: number;
	readonly format?: string;
};

export type BackupPlan = {
	readonly server: Server;
	readonly tools: Tools;
	readonly files: readonly PlannedFile[];
	/** What was asked for and cannot be done. */
	readonly problems: readonly PgBackError[];
	readonly warnings: readonly string[];
	readonly purge: readonly (PlannedItem & {readonly location: string})[];
};

/** Connects, lists and looks; writes nothing, runs no hook, pauses nothing. */
export async function planBackup(run: RunContext, databases?: readonly string[]): Promise<BackupPlan> {
	const prepared = await prepare(run);
	try {
		const psql = await findPsql(findOptions(run));
		const session = await openSession({psql: psql.path, connection: prepared.connection, signal: run.signal});
		try {
			const server = await serverInfo(session);
			const tools = await findTools({...backupToolOptions(run), serverVersion: server.versionNumber});
			const inventory = await listDatabases(session, {sizes: true});
			const {settings} = run.configuration;
			const selection = selectDatabases(inventory, {
				include: databases ?? settings.includeDbs,
				exclude: settings.excludeDbs,
				withTemplates: settings.withTemplates,
			});
			const problems = [...selection.problems];
			const chosen = inDumpOrder(selection.databases, settings.jobs);
			if (chosen.length === 0) problems.push(new PgBackError('NOTHING_TO_DO', 'there is no database to dump'));
			const special: Subject[] = settings.dumpOnly
				? []
				: [{kind: 'globals'}, {kind: 'settings'}, {kind: 'hba'}, {kind: 'ident'}];
			const subjects: Subject[] = [...special, ...chosen.map(({name}) => ({kind: 'database', name}) as const)];
			const purge = await planLocalPurge({
				...purgeOptions({run, start: run.now().getTime(), inventory, server, subjects}),
				records: localRecords(run, await localManifests(run)),
				current: new Set(),
				directory: settings.backupDirectory,
				signal: run.signal,
			});
			const {location} = purge.plan;
			return {
				server,
				tools,
				files: [
					...plannedSpecial(run, special),
					...chosen.map(database => plannedDatabase(run, database, prepared.encryption !== undefined)),
					...plannedManifest(run),
				],
				problems,
				warnings: [...(tools.warning === undefined ? [] : [tools.warning]), ...selection.warnings],
				purge: [...planItems(purge.plan)].map(item => ({...item, location})),
			};
		} finally {
			await session.close();
		}
	} finally {
		await prepared.connection.dispose();
	}
}

function plannedSpecial(run: RunContext, special: readonly Subject[]): PlannedFile[] {
	const names = {globals: 'pg_globals', settings: 'pg_settings', hba: 'hba_file', ident: 'ident_file'} as const;
	const namer = new FileNamer(run);
	const encrypted = run.configuration.settings.encrypt;
	return special.map(subject => {
		const path = namer.path(subject, run.now(), subject.kind === 'globals' ? 'sql' : 'out');
		return {name: names[subject.kind as keyof typeof names], path: encrypted ? `${path}.age` : path};
	});
}

function plannedManifest(run: RunContext): PlannedFile[] {
	const suffixes = run.configuration.settings.encrypt
		? (['manifest.json', 'private.json.age'] as const)
		: (['manifest.json'] as const);
	const namer = new FileNamer(run);
	return suffixes.map(suffix => ({name: 'manifest', path: namer.path({kind: 'run'}, run.now(), suffix)}));
}

function plannedDatabase(
	run: RunContext,
	{name, size}: {name: string; size: number | undefined},
	encrypted: boolean,
): PlannedFile {
	const {format, compressLevel} = run.configuration.forDatabase(name);
	const suffix = dumpSuffixes[format] as 'sql' | 'dump' | 'tar' | 'd';
	const path = new FileNamer(run).path(
		{kind: 'database', name},
		run.now(),
		suffix,
		compressedSuffix(format, String(compressLevel)),
	);
	return {
		name,
		path: encrypted && format !== 'directory' ? `${path}.age` : path,
		format,
		...(size !== undefined && {size}),
	};
}
