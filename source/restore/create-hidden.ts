/** Creates the hidden database that a restore fills: other users cannot connect, and a comment describes it. */
import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {identifier, literal} from '../postgres/quote.js';
import {PostgresError, type Session} from '../postgres/session.js';
import {creationOptions} from './database-definition.js';
import {markStatement} from './leftovers.js';
import type {RestoreOptions} from './restore-options.js';
import type {DatabasePlan} from './restore-plan.js';
import type {RestoreTarget} from './restore-target.js';

/** Throws TARGET_LACKS when the server rejects the database's definition. */
export async function createHidden(
	runId: string,
	{session, inventory}: RestoreTarget,
	{hidden, definition, prepared}: DatabasePlan,
	options: RestoreOptions,
): Promise<void> {
	const {superuser, version, tablespaces} = inventory;
	const words = [...creationOptions(definition, version)];
	const owner = options.owner ?? (superuser ? undefined : await ownerFor(session, version, definition.owner));
	if (owner !== undefined) words.push(`OWNER = ${identifier(owner)}`);
	if (definition.tablespace !== undefined && tablespaces.has(definition.tablespace))
		words.push(`TABLESPACE = ${identifier(definition.tablespace)}`);
	// A superuser connects in spite of the limit; ALLOW_CONNECTIONS false would reject pg_restore too.
	if (superuser) words.push('CONNECTION LIMIT = 0');
	try {
		await session.query(`create database ${identifier(hidden)} with ${words.join(' ')}`, {timeout: 0});
	} catch (error) {
		// Insufficient resources and errors of the system say nothing of the database.
		if (!(error instanceof PostgresError) || /^(?:53|58|XX)/.test(error.sqlstate)) throw error;
		throw new PgBackError(
			'TARGET_LACKS',
			`cannot create a database like ${display(prepared.dump.database)}: ${error.message}`,
			{
				cause: error,
				hint: 'use --locale LOCALE to replace a locale that the server does not have',
			},
		);
	}
	await session.query(markStatement(hidden, runId, prepared.dump.database));
	if (!superuser) await session.query(`revoke all on database ${identifier(hidden)} from public`);
}

/**
 * Returns the owner if we act for it: since 15 only the owner of a database may create objects in the schema public, and
 * only a superuser may give an object to a role that may not create it.
 */
async function ownerFor(session: Session, version: number, owner: string | undefined): Promise<string | undefined> {
	if (owner === undefined) return undefined;
	// Since 16 a member may inherit the rights of a role without being allowed to give it a database.
	const maySet = version >= 160_000 ? "and pg_catalog.pg_has_role(oid, 'SET')" : '';
	const [found] = await session.query(
		`select 1 from pg_catalog.pg_roles where rolname = ${literal(owner)} and pg_catalog.pg_has_role(oid, 'USAGE') ${maySet}`,
	);
	return found ? owner : undefined;
}
