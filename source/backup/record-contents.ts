/**
 * Records what a restore drill compares while a database is dumped, in the snapshot that pg_dump uses, which a second
 * session exports or imports. A failure of the recording never makes a dump fail.
 */
import {messageOf, PgBackError} from '../core/errors.js';
import type {Connection} from '../postgres/connection.js';
import {literal} from '../postgres/quote.js';
import {type Contents, countRows, oldestContents, readSchema} from '../postgres/recorded-contents.js';
import {openSession, type Session} from '../postgres/session.js';
import type {RunContext} from '../runs/context.js';

export type Recording = {
	/** The value of `--snapshot=`. */
	readonly snapshot: string;
	/**
	 * Called when pg_dump has exited. Continues to count for two seconds, with `exact` to the end, and closes the
	 * session.
	 */
	readonly finish: () => Promise<Contents | undefined>;
	/** Closes the session and discards the data. May be called after `finish`. */
	readonly abandon: () => Promise<void>;
};

export type RecordMode = 'auto' | 'during' | 'exact';

/**
 * Bytes; with `auto`, a smaller database is not recorded, because a second session takes as long as its dump, and of a
 * larger one at most this much is read again.
 */
const autoSize = 64 << 20;

/**
 * Returns the databases that are worth a session; `databases` with their sizes in bytes, if the server reports them.
 */
export function toRecord(
	mode: RecordMode,
	databases: readonly {readonly name: string; readonly size?: number | undefined}[],
): ReadonlySet<string> {
	return new Set(databases.filter(one => mode !== 'auto' || (one.size ?? 0) >= autoSize).map(one => one.name));
}

export type RecordOptions = {
	readonly run: Pick<RunContext, 'emit'>;
	readonly psql: string;
	readonly connection: Connection;
	/** Another session of the server, which can cancel a count of this one. */
	readonly control: Session;
	readonly mode: RecordMode;
	/** The number of other sessions of ours that may be open at the same time. */
	readonly others: number;
};

export type RecordedDump = {
	/** The id of the job. */
	readonly job: string;
	/** A snapshot that another session has exported; undefined: this session exports one. */
	readonly snapshot?: string | undefined;
	readonly signal: AbortSignal;
};

/** Starts a recording. Returns undefined when that is impossible: an old server, or one without a free connection. */
export async function startRecording(
	options: RecordOptions,
	database: string,
	{job, snapshot: imported, signal}: RecordedDump,
): Promise<Recording | undefined> {
	const {run, psql, connection, control, others} = options;
	const logFailure = (text: string) =>
		run.emit({type: 'log', level: 'debug', text: `${database}: contents not recorded: ${text}`, job});
	if (control.serverVersion < oldestContents) return undefined;
	const ending = new AbortController();
	let session: Session | undefined;
	try {
		session = await openSession({psql, connection, database, signal: AbortSignal.any([signal, ending.signal])});
		if (!(await hasConnectionsLeft(session, others))) {
			await session.close();
			logFailure('the server has too few free connections');
			return undefined;
		}
		for (const setting of settings(session.serverVersion)) await session.query(`set ${setting}`).catch(() => undefined); // not supported by every server
		await session.query('begin isolation level repeatable read read only');
		if (imported !== undefined) await session.query(`set transaction snapshot ${literal(imported)}`);
		const [[snapshot, pid] = []] = await session.query(
			`select ${imported === undefined ? 'pg_catalog.pg_export_snapshot()' : literal(imported)}, pg_catalog.pg_backend_pid()`,
		);
		if (!snapshot || !pid) throw new PgBackError('BUG', 'the server did not export a snapshot');
		return record(options, session, {snapshot, pid, logFailure, end: () => ending.abort()});
	} catch (error) {
		ending.abort();
		signal.throwIfAborted();
		logFailure(messageOf(error));
		return undefined;
	}
}

/** Milliseconds by which counting a small database may exceed its dump. */
const grace = 2000;

/**
 * Returns whether connections are left: a limit of the role or the database, or a full server, must not make pg_dump
 * fail because of us.
 */
async function hasConnectionsLeft(session: Session, others: number): Promise<boolean> {
	const [[limited, left] = []] = await session.query(
		`select (select datconnlimit from pg_catalog.pg_database where datname = current_database()) >= 0
			or (select rolconnlimit from pg_catalog.pg_roles where rolname = session_user) >= 0,
		pg_catalog.current_setting('max_connections')::integer - pg_catalog.current_setting('superuser_reserved_connections')::integer
			- (select pg_catalog.count(*) from pg_catalog.pg_stat_activity)`,
	);
	return limited === 'f' && Number(left) > others;
}

/** Neither pg_dump nor any other session may wait behind this session: it gives up instead. */
function settings(serverVersion: number): string[] {
	return [
		"lock_timeout = '1s'",
		'row_security = off',
		...(serverVersion >= 140_000 ? ["client_connection_check_interval = '2s'"] : []),
	];
}

type OpenSnapshot = {
	readonly snapshot: string;
	readonly pid: string;
	readonly logFailure: (text: string) => void;
	readonly end: () => void;
};

function record(
	{mode, control}: RecordOptions,
	session: Session,
	{snapshot, pid, logFailure, end}: OpenSnapshot,
): Recording {
	let stopped = false;
	let busy = false;
	const recorded = (async (): Promise<Contents | undefined> => {
		const schema = await readSchema(session);
		const counted = await countRows(session, {
			stopped: () => stopped,
			onBusy: now => (busy = now),
			...(mode === 'auto' && {limit: autoSize}),
		});
		return {schema, ...counted};
	})().catch((error: unknown) => {
		if (!stopped) logFailure(messageOf(error));
		return undefined;
	});
	let closed = false;
	const close = async () => {
		if (closed) return;
		closed = true;
		stopped = true;
		// Without this the server would continue to count after psql has exited.
		if (busy && control.alive)
			await control.query(`select pg_catalog.pg_cancel_backend(${pid})`).catch(() => undefined);
	};
	return {
		snapshot,
		async finish() {
			const timer = mode !== 'exact' ? setTimeout(() => void close(), grace) : undefined;
			const contents = await recorded;
			clearTimeout(timer);
			await session.close();
			return contents;
		},
		async abandon() {
			await close();
			end();
			await recorded;
			await session.close();
		},
	};
}
