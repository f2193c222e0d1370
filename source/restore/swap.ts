/**
 * Swaps a restored database with the existing one, and back. One transaction: every client gets the old or the new one.
 */
import {messageOf, PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {identifier, literal} from '../postgres/quote.js';
import {PostgresError, type Session} from '../postgres/session.js';
import {readTargetDatabases, type TargetDatabase} from '../postgres/target-inventory.js';
import type {RunResult, ServerContext} from '../runs/context.js';
import {resultOf} from '../runs/outcome.js';
import {serverCommand} from './command-line.js';
import {preparedHint, preparedText} from './findings.js';
import {applyInside, splitRaw} from './raw-properties.js';
import {isPreviousOf, previousName, previousTime} from './restore-plan.js';
import {databaseExists, endSessions, openRestoreTarget, type RestoreTarget} from './restore-target.js';

/** The comment of a replaced database saves its connection limit and its own comment. */
const replacedComment = 'pg_back: replaced ';

type Before = {
	/** Names of replaced databases are shortened. Absent: replaced by an older version. */
	readonly name?: string;
	/**
	 * Milliseconds since the epoch by the clock of the server: the time in a name is that of the plan. Absent: replaced by
	 * hand, or by an older version.
	 */
	readonly time?: number;
	readonly connectionLimit: number;
	readonly comment: string | null;
};

export type Swap = {
	/** The name to swap. */
	readonly name: string;
	/** The new name of the present database, as it was planned. */
	readonly previous: string;
	/** The database that gets the name. */
	readonly incoming: string;
	/** Statements for the incoming database in the same transaction, before it gets the name. */
	readonly statements: readonly string[];
};

const attempts = 5;

/** SQL states: the database is in use; the new name is taken, found by a check or by the index. */
const repeatable: ReadonlySet<string> = new Set(['55006', '42P04', '23505']);

type SwapOptions = {
	readonly signal: AbortSignal;
	readonly now: () => Date;
	/** The command that undoes it. */
	readonly undo: string;
};

/**
 * Swaps, and returns the new name of the present database: the planned one, unless that was taken meanwhile. RENAME locks
 * the database before it waits (5 seconds) for its sessions to end: new connections wait for the lock, so a killed swap
 * does not lock clients out. A second session terminates existing ones. Throws FAILED, after which nothing has changed.
 */
export async function swapDatabases(
	target: RestoreTarget,
	planned: Swap,
	{signal, now, undo}: SwapOptions,
): Promise<string> {
	const {session} = target;
	const helper = await target.open(target.maintenance, signal);
	try {
		for (let attempt = 1; ; attempt++) {
			signal.throwIfAborted();
			const swap = await withFreeName(session, planned, now());
			try {
				await attemptSwap(session, helper, swap, await isReplaceable(session, swap.name));
				return swap.previous;
			} catch (error) {
				if (error instanceof LostCommit) {
					await checkCommit(target, swap, {lost: error, undo});
					return swap.previous;
				}
				if (attempt === attempts || !(error instanceof PostgresError) || !repeatable.has(error.sqlstate)) throw error;
			}
		}
	} finally {
		await helper.close();
	}
}

/** Another restore may have taken the planned name: of the same database, or of one whose shortened name is the same. */
export async function withFreeName(session: Session, swap: Swap, now: Date): Promise<Swap> {
	const rows = await session.query('select datname from pg_catalog.pg_database');
	const names = new Set(rows.map(([name]) => name));
	return names.has(swap.previous) ? {...swap, previous: previousName(swap.name, now, names)} : swap;
}

/**
 * Returns whether there is a present database. Throws FAILED for one with prepared transactions, which nothing but their
 * end lets RENAME pass: new clients would wait for its lock in vain.
 */
async function isReplaceable(session: Session, name: string): Promise<boolean> {
	const there = (await readTargetDatabases(session, name)).get(name);
	if (there && there.preparedTransactions > 0) {
		throw new PgBackError('FAILED', preparedText(there), {hint: preparedHint});
	}
	return there !== undefined;
}

/** Saves the properties of a database that has been renamed in this transaction, and restricts it to superusers. */
async function restrictPrevious(session: Session, {name, previous}: Swap): Promise<void> {
	// Read under the lock of RENAME, which may have waited for the end of another swap.
	const [row] = await session.query(
		`select datconnlimit, pg_catalog.shobj_description(oid, 'pg_database'),
			pg_catalog.floor(extract(epoch from pg_catalog.clock_timestamp()) * 1000)
		from pg_catalog.pg_database where datname = ${literal(previous)}`,
	);
	const [limit, comment = null, time] = row ?? [];
	const before = {name, time: Number(time), connectionLimit: Number(limit), comment};
	for (const statement of restricting(previous, before)) await session.query(statement, {timeout: 0});
}

/** Returns the statements that save the properties of a replaced database, and close it to all but superusers. */
export function restricting(previous: string, before: Before): readonly string[] {
	return [
		`comment on database ${identifier(previous)} is ${literal(`${replacedComment}${JSON.stringify(before)}`)}`,
		`alter database ${identifier(previous)} connection limit 0`,
	];
}

export function renaming(from: string, to: string): string {
	return `alter database ${identifier(from)} rename to ${identifier(to)}`;
}

/** The connection was lost at COMMIT, which the server may have executed. */
class LostCommit extends Error {
	/** A condition for pg_stat_activity: the lost session. Its pid alone may be that of another session by now. */
	readonly session: string;

	constructor(session: string, cause: unknown) {
		super('the connection was lost at COMMIT', {cause});
		this.session = session;
	}
}

/** The server could not be asked whether the swap was committed. */
export class UnknownOutcome extends PgBackError {}

async function attemptSwap(session: Session, helper: Session, swap: Swap, isThere: boolean): Promise<void> {
	const {name, previous, incoming, statements} = swap;
	const done = new AbortController();
	const ending = (async () => {
		while (!done.signal.aborted) {
			for (const database of [name, incoming]) await endSessions(helper, database);
			await helper.query('select pg_catalog.pg_sleep(0.05)');
		}
	})().catch(() => undefined); // sessions that stay make RENAME fail, which is the error to report
	const [[condition] = []] = await session.query(
		`select pg_catalog.format('pid = %s and backend_start = %L', pid, backend_start)
		from pg_catalog.pg_stat_activity where pid = pg_catalog.pg_backend_pid()`,
	);
	await session.query('begin');
	try {
		for (const statement of statements) await session.query(statement, {timeout: 0});
		if (isThere) {
			await session.query(renaming(name, previous), {timeout: 0});
			await restrictPrevious(session, swap);
		}
		await session.query(renaming(incoming, name), {timeout: 0});
		await session.query('commit').catch((error: unknown) => {
			throw session.alive ? error : new LostCommit(condition ?? 'false', error);
		});
	} catch (error) {
		done.abort();
		if (session.alive) await session.query('rollback');
		throw error;
	} finally {
		done.abort();
		await ending;
	}
}

/** Returns if the swap was committed. Throws the reason if it was not, and FAILED if that cannot be found out. */
async function checkCommit(
	target: RestoreTarget,
	{name, previous, incoming}: Swap,
	{lost, undo}: {readonly lost: LostCommit; readonly undo: string},
): Promise<void> {
	let isThere: boolean;
	try {
		const session = await target.open(target.maintenance, new AbortController().signal);
		try {
			// Its process may still be committing.
			const running = `select 1 from pg_catalog.pg_stat_activity where ${lost.session}`;
			while ((await session.query(running)).length > 0) await session.query('select pg_catalog.pg_sleep(0.05)');
			isThere = await databaseExists(session, incoming);
		} finally {
			await session.close();
		}
	} catch (error) {
		throw new UnknownOutcome(
			'FAILED',
			`the connection was lost at the end: ${display(name)} may be replaced (${messageOf(error)})`,
			{
				cause: error,
				hint: `if ${display(previous)} exists, it is replaced, and ${undo} undoes it; otherwise nothing has changed`,
			},
		);
	}
	if (isThere) throw lost.cause;
}

/** `--swap-back NAME`: renames the last replaced database back; the present one is kept like a replaced one. */
export async function swapBack(run: ServerContext, name: string): Promise<RunResult> {
	const target = await openRestoreTarget(run, new Set([name]));
	try {
		const databases = await readTargetDatabases(target.session);
		const found = newestReplaced(databases, name);
		if (!found) {
			throw new PgBackError('NOTHING_TO_DO', `no database at ${target.label} was replaced by ${display(name)}`, {
				hint: 'a replaced database is called NAME_before_TIME; pg_back --restore … --replace makes one',
			});
		}
		const {database, before} = found;
		const commentOn = (on: string) =>
			splitRaw(
				[`comment on database ${identifier(on)} is ${before.comment === null ? 'null' : literal(before.comment)}`],
				{encoding: target.inventory.encoding, legible: text => text},
			);
		const swap: Swap = {
			name,
			previous: previousName(name, run.now(), databases),
			incoming: database.name,
			statements: [
				`alter database ${identifier(database.name)} connection limit ${before.connectionLimit}`,
				...commentOn(database.name).shared,
			],
		};
		const previous = await swapDatabases(target, swap, {
			signal: run.signal,
			now: run.now,
			undo: serverCommand(run.configuration, {swapBack: name}),
		});
		await applyInside(run, target, name, commentOn(name).inside);
		const kept = databases.has(name) ? `; the database that had this name is now ${display(previous)}` : '';
		run.emit({
			type: 'log',
			level: 'info',
			text: `${display(database.name)} is ${display(name)} again at ${target.label}${kept}`,
		});
		return resultOf([], run.signal);
	} finally {
		await target.close();
	}
}

function newestReplaced(
	databases: ReadonlyMap<string, TargetDatabase>,
	name: string,
): {readonly database: TargetDatabase; readonly before: Before} | undefined {
	const found = [...databases.values()].flatMap(database => {
		const before = isPreviousOf(database.name, name) ? beforeOf(database.comment) : undefined;
		return before && (before.name ?? name) === name ? [{database, before}] : [];
	});
	const timeOf = ({database, before}: (typeof found)[number]) => before.time ?? previousTime(database.name);
	return found.toSorted((a, b) => timeOf(b) - timeOf(a))[0];
}

/** Returns undefined for a comment that is not ours. */
function beforeOf(comment: string | undefined): Before | undefined {
	if (!comment?.startsWith(replacedComment)) return undefined;
	try {
		const value = JSON.parse(comment.slice(replacedComment.length)) as Partial<Before>;
		const {connectionLimit, time} = value;
		if (!Number.isInteger(connectionLimit)) return undefined;
		return {
			...(typeof value.name === 'string' && {name: value.name}),
			...(typeof time === 'number' && Number.isFinite(time) && {time}),
			connectionLimit: connectionLimit ?? -1,
			comment: typeof value.comment === 'string' ? value.comment : null,
		};
	} catch (error) {
		if (error instanceof SyntaxError) return undefined;
		throw error;
	}
}
