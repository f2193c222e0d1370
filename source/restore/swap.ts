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
import {preparedHint, preparedText} from './findings.js';
import {applyInside, splitRaw} from './raw-properties.js';
import {isPreviousOf, previousName} from './restore-plan.js';
import {endSessions, openRestoreTarget, type RestoreTarget} from './restore-target.js';

/** The comment of a replaced database saves its connection limit and its own comment. */
const replacedComment = 'pg_back: replaced ';

type Before = {
	/** Names of replaced databases are shortened. Absent: replaced by an older version. */
	readonly name?: string;
	readonly connectionLimit: number;
	readonly comment: string | null;
};

export type Swap = {
	/** The name to swap. */
	readonly name: string;
	/** The new name of the present database. */
	readonly previous: string;
	/** The database that gets the name. */
	readonly incoming: string;
	/** Statements for the incoming database in the same transaction, before it gets the name. */
	readonly statements: readonly string[];
};

const attempts = 5;

/**
 * Swaps. RENAME locks the database before it waits (5 seconds) for its sessions to end: new connections wait for the
 * lock, so a killed swap does not lock clients out. A second session terminates existing ones. Throws FAILED, after which
 * nothing has changed.
 */
export async function swapDatabases(target: RestoreTarget, swap: Swap, signal: AbortSignal): Promise<void> {
	const {session} = target;
	const {name, previous, incoming, statements} = swap;
	const helper = await target.open(target.maintenance, signal);
	try {
		for (let attempt = 1; ; attempt++) {
			signal.throwIfAborted();
			try {
				await attemptSwap(session, helper, {
					statements: [
						...statements,
						...(await setAside(session, name, previous)),
						`alter database ${identifier(incoming)} rename to ${identifier(name)}`,
					],
					databases: [name, incoming],
				});
				return;
			} catch (error) {
				if (error instanceof LostCommit) {
					await checkCommit(target, swap, error);
					return;
				}
				if (attempt === attempts || !(error instanceof PostgresError) || error.sqlstate !== '55006') throw error;
			}
		}
	} finally {
		await helper.close();
	}
}

/**
 * Renames the present database, and restricts it to superusers. Throws FAILED for one with prepared transactions, which
 * nothing but their end lets RENAME pass: new clients would wait for its lock in vain.
 */
async function setAside(session: Session, name: string, previous: string): Promise<readonly string[]> {
	const there = (await readTargetDatabases(session, name)).get(name);
	if (there && there.preparedTransactions > 0) {
		throw new PgBackError('FAILED', preparedText(there), {hint: preparedHint});
	}
	return statementsAside(there, name, previous);
}

function statementsAside(there: TargetDatabase | undefined, name: string, previous: string): readonly string[] {
	if (!there) return [];
	const before: Before = {name, connectionLimit: there.connectionLimit, comment: there.comment ?? null};
	return [
		`alter database ${identifier(name)} rename to ${identifier(previous)}`,
		`comment on database ${identifier(previous)} is ${literal(`${replacedComment}${JSON.stringify(before)}`)}`,
		`alter database ${identifier(previous)} connection limit 0`,
	];
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
class UnknownOutcome extends PgBackError {}

async function attemptSwap(
	session: Session,
	helper: Session,
	{statements, databases}: {readonly statements: readonly string[]; readonly databases: readonly string[]},
): Promise<void> {
	const done = new AbortController();
	const ending = (async () => {
		while (!done.signal.aborted) {
			for (const database of databases) await endSessions(helper, database);
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
async function checkCommit(target: RestoreTarget, {name, previous, incoming}: Swap, lost: LostCommit): Promise<void> {
	let isThere: boolean;
	try {
		const session = await target.open(target.maintenance, new AbortController().signal);
		try {
			// Its process may still be committing.
			const running = `select 1 from pg_catalog.pg_stat_activity where ${lost.session}`;
			while ((await session.query(running)).length > 0) await session.query('select pg_catalog.pg_sleep(0.05)');
			const rows = await session.query(`select 1 from pg_catalog.pg_database where datname = ${literal(incoming)}`);
			isThere = rows.length > 0;
		} finally {
			await session.close();
		}
	} catch (error) {
		throw new UnknownOutcome(
			'FAILED',
			`the connection was lost at the end: ${display(name)} may be replaced (${messageOf(error)})`,
			{
				cause: error,
				hint: `if ${display(previous)} exists, it is replaced, and pg_back --swap-back ${display(name)} undoes it; otherwise nothing has changed`,
			},
		);
	}
	if (isThere) throw lost.cause;
}

/**
 * Returns the statements of a failed swap, to be run by hand: those of the swap itself, so that a failure of one of them
 * changes nothing either, and `--swap-back` finds the database. `there` is the present one.
 */
export function swapByHand(
	{name, previous, incoming, statements}: Swap,
	there: TargetDatabase | undefined,
): readonly string[] {
	return [
		`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${literal(name)}`,
		'begin',
		...statementsAside(there, name, previous),
		...statements,
		`alter database ${identifier(incoming)} rename to ${identifier(name)}`,
		'commit',
	].map(statement => `${statement};`);
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
		if (databases.has(swap.previous)) {
			throw new PgBackError('EXISTS', `database ${display(swap.previous)} exists`, {hint: 'try again in a second'});
		}
		await swapDatabases(target, swap, run.signal);
		await applyInside(run, target, name, commentOn(name).inside);
		const kept = databases.has(name) ? `; the database that had this name is now ${display(swap.previous)}` : '';
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
	return found.toSorted((a, b) => (a.database.name < b.database.name ? 1 : -1))[0];
}

/** Returns undefined for a comment that is not ours. */
function beforeOf(comment: string | undefined): Before | undefined {
	if (!comment?.startsWith(replacedComment)) return undefined;
	try {
		const value = JSON.parse(comment.slice(replacedComment.length)) as Partial<Before>;
		const {connectionLimit} = value;
		if (!Number.isInteger(connectionLimit)) return undefined;
		return {
			...(typeof value.name === 'string' && {name: value.name}),
			connectionLimit: connectionLimit ?? -1,
			comment: typeof value.comment === 'string' ? value.comment : null,
		};
	} catch (error) {
		if (error instanceof SyntaxError) return undefined;
		throw error;
	}
}

/** Returns an error that tells what to do after a failed swap. `there` is the present database, as it was planned. */
export function swapFailure(error: unknown, swap: Swap, there: TargetDatabase | undefined): PgBackError {
	if (error instanceof UnknownOutcome) return error;
	const first = error instanceof PgBackError && error.hint !== undefined ? `${error.hint}; ` : '';
	return new PgBackError(
		'FAILED',
		`cannot replace ${display(swap.name)} with ${display(swap.incoming)}: ${messageOf(error)}`,
		{
			cause: error,
			output: swapByHand(swap, there),
			hint: `${display(swap.name)} is unchanged; ${first}run the statements above to swap them by hand`,
		},
	);
}
