/**
 * Lets a user without superuser rights complete and compare what it has restored: owners may have revoked their own
 * rights, or may be subject to their own policies.
 */
import {identifier} from '../postgres/quote.js';
import type {Session} from '../postgres/session.js';
import type {RestoreTarget} from './restore-target.js';
import {inTransaction} from './settings-and-rename.js';

/** A statement, and those that undo it. */
type Change = {readonly statement: string; readonly undo: readonly string[]};

/**
 * Runs `work` with USAGE of all schemas and SELECT of all rows that our user may grant, and undoes that afterwards. Only
 * for a hidden database: if we are killed, it never gets its name.
 */
export async function withReadAccess<T>(
	target: Access,
	database: string,
	signal: AbortSignal,
	work: () => Promise<T>,
): Promise<T> {
	const find = async (session: Session) => [
		...(await schemasToOpen(session)),
		...(await tablesToOpen(session)),
		...(await forced(session)),
	];
	return withChanges(target, {database, signal, find}, work);
}

/** Runs `work` with USAGE of all schemas for our user, or for `role`, like `withReadAccess`. */
export async function withUsage<T>(
	target: Access,
	{database, signal, role}: {readonly database: string; readonly signal: AbortSignal; readonly role?: string},
	work: () => Promise<T>,
): Promise<T> {
	const find = async (session: Session) => {
		if (role !== undefined) await session.query(`set role ${identifier(role)}`);
		return schemasToOpen(session);
	};
	return withChanges(target, {database, signal, find}, work);
}

type Access = Pick<RestoreTarget, 'inventory' | 'open'>;

type Changes = {
	readonly database: string;
	readonly signal: AbortSignal;
	readonly find: (session: Session) => Promise<readonly Change[]>;
};

async function withChanges<T>(
	{inventory, open}: Access,
	{database, signal, find}: Changes,
	work: () => Promise<T>,
): Promise<T> {
	if (inventory.superuser) return work();
	const session = await open(database, signal);
	try {
		const changes = await find(session);
		if (changes.length === 0) return await work();
		await inTransaction(
			session,
			changes.map(change => change.statement),
		);
		const undo = async () =>
			inTransaction(
				session,
				changes.toReversed().flatMap(change => change.undo),
			);
		let result: T;
		try {
			result = await work();
		} catch (error) {
			if (session.alive) await undo().catch(() => undefined); // the first error is the reason
			throw error;
		}
		await undo(); // also tried on a lost connection: a database that kept these rights must not get its name
		return result;
	} finally {
		await session.close();
	}
}

async function schemasToOpen(session: Session): Promise<readonly Change[]> {
	const rows = await session.query(
		`select pg_catalog.quote_ident(nspname) from pg_catalog.pg_namespace
		where not pg_catalog.has_schema_privilege(oid, 'USAGE') and pg_catalog.pg_has_role(nspowner, 'USAGE')
		and nspname !~ '^pg_' and nspname <> 'information_schema'`,
	);
	return rows.map(([name = '']) => ({
		statement: `grant usage on schema ${name} to current_user`,
		undo: [`revoke usage on schema ${name} from current_user`],
	}));
}

/** REVOKE on a table also revokes the rights on its columns, which are granted again. */
async function tablesToOpen(session: Session): Promise<readonly Change[]> {
	const rows = await session.query(
		`select pg_catalog.format('%I.%I', n.nspname, c.relname), pg_catalog.quote_ident(a.attname), x.is_grantable
		from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
		left join (pg_catalog.pg_attribute a cross join lateral pg_catalog.aclexplode(a.attacl) x) on a.attrelid = c.oid
			and x.privilege_type = 'SELECT' and x.grantor = c.relowner
			and x.grantee = (select oid from pg_catalog.pg_roles where rolname = current_user)
		where c.relkind in ('r', 'p') and not pg_catalog.has_table_privilege(c.oid, 'SELECT')
		and pg_catalog.pg_has_role(c.relowner, 'USAGE') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'`,
	);
	return [...Map.groupBy(rows, ([name]) => name ?? '')].map(([name, columns]) => ({
		statement: `grant select on ${name} to current_user`,
		undo: [
			`revoke select on ${name} from current_user`,
			...columns.flatMap(([, column, isGrantable]) =>
				typeof column === 'string'
					? [`grant select (${column}) on ${name} to current_user${isGrantable === 't' ? ' with grant option' : ''}`]
					: [],
			),
		],
	}));
}

/** Returns the tables whose policies also apply to their owner. */
async function forced(session: Session): Promise<readonly Change[]> {
	const rows = await session.query(
		`select pg_catalog.format('%I.%I', n.nspname, c.relname)
		from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
		where c.relrowsecurity and c.relforcerowsecurity and pg_catalog.pg_has_role(c.relowner, 'USAGE')`,
	);
	return rows.map(([name = '']) => ({
		statement: `alter table ${name} no force row level security`,
		undo: [`alter table ${name} force row level security`],
	}));
}
