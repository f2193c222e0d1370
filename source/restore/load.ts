/** Loads an archive into the hidden database with pg_restore, which stops at the first error. */
import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {releaseDisposable} from '../lib/release.js';
import {joinServerOptions} from '../postgres/session.js';
import {eventTriggersOff, type Inventory} from '../postgres/target-inventory.js';
import type {Tool} from '../postgres/tools.js';
import {type Child, InputWriter, startChild} from '../process/child.js';
import {isInformation, type LoadTracker} from '../progress/load-tracker.js';
import type {ServerContext} from '../runs/context.js';
import type {JobControl} from '../runs/scheduler.js';
import {chosenEntries, RestoreLog} from './restore-log.js';
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
	const {dump, toc} = plan.prepared;
	const log = new RestoreLog({tolerant, isDrill, jobs: load.jobs, entries: chosenEntries(toc, plan.entries)}, () => {
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
		log.check(display(dump.database), ended.status === 'fulfilled' ? ended.value : undefined);
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
