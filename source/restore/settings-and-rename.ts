/** The last step of a restore: the database gets its properties, its privileges and its name, in one transaction. */
import {identifier, literal} from '../postgres/quote.js';
import type {Session} from '../postgres/session.js';
import type {Inventory} from '../postgres/target-inventory.js';
import type {RunContext} from '../runs/context.js';
import type {DatabaseStatement} from './database-definition.js';
import {applyInside, type Properties, splitRaw} from './raw-properties.js';
import type {RestoreOptions} from './restore-options.js';
import type {DatabasePlan} from './restore-plan.js';
import {endSessions, type RestoreTarget} from './restore-target.js';

/** Returns the statements that set all properties of the dumped database except its name and comment. */
export function propertiesOf(
	{hidden, definition}: DatabasePlan,
	options: RestoreOptions,
	{superuser, encoding, roles: present}: Pick<Inventory, 'superuser' | 'encoding' | 'roles'>,
	roles: ReadonlySet<string>,
): Properties {
	const {owner, privileges, settings, connectionLimit, isTemplate, labels, legible} = definition;
	const name = identifier(hidden);
	const to = options.owner ?? owner;
	const known = (names: readonly string[]) => names.every(role => roles.has(role));
	const mayBe = (role: string) => superuser || present.get(role)?.isOurs === true;
	const split = (statements: readonly string[]) => splitRaw(statements, {encoding, legible});
	const groups = [
		split([
			...(to !== undefined && roles.has(to) ? [`alter database ${name} owner to ${identifier(to)}`] : []),
			// Revoked from PUBLIC while it was filled; the dump's privileges are relative to these.
			...(superuser ? [] : [`grant connect, temporary on database ${name} to public`]),
			...(options.privileges
				? privileges.filter(one => known(one.roles)).flatMap(one => granting(one, hidden, mayBe))
				: []),
		]),
		split(settings.filter(one => known(one.roles)).map(one => one.on(hidden))),
		split(labels.map(one => one.on(hidden))),
		split([
			...(connectionLimit !== -1 || superuser ? [`alter database ${name} connection limit ${connectionLimit}`] : []),
			...(isTemplate ? [`alter database ${name} is_template true`] : []),
		]),
	];
	return {shared: groups.flatMap(({shared}) => shared), inside: groups.flatMap(({inside}) => inside)};
}

/** Without the right to act as the grantor, the privilege becomes one of the owner. */
function granting(
	{on, grantor}: DatabaseStatement,
	database: string,
	mayBe: (role: string) => boolean,
): readonly string[] {
	if (grantor === undefined || !mayBe(grantor)) return [on(database)];
	return [`set role ${identifier(grantor)}`, on(database), 'reset role'];
}

/**
 * Returns the statement that sets the comment of the dumped database on `name`. One for a session inside is run after
 * the rename: until then the comment marks the database as ours.
 */
export function commentOf(
	{definition}: DatabasePlan,
	{encoding}: Pick<Inventory, 'encoding'>,
	name: string,
): Properties {
	const {comment, legible} = definition;
	const on = `comment on database ${identifier(name)} is`;
	const found = splitRaw([`${on} ${comment === undefined ? 'null' : literal(comment)}`], {encoding, legible});
	return {...found, shared: found.inside.length > 0 ? [`${on} null`] : found.shared};
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

/** Returns what is set in the transaction of the rename: the properties of the dumped database, and its comment. */
export function lastStatements(
	plan: DatabasePlan,
	options: RestoreOptions,
	inventory: Inventory,
	roles: ReadonlySet<string>,
): readonly string[] {
	return [...propertiesOf(plan, options, inventory, roles).shared, ...commentOf(plan, inventory, plan.hidden).shared];
}

type LastStep = {
	readonly run: Pick<RunContext, 'emit' | 'signal'>;
	readonly target: RestoreTarget;
	readonly options: RestoreOptions;
	/** Existing roles. */
	readonly roles: ReadonlySet<string>;
};

/** Only an autovacuum worker, which RENAME ends, and monitoring sessions can be in a hidden database. */
export async function renameHidden({run, target, options, roles}: LastStep, plan: DatabasePlan): Promise<void> {
	const {session, inventory} = target;
	await applyInside(run, target, plan.hidden, propertiesOf(plan, options, inventory, roles).inside);
	await endSessions(session, plan.hidden);
	await inTransaction(session, [
		...lastStatements(plan, options, inventory, roles),
		`alter database ${identifier(plan.hidden)} rename to ${identifier(plan.target)}`,
	]);
	await applyInside(run, target, plan.target, commentOf(plan, inventory, plan.target).inside);
}
