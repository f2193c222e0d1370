/**
 * What a restore drill compares with, taken while a database is dumped, in the snapshot that pg_dump uses: a second session exports it.
 * Taking it is a help, never a reason for a dump to fail.
 */
import {messageOf} from '../core/errors.js';
import type {Connection} from '../postgres/connection.js';
import {countRows, oldestContents, readSchema, type Contents} from '../postgres/contents.js';
import {openSession, type Session} from '../postgres/session.js';
import type {RunContext} from './context.js';

export type Recording = {
	/** What follows `--snapshot=`. */
	readonly snapshot: string;
	/** Called when pg_dump has ended. Counts on for two seconds, with `exact` until all is counted, and ends the session. */
	readonly finish: () => Promise<Contents | undefined>;
	/** Ends the session and forgets what it has. May follow `finish`. */
	readonly abandon: () => Promise<void>;
};

export type RecordMode = 'auto' | 'during' | 'exact';

/**
 * With `auto`, bytes: a smaller database is not recorded, because a second session is as long as its dump; and of a larger one no more
 * than this is read a second time.
 */
const autoSize = 64 << 20;

/** What is worth the session; `databases` with their sizes in bytes, where the server tells. */
export function toRecord(
	mode: RecordMode,
	databases: readonly {readonly name: string; readonly size?: number | undefined}[],
): ReadonlySet<string> {
	return new Set(databases.filter(one => mode !== 'auto' || (one.size ?? 0) >= autoSize).map(one => one.name));
}

export type RecordOptions = {
	readonly run: RunContext;
	readonly psql: string;
	readonly connection: Connection;
	/** Another session of the server, which can end a count of this one. */
	readonly control: Session;
	readonly mode: RecordMode;
	/** Sessions of ours that may be opened at the same time besides this one. */
	readonly others: number;
};

/** Undefined when it cannot be done here: an old server, or one with no connection to spare. */
export async function startRecording(
	options: RecordOptions,
	database: string,
	job: string,
	signal: AbortSignal,
): Promise<Recording | undefined> {
	const {run, psql, connection, control, others} = options;
	const say = (text: string) =>
		run.emit({type: 'log', level: 'debug', text: `${database}: its contents are not recorded: ${text}`, job});
	if (control.serverVersion < oldestContents) return undefined;
	const ending = new AbortController();
	let session: Session | undefined;
	try {
		session = await openSession({psql, connection, database, signal: AbortSignal.any([signal, ending.signal])});
		if (!(await hasConnectionsLeft(session, others))) {
			await session.close();
			say('the server has too few connections to spare');
			return undefined;
		}
		for (const setting of settings(session.serverVersion)) await session.query(`set ${setting}`).catch(() => undefined); // not on every system
		await session.query('begin isolation level repeatable read read only');
		const [[snapshot, pid] = []] = await session.query(
			'select pg_catalog.pg_export_snapshot(), pg_catalog.pg_backend_pid()',
		);
		if (!snapshot || !pid) throw new TypeError('the server exported no snapshot');
		return record(options, session, {snapshot, pid, say, end: () => ending.abort()});
	} catch (error) {
		ending.abort();
		signal.throwIfAborted();
		say(messageOf(error));
		return undefined;
	}
}

/** How much longer than the dump the counting of a small database may take, in milliseconds. */
const grace = 2000;

/** A limit of the role or the database, or a full server, must not make pg_dump fail for our sake. */
async function hasConnectionsLeft(session: Session, others: number): Promise<boolean> {
	const [[limited, left] = []] = await session.query(
		`select (select datconnlimit from pg_catalog.pg_database where datname = current_database()) >= 0
			or (select rolconnlimit from pg_catalog.pg_roles where rolname = session_user) >= 0,
		pg_catalog.current_setting('max_connections')::integer - pg_catalog.current_setting('superuser_reserved_connections')::integer
			- (select pg_catalog.count(*) from pg_catalog.pg_stat_activity)`,
	);
	return limited === 'f' && Number(left) > others;
}

/** pg_dump must never wait behind us, nor anybody else: we give up instead. */
function settings(serverVersion: number): string[] {
	return [
		"lock_timeout = '1s'",
		'row_security = off',
		...(serverVersion >= 140_000 ? ["client_connection_check_interval = '2s'"] : []),
	];
}

type Begun = {
	readonly snapshot: string;
	readonly pid: string;
	readonly say: (text: string) => void;
	readonly end: () => void;
};

function record({mode, control}: RecordOptions, session: Session, {snapshot, pid, say, end}: Begun): Recording {
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
		if (!stopped) say(messageOf(error));
		return undefined;
	});
	let closed = false;
	const close = async () => {
		if (closed) return;
		closed = true;
		stopped = true;
		// The server would count on, unseen, after psql is gone.
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
