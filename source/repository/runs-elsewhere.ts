/** Runs of other processes in the backup directory: finds them, and attaches to one. */
import {PgBackError} from '../core/errors.js';
import type {AttachedRun, RunElsewhere} from '../core/handle.js';
import {runProgressTexts} from '../core/run-progress.js';
import type {RunContext} from '../runs/context.js';
import {findRuns, type FoundRuns} from '../runs/find-runs.js';
import {backupDirectories} from './backup-directories.js';
import {downloadBase} from './remote-keys.js';

type Base = Pick<RunContext, 'configuration' | 'env'>;

/**
 * Finds the runs in the configured directory and in every directory that `{dbname}` in it matches. The caller closes
 * the connections.
 */
export async function findBackupRuns({configuration, env}: Base, own?: ReadonlySet<string>): Promise<FoundRuns> {
	const {backupDirectory} = configuration.settings;
	const base = downloadBase(backupDirectory);
	const all = base === backupDirectory ? [] : await backupDirectories(backupDirectory).catch(() => []); // none exists yet
	return findRuns([...new Set([base, ...all])], env, own);
}

export async function listRunsElsewhere(base: Base, own: ReadonlySet<string>): Promise<readonly RunElsewhere[]> {
	const {runs} = await findBackupRuns(base, own);
	return runs.map(({connection, ...run}) => {
		if (connection === undefined) return run;
		const progress = runProgressTexts(connection.state()).join(', ');
		connection.close();
		return {...run, progress};
	});
}

export async function attachToRun(base: Base, id: string): Promise<AttachedRun> {
	const {runs} = await findBackupRuns(base);
	for (const run of runs) if (run.id !== id) run.connection?.close();
	const found = runs.find(run => run.id === id);
	if (found?.connection) {
		const {state, subscribe, request, ended, close} = found.connection;
		return {
			...{state, subscribe, ended, close},
			cancel: job => request({type: 'cancel', ...(job !== undefined && {job})}),
			retry: job => request({type: 'retry', job}),
		};
	}
	const why = found ? 'does not answer' : 'has ended';
	throw new PgBackError('FAILED', `the run ${found?.pid === undefined ? '' : `of process ${found.pid} `}${why}`);
}
