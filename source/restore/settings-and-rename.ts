/** The last step of a restore: the database gets its properties, its privileges and its name, in one transaction. */
import {identifier, literal} from '../postgres/quote.js';
import type {Session} from '../postgres/session.js';
import type {RestoreOptions} from './restore-options.js';
import type {DatabasePlan} from './restore-plan.js';
import {endSessions, type RestoreTarget} from './restore-target.js';

/** Returns the statements that set all properties of the dumped database except its name. */
export function propertyStatements(
	{hidden, definition}: DatabasePlan,
	options: RestoreOptions,
	superuser: boolean,
	roles: ReadonlySet<string>,
): readonly string[] {
	const {owner, privileges, settings, comment, connectionLimit, isTemplate, labels} = definition;
	const name = identifier(hidden);
	const to = options.owner ?? owner;
	const known = (names: readonly string[]) => names.every(role => roles.has(role));
	return [
		...(to !== undefined && roles.has(to) ? [`alter database ${name} owner to ${identifier(to)}`] : []),
		// Revoked from PUBLIC while it was filled; the dump's privileges are relative to these.
		...(superuser ? [] : [`grant connect, temporary on database ${name} to public`]),
		...(options.privileges ? privileges.filter(one => known(one.roles)).map(one => one.on(hidden)) : []),
		...settings.filter(one => known(one.roles)).map(one => one.on(hidden)),
		...labels.map(one => one.on(hidden)),
		`comment on database ${name} is ${comment === undefined ? 'null' : literal(comment)}`,
		...(connectionLimit !== -1 || superuser ? [`alter database ${name} connection limit ${connectionLimit}`] : []),
		...(isTemplate ? [`alter database ${name} is_template true`] : []),
	];
}

/** Runs all statements or none. `more` returns further ones, which depend on what the first have done. */
export async function inTransaction(
	session: Session,
	statements: readonly string[],
	more: () => Promise<readonly string[]> = async () => [],
): Promise<void> {
	await session.query('begin');
	try {
		for (const statement of statements) await session.query(statement, {timeout: 0});
		for (const statement of await more()) await session.query(statement, {timeout: 0});
	} catch (error) {
		if (session.alive) await session.query('rollback');
		throw error;
	}
	await session.query('commit');
}

/** Only an autovacuum worker, which RENAME ends, and monitoring sessions can be in a hidden database. */
export async function renameHidden(
	{session, inventory}: RestoreTarget,
	plan: DatabasePlan,
	options: RestoreOptions,
	roles: ReadonlySet<string>,
): Promise<void> {
	await endSessions(session, plan.hidden);
	await inTransaction(session, [
		...propertyStatements(plan, options, inventory.superuser, roles),
		`alter database ${identifier(plan.hidden)} rename to ${identifier(plan.target)}`,
	]);
}
