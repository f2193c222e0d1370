/** Where the server is and who we are there: one description for psql, pg_dump and pg_dumpall, so that all reach the same. */
import {PgBackError} from '../core/errors.js';
import {formatKeywords, isConnectionString, parseConnectionString, quoteValue} from './conninfo.js';
import {toolEnvironment, type Environment} from './environment.js';
import {asEnvironment, type Parameters} from './keywords.js';
import {hideSecrets} from './secret-files.js';

export type ConnectionOptions = {
	/** `-d`: a database name, a keyword string or a URI. With a connection string `host` and `port` are ignored. */
	readonly dbname?: string;
	readonly host?: string;
	readonly port?: string | number;
	/** `-U`: applies over a connection string as well. */
	readonly user?: string;
};

/** How a child reaches the server: no secret stands in `args`, and `env` is its whole environment. */
export type ChildConnection = {
	readonly args: readonly string[];
	readonly env: Readonly<Record<string, string>>;
	/** As pg_stat_activity shows it, cut to 63 bytes there. */
	readonly applicationName: string;
};

export type ForDatabase = {
	/** Logs in as somebody else than the connection says. */
	readonly user?: string;
	/** Ignored when the connection string names one. */
	readonly applicationName?: string;
	/** For tools older than 9.3, which know no `-d CONNINFO`: everything goes by the environment. */
	readonly byEnvironment?: boolean;
};

export type Connection = {
	/** The database that the options name; libpq's default is used without. */
	readonly database: string | undefined;
	/** For pg_dump, or pg_restore and psql that restore into it. */
	readonly forDatabase: (name: string, options?: ForDatabase) => ChildConnection;
	/** For pg_dumpall: with `-l` when the options name a database. */
	readonly forGlobals: (options?: ForDatabase) => ChildConnection;
	/** For the psql of a session; on the database that the options name unless another is given. */
	readonly forSession: (database?: string) => ChildConnection;
	/** A keyword string without secrets, for logs. */
	readonly describe: () => string;
	/** Removes the password file. No child may be started afterwards. */
	readonly dispose: () => Promise<void>;
};

/**
 * Throws PgBackError CONFIG for a connection string that libpq would not take. A password, given in the string or by
 * PGPASSWORD, goes to a file of its own that only we can read; the caller disposes of it with `dispose()`.
 */
export async function buildConnection(
	options: ConnectionOptions,
	environment: Environment,
	applicationName = 'pg_back',
): Promise<Connection> {
	const {parameters, named} = resolveParameters(options);
	const {parameters: shared, environment: env, dispose} = await hideSecrets(parameters, toolEnvironment(environment));

	const child = (dbname: string | undefined, forDatabase: ForDatabase = {}): ChildConnection => {
		const name = shared.application_name ?? forDatabase.applicationName ?? applicationName;
		const all: Parameters = {
			...shared,
			application_name: name,
			...(forDatabase.user ? {user: forDatabase.user} : {}),
			...(dbname === undefined ? {} : {dbname}),
		};
		return forDatabase.byEnvironment
			? {args: [], env: {...env, ...asEnvironment(all)}, applicationName: name}
			: {args: ['-d', formatKeywords(all)], env, applicationName: name};
	};
	return {
		database: named,
		forDatabase: child,
		forGlobals(forDatabase) {
			const plain = child(named, forDatabase);
			return named === undefined ? plain : {...plain, args: ['-l', databaseArgument(named), ...plain.args]};
		},
		forSession(database = named) {
			const plain = child(database);
			return {...plain, args: [...plain.args.slice(0, -1), `${keepAlive(shared)}${plain.args.at(-1) ?? ''}`]};
		},
		describe: () => formatKeywords({...shared, application_name: shared.application_name ?? applicationName}),
		dispose,
	};
}

/** A session waits for hours beside a dump: it must notice within two minutes when the server's machine is gone. */
function keepAlive(shared: Parameters): string {
	if (Object.keys(shared).some(name => name.startsWith('keepalives'))) return '';
	return 'keepalives_idle=60 keepalives_interval=10 keepalives_count=6 ';
}

/** A database name where libpq would expand a connection string. */
function databaseArgument(name: string): string {
	return isConnectionString(name) ? `dbname=${quoteValue(name)}` : name;
}

function resolveParameters(options: ConnectionOptions): {parameters: Parameters; named: string | undefined} {
	const {dbname, host, port, user} = options;
	const over = user ? {user} : {};
	for (const value of [dbname, host, user]) {
		if (value?.includes('\0')) throw new PgBackError('CONFIG', 'a connection parameter holds a NUL');
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
