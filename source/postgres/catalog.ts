/** What the server says of itself and of its databases: one query each. */
import type {ServerInfo} from '../core/events.js';
import type {Session} from './session.js';

export type Server = ServerInfo & {
	/** False: pg_dumpall can only be asked for globals without role passwords. */
	readonly canReadRolePasswords: boolean;
};

export async function serverInfo(session: Session): Promise<Server> {
	const [row = []] = await session.query(`select pg_catalog.current_setting('server_version'),
		coalesce((select rolsuper from pg_catalog.pg_roles where rolname = current_user), false),
		pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'select'),
		${session.serverVersion >= 90_000 ? 'pg_catalog.pg_is_in_recovery()' : 'false'},
		${session.serverVersion >= 90_600 ? "pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'execute')" : 'false'},
		current_user`);
	const [version = '', superuser, canReadRolePasswords, inRecovery, canReadControl, user] = row;
	const systemIdentifier = canReadControl === 't' ? await readSystemIdentifier(session) : undefined;
	return {
		version: version?.split(' ')[0] ?? '',
		versionNumber: session.serverVersion,
		inRecovery: inRecovery === 't',
		host: session.host,
		port: session.port,
		user: user ?? session.user,
		superuser: superuser === 't',
		canReadRolePasswords: canReadRolePasswords === 't',
		...(systemIdentifier === undefined ? {} : {systemIdentifier}),
	};
}

async function readSystemIdentifier(session: Session): Promise<string | undefined> {
	const [row] = await session.query('select system_identifier from pg_catalog.pg_control_system()');
	return row?.[0] ?? undefined;
}

export type Database = {
	readonly name: string;
	readonly allowsConnections: boolean;
	readonly isTemplate: boolean;
	/** Left behind by an interrupted DROP DATABASE: nobody can connect, it can only be dropped. */
	readonly invalid: boolean;
	/** Bytes; undefined where we may not know. */
	readonly size: number | undefined;
	/** The owner; undefined when the role is gone. */
	readonly owner: string | undefined;
};

/** Every database of the server, in order of name. Sizes are looked up only with `sizes`, which reads the server's directories. */
export async function listDatabases(
	session: Session,
	options: {readonly sizes: boolean},
): Promise<readonly Database[]> {
	// CONNECT, or from 10 on pg_read_all_stats, is what pg_database_size asks for.
	const mayKnow = `pg_catalog.has_database_privilege(d.oid, 'connect')${
		session.serverVersion >= 100_000 ? " or pg_catalog.pg_has_role('pg_read_all_stats', 'usage')" : ''
	}`;
	const size = options.sizes ? `case when ${mayKnow} then pg_catalog.pg_database_size(d.oid) end` : 'null';
	const rows = await session.query(
		`select d.datname, d.datallowconn, d.datistemplate, d.datconnlimit = -2, ${size}, r.rolname
		from pg_catalog.pg_database d left join pg_catalog.pg_roles r on r.oid = d.datdba
		order by d.datname`,
		{timeout: 0},
	);
	return rows.map(([name, allowsConnections, isTemplate, invalid, bytes, owner]) => ({
		name: name ?? '',
		allowsConnections: allowsConnections === 't',
		isTemplate: isTemplate === 't',
		invalid: invalid === 't',
		size: bytes == null ? undefined : Number(bytes),
		owner: owner ?? undefined,
	}));
}
