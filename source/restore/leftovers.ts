/**
 * Unfinished databases of killed restores. An active restore holds an advisory lock, which is derived from the
 * database's name.
 */
import {messageOf} from '../core/errors.js';
import {display} from '../lib/display.js';
import {plural} from '../lib/format.js';
import {identifier, literal} from '../postgres/quote.js';
import type {Session} from '../postgres/session.js';
import type {RunContext, RunResult} from '../runs/context.js';
import {resultOf} from '../runs/outcome.js';
import {hiddenTag} from './restore-plan.js';
import {dropOwnDatabase, openRestoreTarget, type RestoreTarget} from './restore-target.js';

/** The first half of the lock's key: `pgbk`. */
const lockClass = 0x7067_626b;

/** Returns the second half: the six characters as a number, 36^6 of them, around zero. */
export function lockNumber(tag: string): number {
	return Number.parseInt(tag, 36) - 2 ** 31;
}

/** The beginning of an unfinished database's comment. */
export const unfinishedComment = 'pg_back: unfinished restore';

/** The beginning of the comment of a database that a failed restore kept for inspection: only the user drops it. */
export const keptComment = 'pg_back: kept from a failed restore';

/** Takes the lock until the session ends. */
export async function lockRestore(session: Session, tag: string): Promise<void> {
	await session.query(`select pg_catalog.pg_advisory_lock(${lockClass}, ${lockNumber(tag)})`);
}

/**
 * Returns whether the restore's lock is free. Locks belong to a database: one taken in another database is looked up,
 * and ours is held while the leftover is dropped.
 */
async function isFree(session: Session, tag: string): Promise<boolean> {
	const object = lockNumber(tag) >>> 0;
	const [held] = await session.query(
		`select 1 from pg_catalog.pg_locks where locktype = 'advisory' and classid = ${lockClass}::oid
		and objid = ${object}::oid and objsubid = 2 and granted and pid <> pg_catalog.pg_backend_pid()`,
	);
	if (held) return false;
	const [row] = await session.query(`select pg_catalog.pg_try_advisory_lock(${lockClass}, ${lockNumber(tag)})`);
	return row?.[0] === 't';
}

/**
 * Removes the databases with exactly our form of name, of restores that are not active, with our comment, or without a
 * comment and empty. Returns their number. A failed removal causes a warning.
 */
export async function removeLeftovers(run: RunContext, target: RestoreTarget): Promise<number> {
	const {session} = target;
	const rows = await session.query(
		`select d.datname, pg_catalog.shobj_description(d.oid, 'pg_database') from pg_catalog.pg_database d
		where d.datname ~ '\\.pgbk-[a-z0-9]{6}$' and pg_catalog.pg_has_role(d.datdba, 'usage')`,
	);
	let removed = 0;
	for (const [name, comment] of rows) {
		const tag = name === null || name === undefined ? undefined : hiddenTag(name);
		if (tag === undefined || typeof name !== 'string' || tag === run.tag) continue;
		if (comment !== null && !comment?.startsWith(unfinishedComment)) continue;
		if (!(await isFree(session, tag))) continue;
		try {
			if (comment === null && !(await isEmpty(target, name))) continue;
			await dropOwnDatabase(target, name);
			removed++;
			run.emit({type: 'log', level: 'info', text: `dropped ${display(name)}: left by a restore that was killed`});
		} catch (error) {
			run.signal.throwIfAborted();
			run.emit({
				type: 'log',
				level: 'warn',
				text: `cannot drop ${display(name)}, left by a restore that was killed: ${messageOf(error)}`,
			});
		} finally {
			if (session.alive) await session.query(`select pg_catalog.pg_advisory_unlock(${lockClass}, ${lockNumber(tag)})`);
		}
	}
	return removed;
}

/** A restore that was killed between creating a database and commenting on it has stored nothing in it. */
async function isEmpty(target: RestoreTarget, database: string): Promise<boolean> {
	const session = await target.open(database);
	try {
		return !(await hasUserObjects(session));
	} finally {
		await session.close();
	}
}

/** Returns whether the session's database has user objects. */
export async function hasUserObjects(session: Session): Promise<boolean> {
	const first = 16_384; // FirstNormalObjectId
	const catalogs = [
		'pg_class',
		'pg_proc',
		'pg_type',
		'pg_namespace',
		'pg_extension',
		'pg_largeobject_metadata',
		'pg_foreign_server',
	];
	const [row] = await session.query(
		`select ${catalogs.map(name => `exists (select from pg_catalog.${name} where oid >= ${first})`).join(' or ')}`,
	);
	return row?.[0] === 't';
}

/** Runs `--cleanup-restores`. */
export async function cleanupRestores(run: RunContext): Promise<RunResult> {
	const target = await openRestoreTarget(run, new Set());
	try {
		const removed = await removeLeftovers(run, target);
		const text =
			removed === 0 ? `there is nothing to clean up at ${target.label}` : `dropped ${plural(removed, 'database')}`;
		run.emit({type: 'log', level: 'info', text});
		return resultOf([], run.signal);
	} finally {
		await target.close();
	}
}

/** Returns the statement that marks a database as ours and unfinished. */
export function markStatement(database: string, runId: string, source: string): string {
	return `comment on database ${identifier(database)} is ${literal(`${unfinishedComment} of ${source}, run ${runId}`)}`;
}
