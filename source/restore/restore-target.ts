/** The target server: a session on a database that is not replaced, and the properties of the server. */
import {setTimeout as delay} from 'node:timers/promises';
import {PgBackError, toPgBackError} from '../core/errors.js';
import {buildConnection, type Connection} from '../postgres/connection.js';
import {isStarting} from '../postgres/connection-error.js';
import {identifier, literal} from '../postgres/quote.js';
import {openSession, type Session} from '../postgres/session.js';
import {eventTriggersOff, type Inventory, readInventory} from '../postgres/target-inventory.js';
import {findPsql, type Tool} from '../postgres/tools.js';
import type {Account} from '../process/account.js';
import type {RunContext, ServerContext} from '../runs/context.js';
import {findOptions} from '../runs/prepare-backup.js';

export type RestoreTarget = {
	readonly connection: Connection;
	/** The database to connect to for creating, renaming and dropping others. */
	readonly maintenance: string;
	/** A session on that database. It outlives a canceled run, so that leftovers can be removed. */
	readonly session: Session;
	readonly psql: Tool;
	readonly inventory: Inventory;
	/** The account that psql runs as for scripts of dumps; undefined for the default of `runPsqlScript`. */
	readonly account?: Account | undefined;
	/** For people: `db1:5432`. */
	readonly label: string;
	/** Opens another session, which is closed with the run unless `signal` is given. The caller closes it. */
	readonly open: (database: string, signal?: AbortSignal) => Promise<Session>;
	readonly close: () => Promise<void>;
};

/**
 * Connects to the database of `-d`, or to postgres or template1 if that is going to be replaced. The caller closes it.
 */
export async function openRestoreTarget(run: ServerContext, taken: ReadonlySet<string>): Promise<RestoreTarget> {
	const {dbname, host, port, user} = run.configuration.settings;
	const connection = await buildConnection({dbname, host, port, user}, run.toolEnv, 'pg_back restore');
	try {
		const psql = await findPsql(findOptions(run));
		let serverOptions = '';
		const open = (database: string, signal: AbortSignal = run.signal) =>
			openSession({psql: psql.path, connection, database, signal, serverOptions});
		const {session, maintenance} = await openMaintenance(run, connection.database, taken, open);
		try {
			const inventory = await readInventory(session);
			serverOptions = eventTriggersOff(inventory);
			return {
				connection,
				maintenance,
				session,
				psql,
				inventory,
				label: `${session.host}:${session.port}`,
				open,
				async close() {
					await session.close();
					await connection.dispose();
				},
			};
		} catch (error) {
			await session.close();
			throw error;
		}
	} catch (error) {
		await connection.dispose();
		throw error;
	}
}

async function openMaintenance(
	run: Pick<RunContext, 'signal'>,
	named: string | undefined,
	taken: ReadonlySet<string>,
	open: (database: string, signal: AbortSignal) => Promise<Session>,
): Promise<{session: Session; maintenance: string}> {
	const candidates = [...new Set([...(named === undefined ? [] : [named]), 'postgres', 'template1'])];
	const opening = new AbortController();
	const stop = () => opening.abort(run.signal.reason);
	run.signal.throwIfAborted();
	run.signal.addEventListener('abort', stop, {once: true});
	let first: PgBackError | undefined;
	try {
		for (const maintenance of candidates.filter(name => !taken.has(name))) {
			try {
				return {session: await open(maintenance, opening.signal), maintenance};
			} catch (error) {
				run.signal.throwIfAborted();
				first ??= toPgBackError(error);
				if (!/does not exist/.test(toPgBackError(error).message)) throw error;
			}
		}
	} finally {
		run.signal.removeEventListener('abort', stop);
	}
	throw first ?? new PgBackError('CONNECTION', 'no database left to connect to', {hint: 'specify one with -d'});
}

/**
 * Runs `act` with the target's session on the maintenance database, or with a new one if that has ended: what was
 * changed must be undone all the same. `act` may run twice.
 */
