/**
 * Samples our pg_dump sessions, and the sessions that wait with or behind them: one query, for every version of the
 * server.
 */
import {literal} from './quote.js';
import type {Row, Session} from './session.js';

/** A session of pg_dump, or of one of its workers. */
export type DumpSession = {
	readonly pid: number;
	readonly application: string;
	readonly database: string;
	/** `active`, `idle in transaction` and so on; undefined if we may not see it, or the server does not report it. */
	readonly state?: string;
	/**
	 * `Lock:relation`, `Client:ClientWrite`, `IO:DataFileRead`; undefined while it computes, or if the server does not
	 * report it (before 9.6).
	 */
	readonly waitEvent?: string;
	/** The beginning of the statement; undefined if we may not see it. */
	readonly query?: string;
	/** From `pg_stat_progress_copy` (since 14). */
	readonly copy?: {readonly relation: number; readonly bytes: number; readonly rows: number};
};

/** A lock on a relation that another session waits for. */
export type RelationLock = {
	readonly pid: number;
	readonly application: string;
	readonly user?: string;
	readonly query?: string;
	readonly database: string;
	readonly relation: number;
	/** Such as AccessExclusiveLock. */
	readonly mode: string;
	readonly granted: boolean;
	/** Seconds, if the server reports it (since 14). */
	readonly waiting?: number;
};

export type ServerSample = {
	/** Milliseconds since the epoch, by our clock. */
	readonly time: number;
	readonly sessions: readonly DumpSession[];
	/** All locks, granted or not, on relations that a session waits for. Empty when none waits. */
	readonly locks: readonly RelationLock[];
};

/**
 * Returns the query. `applications` are exact application names. pg_locks is only read when a session waits for a lock.
 */
export function sampleQuery(serverVersion: number, applications: readonly string[]): string {
	const activity = columnsOf(serverVersion);
	const copy = serverVersion >= 140_000;
	return `with l as (
			select k.* from pg_catalog.pg_locks k
			where k.locktype = 'relation' and (select exists (select 1 from pg_catalog.pg_stat_activity a where ${activity.waitsForLock}))
		)
		select 's', a.${activity.pid}::text, a.application_name, a.datname::text, a.usename::text, pg_catalog.substr(a.${activity.query}, 1, 300),
			${activity.state}, ${activity.waitEvent}, ${copy ? 'p.relid::text, p.bytes_processed::text, p.tuples_processed::text' : 'null, null, null'}
		from pg_catalog.pg_stat_activity a
			${copy ? "left join pg_catalog.pg_stat_progress_copy p on p.pid = a.pid and p.command = 'COPY TO'" : ''}
		where a.application_name in (${applications.map(literal).join(', ')})
		union all
		select 'l', l.pid::text, a.application_name, d.datname::text, a.usename::text, pg_catalog.substr(a.${activity.query}, 1, 1000),
			l.mode, l.granted::text, l.relation::oid::text,
			${copy ? "pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - l.waitstart)::text" : 'null'}, null
		from l join pg_catalog.pg_database d on d.oid = l.database
			left join pg_catalog.pg_stat_activity a on a.${activity.pid} = l.pid
		where exists (select 1 from l w where not w.granted and w.database = l.database and w.relation = l.relation)`;
}

function columnsOf(version: number) {
	return {
		pid: version >= 90_200 ? 'pid' : 'procpid',
		query: version >= 90_200 ? 'query' : 'current_query',
		state: version >= 90_200 ? 'a.state' : 'null',
		waitEvent: version >= 90_600 ? "a.wait_event_type || ':' || a.wait_event" : 'null',
		waitsForLock: version >= 90_600 ? "a.wait_event_type = 'Lock'" : 'a.waiting',
	};
}

/**
 * Takes one sample. `timeout` is in seconds: when the server does not respond, the session is closed, but not the dump.
 */
export async function takeSample(
	session: Session,
	applications: readonly string[],
	options: {readonly now: () => number; readonly timeout: number},
): Promise<ServerSample> {
	const rows = await session.query(sampleQuery(session.serverVersion, applications), {timeout: options.timeout});
	return readSample(rows, options.now());
}

export function readSample(rows: readonly Row[], time: number): ServerSample {
	return {
		time,
		sessions: rows.filter(row => row[0] === 's').map(readSession),
		locks: rows.filter(row => row[0] === 'l').map(readLock),
	};
}

const hidden = '<insufficient privilege>';

function readSession([
	,
	pid,
	application,
	database,
	,
	query,
	state,
	waitEvent,
	relation,
	bytes,
	tuples,
]: Row): DumpSession {
	const seen = query != null && query !== hidden;
	return {
		pid: Number(pid),
		application: application ?? '',
		database: database ?? '',
		...(state != null && {state}),
		...(waitEvent != null && {waitEvent}),
		...(seen && {query}),
		...(relation != null && {copy: {relation: Number(relation), bytes: Number(bytes), rows: Number(tuples)}}),
	};
}

function readLock([, pid, application, database, user, query, mode, granted, relation, waiting]: Row): RelationLock {
	return {
		pid: Number(pid),
		application: application ?? '',
		database: database ?? '',
		...(user != null && {user}),
		...(query != null && query !== hidden && {query}),
		relation: Number(relation),
		mode: mode ?? '',
		granted: granted === 'true' || granted === 't',
		...(waiting != null && {waiting: Math.max(0, Number(waiting))}),
	};
}
