import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';

const hints: readonly (readonly [RegExp, string])[] = [
	[
		/password authentication failed|fe_sendauth: no password|empty password|SCRAM/,
		'give the right password by PGPASSWORD, ~/.pgpass (mode 0600) or a service file',
	],
	[
		/no pg_hba\.conf entry|pg_hba\.conf rejects|authentication failed/,
		'ask for another user (-U), or for an entry in pg_hba.conf',
	],
	[/role ".*" does not exist|role ".*" is not permitted to log in/, 'name an existing user that may log in with -U'],
	[/database ".*" does not exist/, 'name a database to connect to with -d, such as -d postgres'],
	[/not currently accepting connections|invalid database/, 'name another database to connect to with -d'],
	[
		/too many (?:clients|connections)|remaining connection slots/,
		'wait until others disconnect, lower --jobs, or raise max_connections',
	],
	[
		/the database system is (?:starting up|shutting down|in recovery)|not yet accepting connections/,
		'wait until the server is up and run again',
	],
	[/could not translate host name|Name or service not known|nodename nor servname/, 'check the name of the host (-h)'],
	[
		/Connection refused|No such file or directory|Is the server running/,
		'check that the server runs, and the host (-h) and port (-p) where it listens',
	],
	[/Permission denied/, 'the socket or a key file may not be read by this user'],
	[
		/timeout expired|timed out|No route to host|Network is unreachable/,
		'check the host, the network and its firewalls',
	],
	[/certificate|SSL|private key file/, 'check sslmode, sslrootcert, sslcert and sslkey'],
	[/definition of service|service file/, 'check the service and PGSERVICEFILE'],
	[/invalid connection option|invalid .* value/, 'this psql does not know that parameter of the connection'],
];

/** What psql's last words mean: PgBackError CONNECTION with what to do. `connected`: it had been connected before. */
export function connectionError(stderr: readonly string[], connected: boolean): PgBackError {
	const fatal = stderr.filter(line => /(?:^|: )FATAL: /.test(line));
	const relevant = connected ? (fatal.length > 0 ? fatal : stderr.slice(-4)) : stderr;
	const lines = relevant
		.map(line => display(line.replace(/^psql(?::<stdin>:\d+)?: (?:error: |fatal: )?/, '').trim()))
		.filter(Boolean);
	const text = lines.join(' ') || 'psql ended without a word';
	const hint = hints.find(([pattern]) => pattern.test(text))?.[1];
	return new PgBackError(
		'CONNECTION',
		connected ? `the connection to PostgreSQL was lost: ${text}` : `cannot connect to PostgreSQL: ${text}`,
		{
			hint:
				hint ??
				(connected ? 'look at the log of the server' : 'psql with the same options should fail in the same way'),
			output: stderr,
		},
	);
}
