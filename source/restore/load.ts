/** Loads an archive into the hidden database with pg_restore, which stops at the first error. */
import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {plural} from '../lib/format.js';
import {releaseDisposable} from '../lib/release.js';
import {joinServerOptions} from '../postgres/session.js';
import {eventTriggersOff, type Inventory} from '../postgres/target-inventory.js';
import type {Tool} from '../postgres/tools.js';
import {type Child, type ChildResult, describeEnd, InputWriter, startChild} from '../process/child.js';
import {isInformation, type LoadTracker} from '../progress/load-tracker.js';
import type {ServerContext} from '../runs/context.js';
import type {JobControl} from '../runs/scheduler.js';
import type {RestoreOptions} from './restore-options.js';
import type {DatabasePlan} from './restore-plan.js';
import type {RestoreTarget} from './restore-target.js';

export type LoadOptions = {
	/** The path of the archive; undefined: its bytes come from `source`. */
	readonly path: string | undefined;
	readonly source?: AsyncIterable<Uint8Array>;
	/** The path of a file with the entries to restore. */
	readonly list: string | undefined;
	readonly jobs: number;
	/** Restores everything as this role, regardless of the owner. */
	readonly role?: string;
	/** Receives the messages of pg_restore about its progress. */
	readonly tracker?: Pick<LoadTracker, 'note'>;
};

export type LoadTarget = {
	readonly run: ServerContext;
	readonly target: RestoreTarget;
	readonly options: RestoreOptions;
	/** Reports all errors, not only the first. */
	readonly isDrill?: boolean;
};

/** A setting that pg_restore sends since 17, and older servers do not know. */
const knownFailure =
	/: error: could not execute query: ERROR: {2}unrecognized configuration parameter "transaction_timeout"$/;

/**
 * Throws FAILED with the first error, and with the entry that it is about. All of its processes and sessions have ended
 * then.
 */
export async function loadArchive(
	{run, target, options, isDrill = false}: LoadTarget,
	plan: DatabasePlan,
	{control, ...load}: LoadOptions & {readonly control: JobControl},
): Promise<void> {
	const {pgRestore} = plan;
	if (!pgRestore) throw new PgBackError('BUG', 'an archive without a pg_restore');
	const connection = target.connection.forDatabase(plan.hidden);
	// Older servers reject one setting of newer clients, which would stop pg_restore with --exit-on-error: in that case
	// we stop it ourselves.
	const tolerant = isTolerant(pgRestore, target.inventory.version);
	const isVerbose = canBeVerbose(plan, load);
	const args = [
		'-w',
		...(isVerbose ? ['-v'] : []),
		...(tolerant || isDrill ? [] : ['--exit-on-error']),
		...(load.jobs > 1 ? ['-j', String(load.jobs)] : []),
		...(load.list === undefined ? [] : ['-L', load.list]),
		...(options.data ? [] : ['--schema-only']),
		...(options.owner === undefined ? [] : ['--no-owner']),
		...(load.role === undefined ? [] : [`--role=${load.role}`]),
		...(options.privileges ? [] : ['--no-privileges']),
		...rowSecurity(pgRestore),
		...(hasTablespaces(plan, target) ? [] : ['--no-tablespaces']),
		...connection.args,
		...(load.path === undefined ? [] : ['--', load.path]),
	];
	const failing = new AbortController();
	const log = new RestoreLog({tolerant, jobs: load.jobs}, () => {
		if (tolerant && !isDrill) failing.abort(new PgBackError('FAILED', 'pg_restore reported an error'));
	});
	const child = startChild({
		command: pgRestore.path,
		args,
		env: {
			...connection.env,
			PGOPTIONS: sessionOptions(connection.env['PGOPTIONS'], target.inventory),
			LC_ALL: 'C',
		},
		stdin: load.source ? 'pipe' : 'ignore',
		stderr: 'messages',
		signal: AbortSignal.any([control.signal, failing.signal]),
		onLine(line) {
			if (isVerbose && (load.tracker?.note(line, run.now().getTime()) ?? isInformation(line))) return;
			// Nobody who looks for errors in the log should find one that is none.
			if (log.add(line)) run.emit({type: 'log', level: 'debug', text: line, job: control.id});
			else run.emit({type: 'job.output', job: control.id, line});
		},
	});
	run.emit({type: 'job.command', job: control.id, command: [pgRestore.path, ...args].map(display).join(' ')});
	try {
		// A failed source ends the input, which makes the child fail.
		const feeding = load.source ? feed(child, load.source) : Promise.resolve();
		const [fed, ended] = await Promise.allSettled([feeding, child.done]);
		control.signal.throwIfAborted();
		if (fed.status === 'rejected') throw fed.reason;
		if (ended.status === 'rejected' && !failing.signal.aborted) throw ended.reason;
		log.check(display(plan.prepared.dump.database), ended.status === 'fulfilled' ? ended.value : undefined);
	} finally {
		endWorkers(child);
	}
}

