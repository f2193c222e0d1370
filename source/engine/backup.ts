/** A backup: everything of one invocation that dumps. */
import {CancelledError, toPgBackError} from '../core/errors.js';
import {runHook} from '../stages/hook.js';
import type {RunContext, RunResult} from './context.js';
import {dumpServer} from './dump-server.js';
import {resultOf} from './outcome.js';
import {prepare, type BackupOptions, type Damage} from './prepare.js';

/**
 * Runs a backup to its end: never throws for a backup that failed, the result says it. When it returns, no child is left, partial
 * files are gone, a paused standby is resumed and the post hook has run.
 */
export async function runBackup(run: RunContext, options: BackupOptions = {}): Promise<RunResult> {
	const damage: Damage = {failures: [], databases: []};
	try {
		const prepared = await prepare(run);
		try {
			await withHooks(run, damage, () => dumpServer(run, prepared, options, damage));
		} finally {
			await prepared.connection.dispose();
		}
	} catch (error) {
		damage.failures.push(toPgBackError(error));
	}
	return resultOf(damage.failures, run.signal);
}

/** Between the hooks: the post hook runs whatever happened, a signal included, once the pre hook was tried. */
async function withHooks(run: RunContext, damage: Damage, work: () => Promise<void>): Promise<void> {
	const {preBackupHook, postBackupHook} = run.configuration.settings;
	try {
		if (preBackupHook.length > 0) await hook(run, 'pre-backup', preBackupHook, run.signal);
		await work();
	} catch (error) {
		if (!(error instanceof CancelledError)) damage.failures.push(toPgBackError(error));
	}
	if (postBackupHook.length === 0) return;
	const grace = new AbortController();
	let timer: NodeJS.Timeout | undefined;
	const expire = () => (timer = setTimeout(() => grace.abort(run.signal.reason), hookGrace));
	if (run.signal.aborted) expire();
	else run.signal.addEventListener('abort', expire, {once: true});
	try {
		await hook(run, 'post-backup', postBackupHook, grace.signal, outcomeEnvironment(run, damage));
	} catch (error) {
		damage.failures.push(toPgBackError(error));
	} finally {
		run.signal.removeEventListener('abort', expire);
		clearTimeout(timer);
	}
}

/** Milliseconds that a run which is told to end gives its post hook, whether that has begun or not: of the ten seconds in which it ends. */
const hookGrace = 8000;

async function hook(
	run: RunContext,
	label: string,
	words: readonly string[],
	signal: AbortSignal,
	more: Record<string, string> = {},
): Promise<void> {
	const env = {...run.env, PGBK_RUN_ID: run.runId, ...more};
	await runHook({words, label, env, signal, emit: run.emit});
}

function outcomeEnvironment(run: RunContext, {failures, databases}: Damage): Record<string, string> {
	const {exitCode, outcome} = resultOf(failures, run.signal);
	return {
		PGBK_STATUS: outcome === 'done' ? 'success' : outcome === 'failed' ? 'failure' : 'cancelled',
		PGBK_EXIT_CODE: String(exitCode),
		PGBK_FAILED_DBS: databases.join(','),
	};
}
