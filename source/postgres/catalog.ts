/** Information about the server and its databases: one query each. */
import type {ServerInfo} from '../core/events.js';
import {literal} from './quote.js';
import type {Session} from './session.js';

export type Server = ServerInfo & {
	/** False: pg_dumpall can only dump globals without role passwords. */
	readonly canReadRolePasswords: boolean;
	/** The server's shared_preload_libraries; empty if they may not be read. */
	readonly preloadLibraries: readonly string[];
	/** The database that pg_cron uses. */
	readonly cronDatabase?: string;
};

export async function serverInfo(session: Session): Promise<Server> {
	const [row = []] = await session.query(`select pg_catalog.current_setting('server_version'),
		coalesce((select rolsuper from pg_catalog.pg_roles where rolname = current_user), false),
		pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'select'),
		${session.serverVersion >= 90_000 ? 'pg_catalog.pg_is_in_recovery()' : 'false'},
		${mayReadIdentifier(session.serverVersion)},
		current_user,
		(select setting from pg_catalog.pg_settings where name = 'shared_preload_libraries'),
		(select setting from pg_catalog.pg_settings where name = 'cron.database_name')`);
	const [version = '', superuser, canReadRolePasswords, inRecovery, mayRead, user, libraries, cronDatabase] = row;
	const systemIdentifier = mayRead === 't' ? await readSystemIdentifier(session) : undefined;
	return {
		version: version?.split(' ')[0] ?? '',
		versionNumber: session.serverVersion,
		inRecovery: inRecovery === 't',
		host: session.host,
		port: session.port,
		user: user ?? session.user,
		superuser: superuser === 't',
		canReadRolePasswords: canReadRolePasswords === 't',
		preloadLibraries: (libraries ?? '')
			.split(',')
			.map(name => name.trim().replaceAll('"', '').replace('$libdir/', ''))
			.filter(Boolean),
		...(cronDatabase != null && {cronDatabase}),
		...(systemIdentifier === undefined ? {} : {systemIdentifier}),
	};
}

/** Returns an expression for whether `readSystemIdentifier` is possible. */
export function mayReadIdentifier(serverVersion: number): string {
	return serverVersion >= 90_600
		? "pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'execute')"
		: 'false';
}

/** Returns the identifier of the cluster. Rejects with PostgresError if our user may not read it. */
export async function readSystemIdentifier(session: Session): Promise<string | undefined> {
	const [row] = await session.query('select system_identifier from pg_catalog.pg_control_system()');
	return row?.[0] ?? undefined;
}

export type Database = {
	readonly name: string;
	readonly allowsConnections: boolean;
	readonly isTemplate: boolean;
	/** Left by an interrupted DROP DATABASE: it accepts no connections and can only be dropped. */
	readonly invalid: boolean;
	/** A restore or a drill fills it under a hidden name, or has failed and left it. */
	readonly unfinished: boolean;
	/** Bytes; undefined if we lack the privilege. */
	readonly size: number | undefined;
	/** The owner; undefined when the role no longer exists. */
	readonly owner: string | undefined;
};

/** The beginning of an unfinished database's comment. */
export const unfinishedComment = 'pg_back: unfinished restore';

/** The beginning of the comment of a database that a failed restore kept for inspection: only the user drops it. */
export const keptComment = 'pg_back: kept from a failed restore';

/**
 * Returns every database of the server, sorted by name. Sizes are only read with `sizes`, or of the databases named
 * there, because that looks at each file in the server's directories.
 */
export async function listDatabases(
	session: Session,
	{sizes}: {readonly sizes: boolean | readonly string[]},
): Promise<readonly Database[]> {
	// pg_database_size requires CONNECT, or since 10 pg_read_all_stats.
	const mayKnow = `pg_catalog.has_database_privilege(d.oid, 'connect')${
		session.serverVersion >= 100_000 ? " or pg_catalog.pg_has_role('pg_read_all_stats', 'usage')" : ''
	}`;
	const names = typeof sizes === 'boolean' ? [] : sizes.filter(name => !name.includes('\0')).map(literal);
	const isAsked = names.length === 0 ? String(sizes === true) : `d.datname in (${names.join(', ')})`;
	const size = sizes ? `case when ${isAsked} and (${mayKnow}) then pg_catalog.pg_database_size(d.oid) end` : 'null';
	const rows = await session.query(
		`select d.datname, d.datallowconn, d.datistemplate, d.datconnlimit = -2, ${size}, r.rolname,
			d.datname ~ '[.]pgbk-(drill-)?[a-z0-9]+$' and exists (select 1 from pg_catalog.pg_shdescription c
				where c.objoid = d.oid and c.classoid = 'pg_catalog.pg_database'::pg_catalog.regclass
				and c.description ~ ${literal(`^(${unfinishedComment}|${keptComment})`)})
		from pg_catalog.pg_database d left join pg_catalog.pg_roles r on r.oid = d.datdba
		order by d.datname`,
		{timeout: 0},
	);
	return rows.map(([name, allowsConnections, isTemplate, invalid, bytes, owner, unfinished]) => ({
		name: name ?? '',
		allowsConnections: allowsConnections === 't',
		isTemplate: isTemplate === 't',
		invalid: invalid === 't',
		unfinished: unfinished === 't',
		size: bytes == null ? undefined : Number(bytes),
		owner: owner ?? undefined,
	}));
}
