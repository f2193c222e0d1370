import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';

const starting = /the database system is (?:starting up|shutting down|in recovery)|not yet accepting connections/;

const hints: readonly (readonly [RegExp, string])[] = [
	[
		/password authentication failed|fe_sendauth: no password|empty password|SCRAM/,
		'provide the right password in PGPASSWORD, ~/.pgpass (mode 0600) or a service file',
	],
	[
		/no pg_hba\.conf entry|pg_hba\.conf rejects|authentication failed/,
		'use a different user (-U), or add an entry to pg_hba.conf',
	],
	[/role ".*" does not exist|role ".*" is not permitted to log in/, 'specify an existing user that may log in with -U'],
	[/database ".*" does not exist/, 'specify a database to connect to with -d, such as -d postgres'],
	[/not currently accepting connections|invalid database/, 'specify a different database to connect to with -d'],
	[
		/too many (?:clients|connections)|remaining connection slots/,
		'wait until others disconnect, lower --jobs, or raise max_connections',
	],
	[starting, 'wait until the server has started, then run again'],
	[/could not translate host name|Name or service not known|nodename nor servname/, 'check the host name (-h)'],
	[
		/Connection refused|No such file or directory|Is the server running/,
		'check that the server is running, and the host (-h) and port (-p) it listens on',
	],
	[/Permission denied/, 'this user may not read the socket or a key file'],
	[
		/timeout expired|timed out|No route to host|Network is unreachable/,
		'check the host, the network and its firewalls',
	],
	[/certificate|SSL|private key file/, 'check sslmode, sslrootcert, sslcert and sslkey'],
	[/definition of service|service file/, 'check the service and PGSERVICEFILE'],
	[/invalid connection option/, 'this psql does not support that connection parameter'],
	[
		/unrecognized configuration parameter|invalid value for parameter/,
		'correct the setting in the options of the connection string, in PGOPTIONS or in the service file',
	],
	[
		/invalid (?:\S+ )?(?:value|port number)|could not match \d+ /,
		'correct the parameter in the connection string (-d), in the PG* variables or in the service file',
	],
];

/**
 * Converts the last lines of psql to a PgBackError CONNECTION with a hint. `connected`: the session was connected
 * before.
 */
export function connectionError(stderr: readonly string[], connected: boolean): PgBackError {
	const fatal = stderr.filter(line => /(?:^|: )FATAL: /.test(line));
	const relevant = connected ? (fatal.length > 0 ? fatal : stderr.slice(-4)) : stderr;
	const lines = relevant
		.map(line => display(line.replace(/^psql(?::<stdin>:\d+)?: (?:error: |fatal: )?/, '').trim()))
		.filter(Boolean);
	const text = lines.join(' ') || 'psql exited without an error message';
	const hint = hints.find(([pattern]) => pattern.test(text))?.[1];
	return new PgBackError(
		'CONNECTION',
		connected ? `the connection to PostgreSQL was lost: ${text}` : `cannot connect to PostgreSQL: ${text}`,
		{
			hint: hint ?? (connected ? 'check the server log' : 'run psql with the same options to reproduce the failure'),
			output: stderr,
		},
	);
}

/** Returns whether a connection failed because the server is about to accept some, such as after a crash. */
export function isStarting(error: unknown): boolean {
	return error instanceof PgBackError && error.code === 'CONNECTION' && starting.test(error.message);
}
