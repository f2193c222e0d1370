/**
 * The roles that a restore creates. Their comment marks them until it has finished, so that they are removed when it
 * fails or was killed. Without superuser our user is a member of them meanwhile, to create their objects.
 */
import {messageOf, PgBackError} from '../core/errors.js';
import type {Emit} from '../core/events.js';
import {display} from '../lib/display.js';
import {unfinishedComment} from '../postgres/catalog.js';
import {identifier, literal} from '../postgres/quote.js';
import {PostgresError, type Session} from '../postgres/session.js';
import type {RunContext} from '../runs/context.js';
import {serverCommand} from './command-line.js';
import type {Removed} from './leftovers.js';
import {withoutRaw} from './raw-properties.js';
import {ifFree, restoreLock} from './restore-locks.js';
import {onSession, type RestoreTarget} from './restore-target.js';
import {readRoleMark, type RoleMark, writeRoleMark} from './role-mark.js';
import {type RolePlan, roleStatements} from './roles.js';
import {inTransaction} from './settings-and-rename.js';

/** Creates all missing roles, or none. Existing roles are never altered. */
export async function createRoles(
	run: Pick<RunContext, 'emit' | 'signal' | 'tag'>,
	{session, inventory}: RestoreTarget,
	roles: RolePlan,
): Promise<void> {
	if (roles.create.length === 0) return;
	run.signal.throwIfAborted();
	const by = inventory.superuser ? undefined : inventory.user;
	const isAny = inventory.encoding === 'SQL_ASCII';
	const writable = roles.create.map(role => (isAny ? role : withoutRaw(role).role)); // the rest is a finding
	const comments = new Map(writable.map(role => [role.name, role.comment]));
	const create = writable.map(role => ({...role, comment: undefined}));
	await inTransaction(session, roleStatements({...roles, create}, inventory.roles, inventory), async () => {
		const rows = await session.query('select rolname, oid from pg_catalog.pg_roles');
		return rows.flatMap(([name, oid]) => {
			if (typeof name !== 'string' || !comments.has(name)) return [];
			const mark = writeRoleMark({tag: run.tag, by, oid: oid ?? '', comment: comments.get(name)});
			return [`comment on role ${identifier(name)} is ${literal(mark)}`];
		});
	});
	run.emit({type: 'log', level: 'info', text: `created the roles ${namesOf(create.map(role => role.name))}`});
}

/** Completes the created roles; those of a restore that has restored nothing are dropped unless something depends on them. */
export async function finishRoles(
	run: Pick<RunContext, 'configuration' | 'emit' | 'tag'>,
	target: RestoreTarget,
	roles: RolePlan,
	{isFailed}: {readonly isFailed: boolean},
): Promise<void> {
	if (roles.create.length === 0) return;
	const names = roles.create.map(role => role.name);
	try {
		await onSession(target, async session => {
			// As a member of its owner, our user can drop it later.
			const [left] = await session.query(
				`select datname from pg_catalog.pg_database where datname ~ ${literal(String.raw`\.pgbk-${run.tag}$`)}
				and coalesce(pg_catalog.shobj_description(oid, 'pg_database') ~ ${literal(`^${unfinishedComment}`)}, true)`,
			);
			if (left) throw new PgBackError('FAILED', `the database ${display(left[0] ?? '')} still exists`);
			const marked = (await markedRoles(session)).filter(role => role.tag === run.tag && names.includes(role.name));
			const dropped: string[] = [];
			for (const role of marked) if (await finish(run.emit, session, role, isFailed)) dropped.push(role.name);
			if (dropped.length > 0)
				run.emit({
					type: 'log',
					level: 'info',
					text: `dropped the created roles ${namesOf(dropped)}: nothing was restored`,
				});
		});
	} catch (error) {
		run.emit({
			type: 'log',
			level: 'warn',
			text: `the created roles ${namesOf(names)} are unfinished (${messageOf(error)}): run ${serverCommand(run.configuration, {cleanupRestores: true})}`,
		});
	}
}

/** Finishes the roles of killed restores: unused ones are dropped. A failure causes a warning. */
export async function removeLeftRoles(run: Pick<RunContext, 'emit' | 'tag'>, session: Session): Promise<Removed> {
	const removed = {dropped: 0, failed: 0};
	for (const role of await markedRoles(session)) {
		if (role.tag === run.tag) continue;
		await ifFree(session, restoreLock(role.tag), async () => {
			const isDropped = await finish(run.emit, session, role, true);
			if (isDropped === undefined) removed.failed++;
			if (isDropped === true) removed.dropped++;
			if (isDropped === undefined) return;
			const text = isDropped
				? `dropped the role ${display(role.name)}: created by a restore that was killed`
				: `the role ${display(role.name)}, created by a restore that was killed, is kept: it is used`;
			run.emit({type: 'log', level: 'info', text});
		});
	}
	return removed;
}

type MarkedRole = RoleMark & {
	readonly name: string;
	/** The mark was copied with the role, such as by pg_dumpall: the role is not ours to drop. */
	readonly isCopy: boolean;
};

async function markedRoles(session: Session): Promise<readonly MarkedRole[]> {
	const rows = await session.query(
		`select rolname, oid, pg_catalog.shobj_description(oid, 'pg_authid') from pg_catalog.pg_roles
		where pg_catalog.shobj_description(oid, 'pg_authid') is not null order by rolname`,
	);
	return rows.flatMap(([name, oid, comment]) => {
		const mark = readRoleMark(comment ?? '');
		return mark && typeof name === 'string' ? [{...mark, name, isCopy: mark.oid !== oid}] : [];
	});
}

/** Returns whether the role was dropped; undefined after a warning. */
async function finish(emit: Emit, session: Session, role: MarkedRole, mayDrop: boolean): Promise<boolean | undefined> {
	try {
		if (mayDrop && !role.isCopy && (await dropUnused(session, role.name))) return true;
		await inTransaction(session, completion(role, session));
		return false;
	} catch (error) {
		if (!(error instanceof PostgresError)) throw error;
		const membership = role.by === undefined ? '' : `, and ${display(role.by)} is still a member of it`;
		emit({
			type: 'log',
			level: 'warn',
			text: `the created role ${display(role.name)} still has the comment of a restore${membership}: ${messageOf(error)}`,
		});
		return undefined;
	}
}

/** Drops the role unless it owns something, or has privileges. */
async function dropUnused(session: Session, name: string): Promise<boolean> {
	try {
		await session.query(`drop role ${identifier(name)}`);
		return true;
	} catch (error) {
		if (error instanceof PostgresError) return false;
		throw error;
	}
}

/** Since 16 a membership belongs to its grantor, the user itself. */
function completion({name, by, comment, isCopy}: MarkedRole, {user, serverVersion}: Session): readonly string[] {
	const grantor = serverVersion >= 160_000 && by !== undefined && by !== user ? ` granted by ${identifier(by)}` : '';
	return [
		...(by === undefined || isCopy ? [] : [`revoke ${identifier(name)} from ${identifier(by)}${grantor}`]),
		`comment on role ${identifier(name)} is ${comment === undefined ? 'null' : literal(comment)}`,
	];
}

function namesOf(names: readonly string[]): string {
	return names.map(display).join(', ');
}
