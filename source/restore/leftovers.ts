/** Unfinished databases of killed restores. An active restore holds a lock, which is derived from the database's name. */
import {messageOf} from '../core/errors.js';
import {display} from '../lib/display.js';
import {keptComment, unfinishedComment} from '../postgres/catalog.js';
import {identifier, literal} from '../postgres/quote.js';
import type {Session} from '../postgres/session.js';
import type {TargetDatabase} from '../postgres/target-inventory.js';
import type {RunContext} from '../runs/context.js';
import {ifFree, restoreLock} from './restore-locks.js';
import {hiddenTag} from './restore-plan.js';
import {dropOwnDatabase, type RestoreTarget} from './restore-target.js';

export type Removed = {readonly dropped: number; readonly failed: number};

/**
 * Removes the databases with exactly our form of name, of restores that are not active, with our comment, or without a
 * comment and empty. A failed removal causes a warning.
 */
export async function removeLeftDatabases(
	run: Pick<RunContext, 'emit' | 'signal' | 'tag'>,
	target: RestoreTarget,
): Promise<Removed> {
	const {session} = target;
	const rows = await session.query(
		`select d.datname, pg_catalog.shobj_description(d.oid, 'pg_database') from pg_catalog.pg_database d
		where d.datname ~ '\\.pgbk-[a-z0-9]{6}$' and pg_catalog.pg_has_role(d.datdba, 'usage')`,
	);
	const removed = {dropped: 0, failed: 0};
	for (const [name, comment] of rows) {
		const tag = name === null || name === undefined ? undefined : hiddenTag(name);
		if (tag === undefined || typeof name !== 'string' || tag === run.tag) continue;
		await ifFree(session, restoreLock(tag), async () => {
			try {
				if (!(await isOurs(target, name, comment))) return;
				await dropOwnDatabase(target, name);
				removed.dropped++;
				run.emit({type: 'log', level: 'info', text: `dropped ${display(name)}: left by a restore that was killed`});
			} catch (error) {
				run.signal.throwIfAborted();
				removed.failed++;
				run.emit({
					type: 'log',
					level: 'warn',
					text: `cannot drop ${display(name)}, left by a restore that was killed: ${messageOf(error)}`,
				});
			}
		});
	}
	return removed;
}

/** Returns whether a failed restore has kept the database: only the user drops it. */
export function isKept({name, comment}: Pick<TargetDatabase, 'name' | 'comment'>): boolean {
	return hiddenTag(name) !== undefined && (comment?.startsWith(keptComment) ?? false);
}

/**
 * Returns whether a database with our form of name is one that was never finished: by its comment, or without a comment
 * if it is empty, because a restore may be killed before it comments on it.
 */
export async function isOurs(
	{open}: Pick<RestoreTarget, 'open'>,
	database: string,
	comment: string | null | undefined,
): Promise<boolean> {
	if (typeof comment === 'string') return comment.startsWith(unfinishedComment);
	const session = await open(database);
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

/** Returns the statement that marks a database as ours and unfinished. */
export function markStatement(database: string, runId: string, source: string): string {
	return `comment on database ${identifier(database)} is ${literal(`${unfinishedComment} of ${display(source)}, run ${runId}`)}`;
}
