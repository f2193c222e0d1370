/** Collects the facts from which a backup is planned. Writes nothing. */
import type {Configuration} from '../config/configuration.js';
import {type PgBackError, toPgBackError} from '../core/errors.js';
import {listDatabases, type Server, serverInfo} from '../postgres/catalog.js';
import {readServerFile, readSettings, type ServerFile} from '../postgres/server-files.js';
import type {Session} from '../postgres/session.js';
import {findTools, type Tools} from '../postgres/tools.js';
import type {Remote} from '../repository/remote.js';
import {directoryFor, type Subject} from '../retention/names.js';
import type {ReportContext, ServerContext} from '../runs/context.js';
import {backupToolOptions} from '../runs/prepare-backup.js';
import {directoryProblem} from './backup-directory.js';
import {askPgDump, resolveCompressions} from './compression.js';
import {isWithoutServer, type PlanFacts, selectionOf, type ServerFileKind} from './plan.js';
import type {ShardRun} from './shard.js';

export type Found = {
	readonly facts: PlanFacts;
	/** The server's files that could be read; for others the job tries again. */
	readonly serverFiles: ReadonlyMap<ServerFileKind, ServerFile>;
};

export type FactOptions = {
	readonly run: ServerContext;
	readonly session: Session;
	/** Milliseconds since the epoch. */
	readonly start: number;
	/** Overrides the databases in the configuration. */
	readonly databases?: readonly string[] | undefined;
	readonly shard?: Pick<ShardRun, 'databases' | 'withServer'> | undefined;
	readonly places: readonly Pick<Remote, 'store' | 'location' | 'keyFor'>[];
	/** Called as soon as the server is known, before the sizes of the databases. */
	readonly onServer?: (server: Server, tools: Tools) => void;
};

/** Throws errors that prevent a run: TOOLS, or CONFIG for a compression that this pg_dump does not support. */
export async function findFacts(options: FactOptions): Promise<Found> {
	const {run, session, start, databases, places, shard} = options;
	const {configuration} = run;
	const server = await serverInfo(session);
	// The server computes sizes meanwhile.
	const asked = databases ?? configuration.settings.includeDbs;
	const listing = listDatabases(session, {sizes: asked.length === 0 || asked});
	listing.catch(() => undefined); // awaited below, unless the tools are missing
	const tools = await findTools({...backupToolOptions(run), serverVersion: server.versionNumber});
	options.onServer?.(server, tools);
	const inventory = await listing;
	const part = shard?.databases && new Set(shard.databases);
	const known = {
		...{configuration, start, databases, server, tools, inventory, places},
		...(part && {part}),
		...(shard && {withServer: shard.withServer}),
	};
	const serverFiles = await readServerFiles(run, session, isWithoutServer(known));
	const names = selectionOf(known).databases.map(database => database.name);
	const compression = await resolveCompressions(configuration, names, {
		version: tools.pgDump.version,
		ask: askPgDump(tools.pgDump, run.toolEnv, run.signal),
	});
	const facts: PlanFacts = {
		...known,
		compression,
		missingFiles: missingFilesOf(serverFiles),
		directories: await findBadDirectories(configuration, names),
		problems: [],
		warnings: [
			...(tools.warning === undefined ? [] : [tools.warning]),
			...[...serverFiles.values()].flatMap(({warning}) => warning ?? []),
		],
	};
	return {facts, serverFiles};
}

async function readServerFiles(
	run: ReportContext,
	session: Session,
	isUnneeded: boolean,
): Promise<ReadonlyMap<ServerFileKind, ServerFile>> {
	const read: Readonly<Record<ServerFileKind, () => Promise<ServerFile>>> = {
		settings: () => readSettings(session),
		hba: () => readServerFile(session, 'hba_file'),
		ident: () => readServerFile(session, 'ident_file'),
	};
	const files = new Map<ServerFileKind, ServerFile>();
	if (isUnneeded) return files;
	for (const kind of ['settings', 'hba', 'ident'] as const) {
		try {
			files.set(kind, await read[kind]());
		} catch (error) {
			run.signal.throwIfAborted();
			const text = `${kind}: ${toPgBackError(error).message}`;
			run.emit({type: 'log', level: 'debug', text}); // its job reads it again, and fails if that is impossible
		}
	}
	return files;
}

function missingFilesOf(files: ReadonlyMap<ServerFileKind, ServerFile>): ReadonlyMap<ServerFileKind, string> {
	return new Map([...files].flatMap(([kind, file]) => (file.content ? [] : [[kind, whyMissing(file)] as const])));
}

/** Returns why a file of the server is not written, which is not an error. */
export function whyMissing({warning}: ServerFile): string {
	return warning?.replace(/^[^:]*not dumped: /, '') ?? 'the server has none';
}

/** Returns every directory that the run cannot write to, by its path. */
async function findBadDirectories(
	configuration: Configuration,
	databases: readonly string[],
): Promise<ReadonlyMap<string, PgBackError>> {
	const {backupDirectory, dumpOnly} = configuration.settings;
	const special = dumpOnly ? [] : (['globals', 'settings', 'hba', 'ident'] as const);
	const subjects: Subject[] = [
		...databases.map(name => ({kind: 'database', name}) as const),
		...special.map(kind => ({kind})),
		{kind: 'run'},
	];
	const bad = new Map<string, PgBackError>();
	for (const directory of new Set(subjects.map(subject => directoryFor(backupDirectory, subject)))) {
		const problem = await directoryProblem(directory);
		if (problem) bad.set(directory, problem);
	}
	return bad;
}