export async function onSession<T>(
	{session, maintenance, open}: Pick<RestoreTarget, 'session' | 'maintenance' | 'open'>,
	act: (session: Session) => Promise<T>,
): Promise<T> {
	const isAlive = () => session.alive;
	if (isAlive()) {
		try {
			return await act(session);
		} catch (error) {
			if (isAlive()) throw error;
		}
	}
	const other = await openAgain(() => open(maintenance, new AbortController().signal)); // the run may have been canceled
	try {
		return await act(other);
	} finally {
		await other.close();
	}
}

export async function databaseExists(session: Session, name: string): Promise<boolean> {
	const found = await session.query(`select 1 from pg_catalog.pg_database where datname = ${literal(name)}`);
	return found.length > 0;
}

const recoveryTime = 60_000;
const recoveryPoll = 100;

/** Opens a session. When one process of a server crashes, the server ends all sessions and refuses new ones until it has recovered. */
async function openAgain(open: () => Promise<Session>): Promise<Session> {
	const deadline = performance.now() + recoveryTime;
	for (;;) {
		try {
			return await open();
		} catch (error) {
			if (!isStarting(error) || performance.now() > deadline) throw error;
			await delay(recoveryPoll);
		}
	}
}

/**
 * Terminates all other sessions of a database that our user may terminate; a superuser's must end by itself. Only for
 * databases of ours, or one that the user confirmed.
 */
export async function endSessions(session: Session, database: string): Promise<void> {
	await session.query(
		`select pg_catalog.pg_terminate_backend(a.pid) from pg_catalog.pg_stat_activity a
		left join pg_catalog.pg_roles r on r.oid = a.usesysid
		where a.datname = ${literal(database)} and a.pid <> pg_catalog.pg_backend_pid()
		and (pg_catalog.current_setting('is_superuser') = 'on' or not r.rolsuper and exists (select from pg_catalog.pg_roles own
			where (own.oid = r.oid or own.rolname = 'pg_signal_backend') and pg_catalog.pg_has_role(own.oid, 'USAGE')))`,
	);
}

const dropAttempts = 50;

/**
 * Drops a database of ours with its sessions, waiting for those that are about to end. Its subscriptions are dropped
 * without contacting their publishers.
 */
export async function dropOwnDatabase(
	target: Pick<RestoreTarget, 'session' | 'maintenance' | 'open'>,
	database: string,
): Promise<void> {
	await onSession(target, session => dropOn(session, target.open, database));
}

async function dropOn(session: Session, open: RestoreTarget['open'], database: string): Promise<void> {
	const [found] = await session.query(
		`select datistemplate from pg_catalog.pg_database where datname = ${literal(database)}`,
	);
	if (!found) return;
	if (found[0] === 't') await session.query(`alter database ${identifier(database)} is_template false`);
	await dropSubscriptions(session, database, open);
	for (let attempt = 1; ; attempt++) {
		await endSessions(session, database);
		try {
			await session.query(`drop database if exists ${identifier(database)}`, {timeout: 0});
			return;
		} catch (error) {
			if (attempt === dropAttempts || !session.alive || !/being accessed by other users/.test(String(error)))
				throw error;
		}
	}
}

async function dropSubscriptions(session: Session, database: string, open: RestoreTarget['open']): Promise<void> {
	const subscriptions = await session.query(`select s.subname from pg_catalog.pg_subscription s
		join pg_catalog.pg_database d on d.oid = s.subdbid where d.datname = ${literal(database)}`);
	if (subscriptions.length === 0) return;
	// The run may have been canceled: what it created is dropped nevertheless.
	const inside = await open(database, new AbortController().signal);
	try {
		for (const [name] of subscriptions) {
			const quoted = identifier(name ?? '');
			await inside.query(`alter subscription ${quoted} disable`);
			await inside.query(`alter subscription ${quoted} set (slot_name = none)`);
			await inside.query(`drop subscription ${quoted}`);
		}
	} finally {
		await inside.close();
	}
}
