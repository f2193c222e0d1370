import {PgBackError, type ErrorCode} from '../core/errors.js';
import {display} from '../lib/display.js';
import {describeEnd, type ChildResult} from '../process/child.js';

type Known = readonly [pattern: RegExp, code: ErrorCode, what: string | undefined, hint: string];

const known: readonly Known[] = [
	[
		/conflict with recovery/,
		'DUMP_FAILED',
		'cancelled by a recovery conflict on the standby',
		'let pg_back pause replication (execute on pg_wal_replay_pause), or raise max_standby_streaming_delay there',
	],
	[
		/database ".*" does not exist/,
		'DATABASE_GONE',
		'the database is not there any more',
		'it was dropped or renamed while the run went on',
	],
	[
		/server version mismatch/,
		'TOOLS',
		undefined,
		'install the pg_dump of the major of the server, or name its directory with --bin-directory',
	],
	[
		/could not obtain lock|lock timeout|timeout[^]*LOCK TABLE/,
		'DUMP_FAILED',
		undefined,
		'a transaction holds a table exclusively: dump at another time, or end it',
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
		'dump as a user with BYPASSRLS, or add --enable-row-security to pg_dump_options',
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
		'the server ended the connection',
		'look at the log of the server',
	],
];

/** What a pg_dump that failed has to say: the reason by name where it is known, its own last words otherwise. */
export function dumpFailure(tool: string, result: ChildResult): PgBackError {
	const text = result.stderr.join('\n');
	const [, code, what, hint] = known.find(([pattern]) => pattern.test(text)) ?? [];
	const telling = result.stderr.find(line => /error:|FATAL:|ERROR:/.test(line)) ?? result.stderr.at(-1);
	const reason = what ?? (telling === undefined ? undefined : display(telling.replace(/^\S+: error: /, '').trim()));
	return new PgBackError(
		code ?? 'DUMP_FAILED',
		`${tool}: ${describeEnd(result)}${reason === undefined ? '' : `: ${reason}`}`,
		{
			hint,
			output: result.stderr,
		},
	);
}
