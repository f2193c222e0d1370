/**
 * `split_tables_larger_than`: reads large tables by several sessions in one exported snapshot while pg_dump, in the same
 * snapshot, dumps everything else. Each range of pages becomes a member of the directory dump.
 */
import type {DatabaseSettings} from '../config/options.js';
import {messageOf, PgBackError} from '../core/errors.js';
import {formatBytes, plural} from '../lib/format.js';
import type {Database} from '../postgres/catalog.js';
import {type CopySession, openCopySession} from '../postgres/copy-session.js';
import {storedData} from '../postgres/progress-inventory.js';
import {openSession, type Session} from '../postgres/session.js';
import {
	exactPattern,
	lockQuery,
	lockStatement,
	oldestSplit,
	type SplitTable,
	splittable,
} from '../postgres/split-tables.js';
import {toolsIn} from '../postgres/tool-programs.js';
import {selectData} from '../progress/select-data.js';
import {findOptions} from '../runs/prepare-backup.js';
import type {JobControl} from '../runs/scheduler.js';
import type {MemberCompression} from '../stages/member-compression.js';
import {memberCompression} from '../stages/range-member.js';
import {applicationName, type BackupShared} from './backup-shared.js';

/** A snapshot with the sessions that have imported it. */
export type Split = {
	/** The value of `--snapshot=`. */
	readonly snapshot: string;
	readonly tables: readonly (SplitTable & {readonly bytes: number})[];
	/** pg_dump dumps no rows of these tables. */
	readonly patterns: readonly string[];
	/** Jobs of pg_dump; the other sessions of the budget read ranges meanwhile, and all of them when it has ended. */
	readonly dumpJobs: number;
	readonly compression: MemberCompression;
	readonly encoding: string;
	/** pg_restore of pg_dump's version, which reads the result back. */
	readonly pgRestore: string;
	/** The name of our sessions and those of pg_dump in the server's views. */
	readonly application: string;
	/** Holds the snapshot and locks the tables. */
	readonly holder: Session;
	readonly sessions: readonly CopySession[];
	/** The server's time when they had started: later ones are those of pg_dump. */
	readonly startedAt: string;
	/** Ends all sessions. */
	readonly close: () => Promise<void>;
};

export type SplitOptions = {
	readonly shared: BackupShared;
	readonly database: Database;
	readonly settings: DatabaseSettings;
	readonly control: JobControl;
	/** The value of `-Z`. */
	readonly compression: string | undefined;
};

/**
 * Starts the sessions for the tables that are larger than the limit. Returns undefined when there are none, and when it
 * is impossible, with the reason in the log: the dump is then made without it. Nothing of this makes a dump fail. The
 * caller closes it.
 */
export async function startSplit(options: SplitOptions): Promise<Split | undefined> {
	const {shared, database, control} = options;
	const logReason = (reason: string) =>
		shared.run.emit({
			type: 'log',
			level: 'info',
			text: `${database.name}: no table is divided: ${reason}`,
			job: control.id,
		});
	const ending = new AbortController();
	const opened: {close: () => Promise<void>}[] = [];
	const close = async () => {
		ending.abort();
		for (const one of opened) await one.close();
	};
	try {
		const split = await begin(options, AbortSignal.any([control.signal, ending.signal]), opened);
		if (typeof split === 'object') return {...split, close};
		if (split !== undefined) logReason(split);
		await close();
	} catch (error) {
		await close();
		control.signal.throwIfAborted();
		logReason(messageOf(error));
	}
	return undefined;
}

/** Returns the reason when it is impossible; undefined when no table is large enough. */
async function begin(
	options: SplitOptions,
	signal: AbortSignal,
	opened: {close: () => Promise<void>}[],
): Promise<Omit<Split, 'close'> | string | undefined> {
	const {shared, database, settings, control} = options;
	const {run, tools, connection} = shared;
	if ((database.size ?? Infinity) <= settings.splitTablesLargerThan) return undefined;
	const compression = memberCompression(options.compression);
	const problem = obstacle(options);
	if (problem !== undefined) return problem;
	if (!compression) return `pg_back cannot write ${options.compression ?? ''}`;
	const [pgRestore] = await toolsIn([tools.directory], 'pg_restore', findOptions(run));
	if (!pgRestore) return 'there is no pg_restore next to pg_dump to read the result back';
	const own = connection.forDatabase(database.name, {
		...(settings.user !== '' && {user: settings.user}),
		applicationName: applicationName(run.tag, control.id),
	});
	const psql = tools.psql.path;
	const holder = await openSession({psql, connection: {...connection, forSession: () => own}, signal});
	opened.push(holder);
	const large = await largeTables(holder, options);
	if (large.tables.length === 0) return undefined;
	const held = await exportSnapshot(holder, large.tables);
	if (held.tables.length === 0) return 'the large ones are not ordinary tables that this user can read completely';
	const bytesOf = new Map(large.tables.map(({oid, bytes}) => [oid, bytes]));
	const tables = held.tables
		.map(table => ({...table, bytes: bytesOf.get(table.oid) ?? 0}))
		.toSorted((a, b) => b.bytes - a.bytes);
	const oids = tables.map(({oid}) => oid);
	const sessions: CopySession[] = [];
	for (let count = 0; count < settings.parallelBackupJobs; count++) {
		const session = await openCopySession({
			psql,
			connection: own,
			serverVersion: holder.serverVersion,
			snapshot: held.snapshot,
			locking: lockQuery(oids),
			signal,
		});
		opened.push(session);
		sessions.push(session);
	}
	const [[startedAt] = []] = await holder.query('select pg_catalog.clock_timestamp()');
	const share = tables.reduce((sum, {bytes}) => sum + bytes, 0) / Math.max(1, large.allBytes);
	const text = `${database.name}: ${plural(tables.length, 'table')} of more than ${formatBytes(settings.splitTablesLargerThan)} divided among ${sessions.length} sessions`;
	run.emit({type: 'log', level: 'info', text, job: control.id});
	return {
		snapshot: held.snapshot,
		tables,
		patterns: tables.map(({oid}) => exactPattern(large.names.get(oid) ?? {schema: '', name: ''})),
		dumpJobs: dumpJobs(settings.parallelBackupJobs, share),
		compression,
		encoding: held.encoding,
		pgRestore: pgRestore.path,
		application: own.applicationName,
		holder,
		sessions,
		startedAt: startedAt ?? '',
	};
}

