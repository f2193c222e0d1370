/**
 * The server's address and our login: one description for psql, pg_dump and pg_dumpall, so that all connect to the same
 * server.
 */
import {PgBackError} from '../core/errors.js';
import type {Environment} from '../lib/environment.js';
import {formatArgument, formatKeywords, isConnectionString, parseConnectionString, quoteValue} from './conninfo.js';
import {asEnvironment, type Parameters} from './keywords.js';
import {hideSecrets} from './secret-files.js';

export type ConnectionOptions = {
	/** `-d`: a database name, a keyword string or a URI. With a connection string `host` and `port` are ignored. */
	readonly dbname?: string;
	readonly host?: string;
	readonly port?: string | number;
	/** `-U`: overrides the user in a connection string. */
	readonly user?: string;
};

/** How a child connects: `args` contains no secret, and `env` is its complete environment. */
export type ChildConnection = {
	readonly args: readonly string[];
	readonly env: Readonly<Record<string, string>>;
	/** The name in pg_stat_activity, truncated to 63 bytes there. */
	readonly applicationName: string;
};

export type ForDatabase = {
	/** Overrides the user of the connection. */
	readonly user?: string;
	/** Ignored when the connection string has one. */
	readonly applicationName?: string;
	/** For tools older than 9.3, which do not support `-d CONNINFO`: everything is passed in the environment. */
	readonly byEnvironment?: boolean;
};

export type Connection = {
	/** The configured database; undefined for libpq's default. */
	readonly database: string | undefined;
	/** Returns the connection for pg_dump, or for pg_restore and psql that restore into it. */
	readonly forDatabase: (name: string, options?: ForDatabase) => ChildConnection;
	/** Returns the connection for pg_dumpall, with `-l` when a database is configured. */
	readonly forGlobals: (options?: ForDatabase) => ChildConnection;
	/** Returns the connection for the psql of a session, to the configured database unless another is given. */
	readonly forSession: (database?: string) => ChildConnection;
	/** Returns a keyword string without secrets, for logs. */
	readonly describe: () => string;
	/** Removes the password file. No child may be started afterwards. */
	readonly dispose: () => Promise<void>;
};

/**
 * Builds the connection. Throws PgBackError CONFIG for a connection string that libpq would reject. A password, from
 * the string or PGPASSWORD, is written to a private file; the caller removes it with `dispose()`. `environment` is that
 * of the tools, without other secrets.
 */
export async function buildConnection(
	options: ConnectionOptions,
	environment: Environment,
	applicationName = 'pg_back',
): Promise<Connection> {
	const {parameters, named} = resolveParameters(options);
	const {parameters: shared, environment: env, dispose} = await hideSecrets(parameters, environment);

	const child = (dbname: string | undefined, forDatabase: ForDatabase & {more?: Parameters} = {}): ChildConnection => {
		const name = shared.application_name ?? forDatabase.applicationName ?? applicationName;
		const all: Parameters = {
			...shared,
			...forDatabase.more,
			application_name: name,
			...(forDatabase.user ? {user: forDatabase.user} : {}),
			...(dbname === undefined ? {} : {dbname}),
		};
		return forDatabase.byEnvironment
			? {args: [], env: {...env, ...asEnvironment(all)}, applicationName: name}
			: {args: ['-d', formatArgument(all)], env, applicationName: name};
	};
	return {
		database: named,
		forDatabase: child,
		forGlobals(forDatabase) {
			const plain = child(named, forDatabase);
			return named === undefined ? plain : {...plain, args: ['-l', databaseArgument(named), ...plain.args]};
		},
		forSession: (database = named) => child(database, {more: keepAlive(shared)}),
		describe: () => formatKeywords({...shared, application_name: shared.application_name ?? applicationName}),
		dispose,
	};
}

/** A session is idle for hours during a dump: it must detect within two minutes that the server's host is down. */
function keepAlive(shared: Parameters): Parameters {
	if (Object.keys(shared).some(name => name.startsWith('keepalives'))) return {};
	return {keepalives_idle: '60', keepalives_interval: '10', keepalives_count: '6'};
}

/** Returns a database name in a form that libpq does not expand as a connection string. */
function databaseArgument(name: string): string {
	return isConnectionString(name) ? `dbname=${quoteValue(name)}` : name;
}

function resolveParameters(options: ConnectionOptions): {parameters: Parameters; named: string | undefined} {
	const {dbname, host, port, user} = options;
	const over = user ? {user} : {};
	for (const value of [dbname, host, user]) {
		if (value?.includes('\0')) throw new PgBackError('CONFIG', 'a connection parameter contains a NUL');
	}
	if (dbname !== undefined && isConnectionString(dbname)) {
		const parameters: Parameters = {...parseConnectionString(dbname), ...over};
		return {parameters, named: parameters.dbname || undefined};
	}
	const given: Parameters = {
		...(host ? {host} : {}),
		...(port ? {port: String(port)} : {}),
		...over,
		...(dbname ? {dbname} : {}),
	};
	return {parameters: given, named: given.dbname};
}
