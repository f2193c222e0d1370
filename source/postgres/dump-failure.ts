import {type ErrorCode, PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {type ChildResult, describeEnd, firstError} from '../process/child.js';

type Known = readonly [pattern: RegExp, code: ErrorCode, what: string | undefined, hint: string];

const known: readonly Known[] = [
	[
		/conflict with recovery/,
		'DUMP_FAILED',
		'canceled by a recovery conflict on the standby',
		'let pg_back pause replication (execute on pg_wal_replay_pause), or raise max_standby_streaming_delay there',
	],
	[
		/database ".*" does not exist/s,
		'DATABASE_GONE',
		'the database does not exist any more',
		'it was dropped or renamed during the run',
	],
	[
		/server version mismatch/,
		'TOOLS',
		undefined,
		"install the pg_dump of the server's major version, or set its directory with --bin-directory",
	],
	[
		/could not obtain lock|lock timeout|timeout[^]*LOCK TABLE/,
		'DUMP_FAILED',
		undefined,
		'a transaction holds an exclusive lock on a table: dump at another time, or end that transaction',
	],
	[
		/max_locks_per_transaction/,
		'DUMP_FAILED',
		'the server has too few locks for all tables of the database',
		'raise max_locks_per_transaction on the server (needs a restart), or dump fewer databases at once',
	],
	[
		/permission denied for large object/,
		'DUMP_FAILED',
		undefined,
		'pg_read_all_data does not cover large objects: dump as their owner or a superuser, or exclude them with with_blobs = false',
	],
	[
		/does not have CONNECT privilege|permission denied for database/,
		'DUMP_FAILED',
		undefined,
		'grant connect on the database to the user: GRANT CONNECT ON DATABASE … TO …',
	],
	[
		/permission denied/,
		'DUMP_FAILED',
		undefined,
		'grant pg_read_all_data to the user (14 and newer), or dump as the owner or a superuser',
	],
	[
		/row-level security/,
		'DUMP_FAILED',
		undefined,
		'dump as a user with BYPASSRLS or a superuser; --enable-row-security in pg_dump_options would omit the rows that the user may not see',
	],
	[
		/No space left on device|Disk quota exceeded/,
		'DUMP_FAILED',
		undefined,
		'free some space, or purge older dumps, and run again',
	],
	[
		/too many (?:clients|connections)|remaining connection slots/,
		'DUMP_FAILED',
		undefined,
		'lower --jobs or --parallel-backup-jobs, or raise max_connections',
	],
	[
		/server closed the connection|terminating connection|connection to server was lost/,
		'DUMP_FAILED',
		'the server closed the connection',
		'check the server log',
	],
];

/** Returns the error for a failed pg_dump: a specific reason if it is known, otherwise the last lines of its output. */
export function dumpFailure(tool: string, result: ChildResult): PgBackError {
	const text = result.stderr.join('\n');
	const [, code, what, hint] = known.find(([pattern]) => pattern.test(text)) ?? [];
	const firstLine = firstError(result.stderr);
	const reason = what ?? (firstLine === undefined ? undefined : display(firstLine.replace(/^\S+: error: /, '').trim()));
	return new PgBackError(
		code ?? 'DUMP_FAILED',
		`${tool}: ${describeEnd(result)}${reason === undefined ? '' : `: ${reason}`}`,
		{
			hint,
			output: result.stderr,
		},
	);
}