/**
 * Divides the sessions by what pg_dump and the ranges have to read, at least one each: `share` is the part of the
 * divided tables, 0 to 1.
 */
export function dumpJobs(sessions: number, share: number): number {
	return sessions - Math.min(sessions - 1, Math.max(1, Math.round(sessions * share)));
}

/** Options of pg_dump that do not change what the data of a table looks like, or whether it is dumped. */
const harmless =
	/^(?:--(?:no-(?:comments|owner|privileges|acl|publications|subscriptions|security-labels|tablespaces|sync|toast-compression|table-access-method|blobs|large-objects)|create|clean|if-exists|verbose|blobs|large-objects|lock-wait-timeout=\d+)|-[OxvCcbB]+)$/;

/** Returns why it is not even tried. */
function obstacle({shared, settings}: SplitOptions): string | undefined {
	const {serverVersion, run} = shared;
	if (serverVersion < oldestSplit) return 'the server is older than PostgreSQL 14';
	if (settings.parallelBackupJobs < 2) return 'parallel_backup_jobs is 1';
	const other = settings.pgDumpOptions.find(option => !harmless.test(option));
	if (other !== undefined) return `pg_dump_options has ${other}`;
	return run.toolEnv['PGCLIENTENCODING'] === undefined ? undefined : 'PGCLIENTENCODING is set';
}

type Large = {
	readonly tables: readonly {
		readonly oid: number;
		readonly schema: string;
		readonly name: string;
		readonly bytes: number;
	}[];
	readonly names: ReadonlyMap<number, {readonly schema: string; readonly name: string}>;
	/** Bytes of everything that is dumped. */
	readonly allBytes: number;
};

async function largeTables(session: Session, {settings}: SplitOptions): Promise<Large> {
	const [[standby, encoding] = []] = await session.query(
		"select pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('server_encoding')",
	);
	const stored = await storedData(session);
	const {schemas, excludeSchemas, tables, excludeTables, withBlobs, pgDumpOptions: options} = settings;
	const filters = {schemas, excludeSchemas, tables, excludeTables, withBlobs, options};
	const dumped = selectData(stored, {...filters, workers: 1, inRecovery: standby === 't'});
	const names = new Map(stored.tables.map(({oid, schema, name}) => [oid, {schema, name}]));
	// An argument of pg_dump is text in the encoding of the server.
	const isPlain = (text: string) => encoding === 'UTF8' || encoding === 'SQL_ASCII' || /^[\0-\x7F]*$/.test(text);
	const large = dumped.flatMap(({oid, bytes}) => {
		const name = names.get(oid);
		return name && bytes > settings.splitTablesLargerThan && isPlain(name.schema + name.name)
			? [{oid, bytes, ...name}]
			: [];
	});
	return {tables: large, names, allBytes: dumped.reduce((sum, {bytes}) => sum + bytes, 0)};
}

/** Locks the tables first, so that they are in the snapshot as they are read. Waits a second for a lock. */
async function exportSnapshot(
	session: Session,
	tables: Large['tables'],
): Promise<{readonly snapshot: string; readonly encoding: string; readonly tables: readonly SplitTable[]}> {
	await session.query(`select pg_catalog.set_config('search_path', '', false),
		pg_catalog.set_config('lock_timeout', '1s', false), pg_catalog.set_config('statement_timeout', '0', false)`);
	await session.query('begin isolation level repeatable read read only');
	await session.query(lockStatement(tables));
	const [[snapshot, encoding] = []] = await session.query(
		"select pg_catalog.pg_export_snapshot(), pg_catalog.current_setting('server_encoding')",
	);
	if (!snapshot || !encoding) throw new PgBackError('BUG', 'the server did not export a snapshot');
	return {
		snapshot,
		encoding,
		tables: await splittable(
			session,
			tables.map(({oid}) => oid),
		),
	};
}
