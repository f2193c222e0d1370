/** The state of the target server, read before a restore is planned. Only queries. */
import {mayReadIdentifier, readSystemIdentifier} from './catalog.js';
import {literal} from './quote.js';
import {PostgresError, type Session} from './session.js';

export type TargetRole = {
	readonly name: string;
	/** Attributes in upper case, such as `CREATEDB`, with their values. */
	readonly attributes: ReadonlyMap<string, boolean>;
	/** Our user may act as this role. */
	readonly isOurs: boolean;
};

export type TargetDatabase = {
	readonly name: string;
	/** Bytes; undefined if we lack the privilege. */
	readonly size: number | undefined;
	readonly owner: string;
	readonly connectionLimit: number;
	readonly allowsConnections: boolean;
	readonly isTemplate: boolean;
	readonly comment: string | undefined;
	/** Sessions in it, without ours. */
	readonly sessions: number;
	readonly preparedTransactions: number;
	readonly replicationSlots: readonly string[];
	readonly subscriptions: number;
};

export type Inventory = {
	/** Such as 150018, and as printed. */
	readonly version: number;
	readonly versionText: string;
	/** Of the database that the session is connected to, such as `UTF8`. */
	readonly encoding: string;
	readonly systemIdentifier: string | undefined;
	readonly user: string;
	readonly superuser: boolean;
	readonly createsDatabases: boolean;
	readonly createsRoles: boolean;
	readonly inRecovery: boolean;
	/** The server's setting, not our session's. */
	readonly readOnly: boolean;
	/** The error of PL/pgSQL when it cannot be used. */
	readonly brokenLanguage: string | undefined;
	readonly roles: ReadonlyMap<string, TargetRole>;
	readonly extensions: ReadonlySet<string>;
	/** Extensions that a role with CREATE on a database can create (since 13). */
	readonly trustedExtensions: ReadonlySet<string>;
	readonly preloaded: readonly string[];
	readonly tablespaces: ReadonlySet<string>;
	readonly databases: ReadonlyMap<string, TargetDatabase>;
	/** Connections that are still available. */
	readonly freeConnections: number;
	/** True for a server on this host, with its data directory if we may read it. */
	readonly local: boolean;
	readonly dataDirectory: string | undefined;
	readonly replicas: number;
	readonly archives: boolean;
};

/**
 * Returns the option of a connection without event triggers, if the server has it and our user may set it: those for
 * logins may refuse our sessions, or record them in a restored table.
 */
export function eventTriggersOff({version, superuser}: Pick<Inventory, 'version' | 'superuser'>): string {
	return version >= 170_000 && superuser ? '-c event_triggers=off' : '';
}

/** Reads everything with `session`, which must be connected to a database that is not replaced. */
export async function readInventory(session: Session): Promise<Inventory> {
	const version = session.serverVersion;
	const [self = []] = await session.query(`select current_user, r.rolsuper, r.rolcreatedb, r.rolcreaterole,
			pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('server_version'),
			(select reset_val from pg_catalog.pg_settings where name = 'default_transaction_read_only'),
			(select setting from pg_catalog.pg_settings where name = 'shared_preload_libraries'),
			(select setting from pg_catalog.pg_settings where name = 'data_directory'),
			(select setting from pg_catalog.pg_settings where name = 'archive_mode'),
			pg_catalog.inet_server_addr() is null,
			pg_catalog.current_setting('max_connections')::int
				- pg_catalog.current_setting('superuser_reserved_connections')::int
				- (select pg_catalog.count(*) from pg_catalog.pg_stat_activity where datname is not null),
			(select pg_catalog.count(*) from pg_catalog.pg_stat_replication),
			${mayReadIdentifier(version)}, pg_catalog.current_setting('server_encoding')
		from pg_catalog.pg_roles r where r.rolname = current_user`);
	const [
		user,
		superuser,
		createdb,
		createrole,
		recovery,
		text,
		readOnly,
		preload,
		data,
		archive,
		local,
		free,
		replicas,
		mayRead,
		encoding,
	] = self;
	const extensions = await session.query('select name from pg_catalog.pg_available_extensions');
	const trusted =
		version < 130_000
			? []
			: await session.query('select distinct name from pg_catalog.pg_available_extension_versions where trusted');
	const tablespaces = await session.query('select spcname from pg_catalog.pg_tablespace');
	return {
		version,
		versionText: text?.split(' ')[0] ?? '',
		encoding: encoding ?? '',
		systemIdentifier: mayRead === 't' ? await readSystemIdentifier(session) : undefined,
		user: user ?? session.user,
		superuser: superuser === 't',
		createsDatabases: superuser === 't' || createdb === 't',
		createsRoles: superuser === 't' || createrole === 't',
		inRecovery: recovery === 't',
		readOnly: readOnly === 'on',
		brokenLanguage: await brokenLanguage(session),
		roles: await readRoles(session),
		extensions: new Set(extensions.map(([name]) => name ?? '')),
		trustedExtensions: new Set(trusted.map(([name]) => name ?? '')),
		preloaded: (preload ?? '').split(',').map(one => one.trim()),
		tablespaces: new Set(tablespaces.map(([name]) => name ?? '')),
		databases: await readTargetDatabases(session),
		freeConnections: Number(free),
		local: local === 't',
		dataDirectory: data ?? undefined,
		replicas: Number(replicas),
		archives: archive === 'on' || archive === 'always',
	};
}

