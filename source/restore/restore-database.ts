/**
 * The job that restores one database: create, load, analyze, compare, hook, settings, rename. On failure it leaves
 * nothing behind.
 */
import {rm} from 'node:fs/promises';
import {hostname, userInfo} from 'node:os';
import {messageOf, PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {plural} from '../lib/format.js';
import {keptComment} from '../postgres/catalog.js';
import {identifier, literal, typeable} from '../postgres/quote.js';
import type {Session} from '../postgres/session.js';
import type {ProvenDatabase} from '../repository/proofs.js';
import type {ConfirmContext} from '../runs/context.js';
import type {JobControl, Task} from '../runs/scheduler.js';
import {runHook} from '../stages/hook.js';
import {analyzeTables} from './analyze.js';
import {checkIndexes} from './check-indexes.js';
import {serverCommand} from './command-line.js';
import {compareRestored} from './compare-restored.js';
import {confirmSwap} from './confirm.js';
import type {FillContext, Filled} from './fill-context.js';
import {fillDatabase} from './fill-database.js';
import {markStatement} from './leftovers.js';
import {applyInside} from './raw-properties.js';
import {withReadAccess} from './read-access.js';
import {type DatabasePlan, previousName} from './restore-plan.js';
import {databaseExists, dropOwnDatabase, onSession, type RestoreTarget} from './restore-target.js';
import {commentOf, inTransaction, lastStatements, propertiesOf, renameHidden} from './settings-and-rename.js';
import {type Swap, swapDatabases} from './swap.js';
import {swapFailure, unnamedFailure} from './swap-by-hand.js';

export type RestoreShared = FillContext & {
	readonly run: ConfirmContext;
	/** Existing roles, including those that this restore has created. */
	readonly roles: ReadonlySet<string>;
	/** Receives what was compared. */
	readonly proofs: ProvenDatabase[];
	/** Returns the target with another session if its own was lost while it was idle. */
	readonly renew: () => Promise<RestoreTarget>;
	/** Receives the names of databases that are complete. */
	readonly restored: string[];
};

export function databaseTask(shared: RestoreShared, plan: DatabasePlan): Task {
	const {dump, bytes, format} = plan.prepared;
	const {options} = shared;
	return {
		plan: {
			id: `restore:${dump.path}`,
			kind: 'restore',
			name: plan.target,
			stages: [
				'download',
				'create',
				'load',
				...(format === 'plain' ? [] : (['index'] as const)),
				...(options.analyze ? (['analyze'] as const) : []),
				...(options.compare === 'none' ? [] : (['verify'] as const)),
				'rename',
			],
			estimatedBytes: bytes,
			format,
		},
		run: control => restoreDatabase(shared, plan, control),
	};
}

async function restoreDatabase(shared: RestoreShared, plan: DatabasePlan, control: JobControl): Promise<void> {
	const {run, target, options} = shared;
	const {meter, signal} = control;
	let outcome: Outcome = 'drop';
	const keep = async (error: unknown, what: string, isWhole = true): Promise<never> => {
		signal.throwIfAborted();
		const isDifferent = error instanceof PgBackError && error.code === 'CORRUPT';
		const isComplete = isWhole && !isDifferent;
		outcome = isComplete ? 'complete' : 'keep';
		throw isComplete ? await failureToName(shared, plan, control, {error, what}) : error;
	};
	const fetched: string[] = [];
	try {
		const loaded = await fillDatabase(shared, plan, control, fetched);
		await flush(shared, plan);
		const detail = await check(shared, plan, control, loaded).catch((error: unknown) =>
			// Rights that were given for it may not have been taken back.
			keep(error, 'it could not be checked', target.inventory.superuser),
		);
		await runAfterHook(shared, plan, control);
		signal.throwIfAborted();
		meter.start('rename');
		if (plan.mode === 'replace') {
			outcome = 'complete';
			await replace(shared, plan, control);
		} else {
			const renamed = await shared.renew();
			await renameHidden({...shared, target: renamed}, plan).catch(async (error: unknown) => {
				if (await isThere(target, plan.hidden)) await keep(error, `it could not be named ${display(plan.target)}`);
				// The connection may have been lost when the server had committed.
				if (renamed.session.alive || !(await isThere(target, plan.target))) throw error;
			});
		}
		outcome = 'done';
		shared.restored.push(plan.target);
		meter.finish('rename');
		run.emit({type: 'job.result', job: control.id, result: 'restored', detail: `into ${target.label}: ${detail}`});
		recordOutcome(shared, plan, detail);
	} finally {
		for (const path of fetched) await rm(path, {recursive: true, force: true});
		if (outcome !== 'done') await discard(shared, plan, options.keep && outcome === 'drop' ? 'keep' : outcome);
	}
}

/**
 * Makes what was loaded durable, by a commit that is waited for after those that were not. A crash of the server would
 * otherwise undo the last of them, after they were compared.
 */
async function flush({run, target}: RestoreShared, {hidden, prepared}: DatabasePlan): Promise<void> {
	const mark = markStatement(hidden, run.runId, prepared.dump.database);
	await onSession(target, session => inTransaction(session, ['set local synchronous_commit = local', mark]));
}

/** `keep`: unfinished, or not as it was dumped. `complete`: only its name is missing. */
type Outcome = 'drop' | 'keep' | 'complete' | 'done';

/** Returns what was compared, for people. */
async function check(shared: RestoreShared, plan: DatabasePlan, control: JobControl, loaded: Filled): Promise<string> {
	const {target, options} = shared;
	const detail = await withReadAccess(target, plan.hidden, control.signal, async () => {
		if (options.analyze && !loaded.hasStatistics) await analyze(shared, plan, control);
		return options.compare === 'none' ? 'not compared' : compare(shared, plan, loaded, control);
	});
	if (options.amcheck) await amcheck(shared, plan, control);
	return detail;
}

async function isThere(target: RestoreTarget, database: string): Promise<boolean> {
	return onSession(target, session => databaseExists(session, database));
}

async function compare(
	shared: RestoreShared,
	plan: DatabasePlan,
	loaded: Filled,
	{meter, signal}: JobControl,
): Promise<string> {
	meter.start('verify');
	const {detail, proof} = await compareRestored(shared, plan, loaded, signal);
	shared.proofs.push(proof);
	meter.finish('verify');
	return detail;
}

async function analyze({run, target}: RestoreShared, plan: DatabasePlan, control: JobControl): Promise<void> {
	control.meter.start('analyze');
	const sessions: Session[] = [];
	try {
		for (let index = 0; index < Math.max(1, plan.jobs); index++)
			sessions.push(await target.open(plan.hidden, control.signal));
		await analyzeTables(sessions, () => undefined);
	} finally {
		for (const session of sessions) await session.close();
	}
	run.signal.throwIfAborted();
	control.meter.finish('analyze');
}

async function amcheck(
	{run, target}: RestoreShared,
	{hidden, target: name}: DatabasePlan,
	{signal, id}: JobControl,
): Promise<void> {
	const session = await target.open(hidden, signal);
	try {
		const checked = await checkIndexes(session);
		run.emit({
			type: 'log',
			level: 'info',
			text: `${display(name)}: ${plural(checked, 'index', 'indexes')} checked with amcheck`,
			job: id,
		});
	} finally {
		await session.close();
	}
}

async function runAfterHook(
	{run, options, manifest}: RestoreShared,
	plan: DatabasePlan,
	control: JobControl,
): Promise<void> {
	if (options.hook.length === 0) return;
	await runHook({
		words: options.hook,
		label: 'after-restore',
		env: {
			...run.env,
			PGBK_RESTORE_DB: plan.hidden,
			PGBK_RESTORE_SOURCE: plan.prepared.dump.database,
			PGBK_RUN_ID: manifest?.runId ?? '',
		},
		signal: control.signal,
		emit: run.emit,
	});
}

/** Asks again before anything in the present database changes, if there is a user. */
async function replace(
	{run, renew, options, roles}: RestoreShared,
	plan: DatabasePlan,
	control: JobControl,
): Promise<void> {
	await confirmSwap(run, await renew(), plan, control);
	const target = await renew();
	const swap = swapOf({options, roles, run}, target, plan);
	await applyInside(run, target, plan.hidden, propertiesOf(plan, options, target.inventory, roles).inside);
	const {signal} = control;
	const undo = serverCommand(run.configuration, {swapBack: plan.target});
	const previous = await swapDatabases(target, swap, {signal, now: run.now, undo}).catch(async (error: unknown) => {
		signal.throwIfAborted();
		const failure = await swapFailure(error, swap, target, run.now());
		printStatements(run, control, failure);
		throw failure;
	});
	await applyInside(run, target, plan.target, commentOf(plan, target.inventory, plan.target).inside);
	run.emit({
		type: 'log',
		level: 'info',
		text: `${display(plan.target)} was replaced; the previous database is ${display(previous)}: run ${undo} to undo`,
	});
}

function swapOf(
	{options, roles, run}: Pick<RestoreShared, 'options' | 'roles' | 'run'>,
	{inventory}: RestoreTarget,
	plan: DatabasePlan,
): Swap {
	return {
		name: plan.target,
		previous: plan.previous ?? previousName(plan.target, run.now(), inventory.databases),
		incoming: plan.hidden,
		statements: lastStatements(plan, options, inventory, roles),
	};
}

/** Prints the statements that give a loaded database its name, and returns the error that refers to them. */
async function failureToName(
	shared: RestoreShared,
	plan: DatabasePlan,
	control: JobControl,
	{error, what}: {readonly error: unknown; readonly what: string},
): Promise<PgBackError> {
	const {run, target} = shared;
	const failure = await unnamedFailure(error, swapOf(shared, target, plan), {target, now: run.now(), what});
	printStatements(run, control, failure);
	return failure;
}

function printStatements({emit}: ConfirmContext, {id}: JobControl, {output}: PgBackError): void {
	for (const text of output) emit({type: 'log', level: 'warn', text, job: id});
}

/**
 * Drops the filled database, or keeps it. A failure to drop it is reported: the next restore tries again.
 */
async function discard({run, target}: RestoreShared, {hidden}: DatabasePlan, outcome: Outcome): Promise<void> {
	const {inventory} = target;
	const isKept = outcome !== 'drop';
	try {
		if (!isKept) {
			await dropOwnDatabase(target, hidden);
			return;
		}
		if (!(await isThere(target, hidden))) return;
		const what = outcome === 'complete' ? `${keptComment}, complete` : keptComment;
		const kept = `comment on database ${identifier(hidden)} is ${literal(`${what}, run ${run.runId}`)}`;
		await onSession(target, async session => {
			// Our user stays no member of the roles that were created for the restore.
			if (!inventory.superuser) await session.query(`alter database ${identifier(hidden)} owner to current_user`);
			await session.query(kept);
		});
		const drop = typeable(`drop database ${identifier(hidden)};`);
		run.emit({
			type: 'log',
			level: 'warn',
			text:
				outcome === 'complete'
					? `kept the database ${display(hidden)}, which only lacks its name; ${drop} drops it`
					: `kept the unfinished database ${display(hidden)}: after you have inspected it, ${drop} drops it`,
		});
	} catch (error) {
		const cleanup = serverCommand(run.configuration, {cleanupRestores: true});
		const text = isKept
			? `the database ${display(hidden)} could not be marked as kept (${messageOf(error)}): the next restore and ${cleanup} drop it`
			: `the unfinished database ${display(hidden)} still exists (${messageOf(error)}): run ${cleanup} to drop it`;
		run.emit({type: 'log', level: 'warn', text});
	}
}

/** Logs who restored what, when and where. */
function recordOutcome({run, target, manifest}: RestoreShared, plan: DatabasePlan, detail: string): void {
	const {dump, needs} = plan.prepared;
	const who = run.env['SUDO_USER'] ?? run.env['LOGNAME'] ?? userInfo().username;
	const from = manifest ? `run ${manifest.runId}` : display(dump.path);
	run.emit({
		type: 'log',
		level: 'info',
		text: `${display(who)}@${hostname()} restored ${display(dump.database)} of ${from} as ${display(plan.target)} into ${target.label}: ${plural(needs.tables, 'table')}, ${detail}`,
	});
}
