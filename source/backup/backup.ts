/** A backup: everything that one invocation dumps. */
import {CancelledError, toPgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {takeModeRefusals} from '../lib/files.js';
import {checkSharedDirectory} from '../repository/shared-directory.js';
import type {RunContext, RunIdentity, RunResult, StoreContext} from '../runs/context.js';
import {resultOf} from '../runs/outcome.js';
import {type BackupFailures, prepare} from '../runs/prepare-backup.js';
import {type HookOptions, runHook} from '../stages/hook.js';
import {dumpServer} from './dump-server.js';
import type {BackupRequest} from './shard.js';

/**
 * Runs a backup to its end. Never throws for a failed backup; the result reports it. When it returns, no child is
 * running, partial files are removed, a paused standby is resumed and the post hook has run.
 */
export async function runBackup(run: RunContext, options: BackupRequest = {}): Promise<RunResult> {
	const failed: BackupFailures = {failures: [], databases: [], jobFailures: new Set()};
	try {
		await checkSharedDirectory(run);
		const prepared = await prepare(run);
		try {
			await withHooks(run, failed, () => dumpServer(run, prepared, options, failed));
		} finally {
			await prepared.connection.dispose();
		}
	} catch (error) {
		failed.failures.push(toPgBackError(error));
	}
	for (const directory of takeModeRefusals()) {
		const text = `the file system of ${directory} does not keep file modes: its mount options (uid, file_mode) decide who may read the dumps`;
		run.emit({type: 'log', level: 'warn', text: display(text)});
	}
	const isLasting = failed.failures.some(failure => !failed.jobFailures.has(failure));
	return {...resultOf(failed.failures, run.signal), ...(isLasting && {isLasting})};
}

/** Runs `work` between the hooks: the post hook always runs, even after a signal, once the pre hook was tried. */
async function withHooks(
	run: StoreContext & RunIdentity,
	failed: BackupFailures,
	work: () => Promise<void>,
): Promise<void> {
	const {preBackupHook, postBackupHook} = run.configuration.settings;
	try {
		if (preBackupHook.length > 0) await hook(run, {label: 'pre-backup', words: preBackupHook, signal: run.signal});
		await work();
	} catch (error) {
		if (!(error instanceof CancelledError)) failed.failures.push(toPgBackError(error));
	}
	if (postBackupHook.length === 0) return;
	const grace = new AbortController();
	let timer: NodeJS.Timeout | undefined;
	const expire = () => (timer = setTimeout(() => grace.abort(run.signal.reason), hookGrace));
	if (run.signal.aborted) expire();
	else run.signal.addEventListener('abort', expire, {once: true});
	try {
		const more = outcomeEnvironment(run.signal, failed);
		await hook(run, {label: 'post-backup', words: postBackupHook, signal: grace.signal, more});
	} catch (error) {
		failed.failures.push(toPgBackError(error));
	} finally {
		run.signal.removeEventListener('abort', expire);
		clearTimeout(timer);
	}
}

/**
 * Milliseconds that a stopped run gives its post hook, whether or not it has started; the run ends within ten seconds.
 */
const hookGrace = 8000;

async function hook(
	run: Pick<RunContext, 'configuration' | 'emit' | 'env' | 'runId'>,
	{more, ...hook}: Pick<HookOptions, 'label' | 'words' | 'signal'> & {readonly more?: Record<string, string>},
): Promise<void> {
	const env = {...run.env, PGBK_RUN_ID: run.runId, ...more};
	await runHook({...hook, env, emit: run.emit, timeout: run.configuration.settings.hookTimeout});
}

function outcomeEnvironment(signal: AbortSignal, {failures, databases}: BackupFailures): Record<string, string> {
	const {exitCode, outcome} = resultOf(failures, signal);
	return {
		PGBK_STATUS: outcome === 'done' ? 'success' : outcome === 'failed' ? 'failure' : 'cancelled',
		PGBK_EXIT_CODE: String(exitCode),
		PGBK_FAILED_DBS: databases.join(','),
	};
}