/**
 * Workers write their lines in pieces: those of several would mix with errors. A name with a line break, which is
 * printed as it is, may look like an error.
 */
function canBeVerbose({prepared}: DatabasePlan, {jobs}: LoadOptions): boolean {
	return jobs === 1 && !prepared.toc?.entries.some(({schema, tag}) => /[\r\n]/.test(`${schema ?? ''}${tag}`));
}

function hasTablespaces({prepared}: DatabasePlan, {inventory}: RestoreTarget): boolean {
	return [...prepared.needs.tablespaces].every(name => inventory.tablespaces.has(name));
}

/**
 * Row security never removes rows that are loaded: they are refused or not, with either value of it. A materialized
 * view of a table with policies can only be refreshed with it, and has the rows then that its owner may see.
 */
export function rowSecurity({version}: Tool): readonly string[] {
	return version >= 90_500 ? ['--enable-row-security'] : [];
}

function isTolerant(pgRestore: Tool, server: number): boolean {
	return pgRestore.version >= 170_000 && server < 170_000;
}

/**
 * Settings of our sessions: they must not be ended. In a live database commits are durable, and its event triggers fire.
 */
export function sessionOptions(
	inherited: string | undefined,
	{version, superuser}: Pick<Inventory, 'version' | 'superuser'>,
	{isLive = false}: {readonly isLive?: boolean} = {},
): string {
	const settings: Readonly<Record<string, string>> = {
		...(!isLive && {synchronous_commit: 'off'}),
		statement_timeout: '0',
		lock_timeout: '0',
		idle_in_transaction_session_timeout: '0',
		default_transaction_read_only: 'off',
		...(version >= 140_000 && {idle_session_timeout: '0'}),
		...(version >= 170_000 && {transaction_timeout: '0'}),
	};
	const words = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`);
	const off = isLive ? '' : eventTriggersOff({version, superuser});
	return joinServerOptions(inherited, ...words, off);
}

async function feed(child: Child, source: AsyncIterable<Uint8Array>): Promise<void> {
	const {stdin} = child;
	if (!stdin) throw new PgBackError('BUG', 'pg_restore has no standard input');
	stdin.on('error', () => undefined); // its exit status gives the reason
	const writer = new InputWriter(stdin);
	try {
		for await (const chunk of source) {
			if (stdin.destroyed) continue; // it has failed or read enough; the rest is still hashed
			await writer.write(chunk);
			releaseDisposable(chunk);
		}
	} finally {
		writer.end();
	}
}

/** Workers continue to load after their leader was killed: they are in its process group. */
export function endWorkers({pid}: Pick<Child, 'pid'>): void {
	if (pid === undefined) return;
	try {
		process.kill(-pid, 'SIGKILL');
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // all have exited
	}
}

/** Collects the lines of pg_restore, and determines from them how it ended. */
export class RestoreLog {
	readonly #tolerant: boolean;
	readonly #jobs: number;
	readonly #onError: () => void;
	readonly #errors: string[] = [];
	#tolerated = 0;
	#isTolerated = false;
	#ignored = 0;
	#entry = '';
	#failedEntry = '';
	readonly #more: string[] = [];

	constructor({tolerant, jobs}: {readonly tolerant: boolean; readonly jobs: number}, onError: () => void) {
		this.#tolerant = tolerant;
		this.#jobs = jobs;
		this.#onError = onError;
	}

	/** Returns true for a line of a tolerated failure. */
	add(line: string): boolean {
		const entry = /from TOC entry \d+; \d+ \d+ (.*)$/s.exec(line)?.[1];
		if (entry !== undefined) this.#entry = entry;
		const ignored = /errors ignored on restore: (\d+)/.exec(line)?.[1];
		const wasTolerated = this.#isTolerated;
		this.#isTolerated = this.#tolerant && knownFailure.test(line);
		if (this.#isTolerated) {
			this.#tolerated++;
			return true;
		}
		if (ignored !== undefined) {
			this.#ignored = Number(ignored);
			return this.#errors.length === 0 && this.#ignored <= this.#mostTolerated;
		}
		if (/: (?:error|fatal): /.test(line)) {
			if (this.#errors.length === 0) this.#failedEntry = this.#entry;
			this.#errors.push(line);
			this.#onError();
		} else if (this.#errors.length > 0 && this.#more.length < 5) this.#more.push(line);
		return (wasTolerated && line.startsWith('Command was: ')) || (this.#tolerant && / while INITIALIZING:$/.test(line));
	}

	/**
	 * pg_restore sends the setting once, with workers a second time when they have ended, and does not count what those
	 * send when they start. It counts everything else that fails, also if the lines of two processes mix.
	 */
	get #mostTolerated(): number {
		return this.#jobs > 1 ? 2 : 1;
	}

	/** Throws FAILED unless it ended as expected, CORRUPT where pg_restore could not read the dump. */
	check(what: string, result: ChildResult | undefined): void {
		const clean = result?.exitCode === 0 && this.#ignored === 0;
		const tolerated = result?.exitCode === 1 && this.#tolerated > 0 && this.#ignored <= this.#mostTolerated;
		if (this.#errors.length === 0 && (clean || tolerated)) return;
		const said =
			this.#errors[0] ??
			result?.stderr.findLast(line => !isInformation(line)) ??
			(result ? `pg_restore: ${describeEnd(result)}` : 'pg_restore was ended');
		const reason = said.replace(/^\S*pg_restore: (?:error: )?(?:could not execute query: )?/, '');
		const at = this.#failedEntry === '' ? '' : ` at ${display(this.#failedEntry)}`;
		const isDamaged = damage.test(reason);
		const hint = isDamaged
			? 'the dump is damaged or incomplete: restore another run'
			: hintFor(`${said} ${this.#more.join(' ')}`);
		const more = this.#errors.length > 1 ? ` (and ${plural(this.#errors.length - 1, 'more error')})` : '';
		throw new PgBackError(isDamaged ? 'CORRUPT' : 'FAILED', `cannot restore ${what}${at}: ${display(reason)}${more}`, {
			output: [...this.#errors.slice(0, 50), ...this.#more],
			hint,
		});
	}
}

/**
 * What pg_restore says of bytes that pg_dump did not write, of a file that ends too early, and of a member that is not
 * there. A statement that fails is reported by another line, "could not execute query".
 */
const damage =
	/^(?:could not (?:uncompress data|decompress|find (?:block ID|entry for ID|file ".*" in archive|header for file))|could not read (?:from )?input file: (?!.*(?:Input\/output error|Permission denied))|could not (?:open|close) .*No such file or directory|did not find magic string|found unexpected block ID|unrecognized data block|corrupt tar header|entry ID -?\d+ out of range|invalid (?:compression code|line in large object TOC|OID for large object)|unexpected end of file)/;

const hints: readonly (readonly [RegExp, string])[] = [
	[/No space left on device/, 'free some space on the server, then try again'],
	[/attribute_version|pg_attver/, 'update the server: it is an older minor release than the dumped one'],
	[/could not access file|could not load library/, 'install the package of the extension on the server'],
	[/permission denied|must be (?:superuser|owner|able)/, 'restore as a superuser, or with --owner and --no-privileges'],
	[
		/unrecognized configuration parameter|syntax error/,
		'the target is older than the dump: restore into a newer server',
	],
	[
		/deadlock detected/,
		'sessions of pg_restore waited for each other: try again, with --restore-jobs 1 if that happens again',
	],
	[
		/terminating connection|server closed the connection|Connection reset by peer|Broken pipe|could not (?:receive data from|send data to) server|no connection to the server/,
		'the connection was lost: check the server log',
	],
];

export function hintFor(text: string): string {
	return hints.find(([pattern]) => pattern.test(text))?.[1] ?? 'use --skip to leave an entry out';
}