/** After an upgrade of the server's packages without a restart its library may fail to load. */
async function brokenLanguage(session: Session): Promise<string | undefined> {
	try {
		await session.query('do $pgback$ begin null; end $pgback$');
		return undefined;
	} catch (error) {
		if (error instanceof PostgresError) return error.message;
		throw error;
	}
}

const attributes = [
	['SUPERUSER', 'rolsuper'],
	['INHERIT', 'rolinherit'],
	['CREATEROLE', 'rolcreaterole'],
	['CREATEDB', 'rolcreatedb'],
	['LOGIN', 'rolcanlogin'],
	['REPLICATION', 'rolreplication'],
	['BYPASSRLS', 'rolbypassrls'],
] as const;

async function readRoles(session: Session): Promise<ReadonlyMap<string, TargetRole>> {
	// Since 16 the relevant privilege is SET ROLE.
	const right = session.serverVersion >= 160_000 ? 'SET' : 'MEMBER';
	const rows = await session.query(
		`select rolname, pg_catalog.pg_has_role(current_user, oid, '${right}'), ${attributes.map(([, column]) => column).join(', ')}
		from pg_catalog.pg_roles`,
	);
	return new Map(
		rows.map(([name, isOurs, ...flags]) => [
			name ?? '',
			{
				name: name ?? '',
				isOurs: isOurs === 't',
				attributes: new Map(attributes.map(([attribute], index) => [attribute, flags[index] === 't'])),
			},
		]),
	);
}

/** Reads all databases, or one. */
export async function readTargetDatabases(
	session: Session,
	only?: string,
): Promise<ReadonlyMap<string, TargetDatabase>> {
	const rows = await session.query(
		`select d.datname,
			case when pg_catalog.has_database_privilege(d.oid, 'connect') then pg_catalog.pg_database_size(d.oid) end,
			pg_catalog.pg_get_userbyid(d.datdba), d.datconnlimit, d.datallowconn, d.datistemplate,
			pg_catalog.shobj_description(d.oid, 'pg_database'),
			(select pg_catalog.count(*) from pg_catalog.pg_stat_activity a where a.datid = d.oid and a.pid <> pg_catalog.pg_backend_pid()),
			(select pg_catalog.count(*) from pg_catalog.pg_prepared_xacts x where x.database = d.datname),
			(select pg_catalog.string_agg(s.slot_name, ', ') from pg_catalog.pg_replication_slots s where s.datoid = d.oid),
			(select pg_catalog.count(s.subdbid) from pg_catalog.pg_subscription s where s.subdbid = d.oid)
		from pg_catalog.pg_database d${only === undefined ? '' : ` where d.datname = ${literal(only)}`}`,
		{timeout: 0},
	);
	return new Map(
		rows.map(([name, size, owner, limit, allows, template, comment, sessions, prepared, slots, subscriptions]) => [
			name ?? '',
			{
				name: name ?? '',
				size: size == null ? undefined : Number(size),
				owner: owner ?? '',
				connectionLimit: Number(limit),
				allowsConnections: allows === 't',
				isTemplate: template === 't',
				comment: comment ?? undefined,
				sessions: Number(sessions),
				preparedTransactions: Number(prepared),
				replicationSlots: slots == null ? [] : slots.split(', '),
				subscriptions: Number(subscriptions),
			},
		]),
	);
}

/**
 * Returns whether the server has a libc locale: `lc_monetary` accepts only those, and setting it for our session
 * changes nothing else.
 */
export async function hasLocale(session: Session, locale: string): Promise<boolean> {
	if (locale === 'C' || locale === 'POSIX') return true;
	try {
		await session.query(`select pg_catalog.set_config('lc_monetary', ${literal(locale)}, false)`);
		return true;
	} catch (error) {
		if (error instanceof PostgresError) return false;
		throw error;
	}
}

/** Returns whether the server was built with ICU. */
export async function hasIcu(session: Session): Promise<boolean> {
	const [row] = await session.query("select 1 from pg_catalog.pg_collation where collprovider = 'i' limit 1");
	return row !== undefined;
}
