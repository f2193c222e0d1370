/** Runs the jobs of a restore with limited concurrency, and their progress. */
import {type RestoreProgress, startRestoreProgress} from '../progress/restore-progress.js';
import type {Manifest} from '../repository/manifest.js';
import type {ConfiguredContext, JobsContext, RunResult} from '../runs/context.js';
import {runJobs} from '../runs/run-jobs.js';
import type {Scheduler, Task} from '../runs/scheduler.js';
import {type LockKey, takeLock} from './restore-locks.js';
import {restoreOptions} from './restore-options.js';
import type {DatabasePlan, RestorePlan} from './restore-plan.js';
import type {RestoreTarget} from './restore-target.js';

/** Connections for maintenance, loading and comparing: what a job of one database needs at once. */
const connectionsOfJob = 3;

/**
 * Runs the biggest first, as many at once as -j says; those that need only one connection, as many as there may be
 * connections.
 */
export function runPlanned(
	run: ConfiguredContext & JobsContext,
	{databases}: RestorePlan,
	{inventory}: RestoreTarget,
	{taskOf, progress}: {readonly taskOf: (plan: DatabasePlan) => Task; readonly progress: RestoreProgress},
): Promise<RunResult> {
	const {jobs} = run.configuration.settings;
	const most = Math.max(1, Math.floor((inventory.freeConnections - 2) / connectionsOfJob));
	const concurrency = Math.min(jobs, most);
	const forSmall = Math.min(Math.max(jobs, restoreOptions(run).jobs), most);
	let scheduler: Scheduler | undefined;
	const watched: JobsContext = {
		...run,
		onScheduler(one) {
			scheduler = one;
			run.onScheduler?.(one);
		},
	};
	const tasks = databases
		.filter(one => one.mode !== 'skip')
		.map((one): Task => {
			const task = taskOf(one);
			if (one.jobs > 1) return task;
			return {
				...task,
				run(control) {
					if (scheduler) scheduler.concurrency = forSmall;
					return task.run(control);
				},
			};
		});
	return runJobs(watched, concurrency, () => tasks, progress);
}

export function startProgress(
	run: ConfiguredContext,
	target: RestoreTarget,
	manifest: Manifest | undefined,
	lock: LockKey,
): Promise<RestoreProgress> {
	const {backupDirectory, progressInterval} = run.configuration.settings;
	return startRestoreProgress({
		emit: run.emit,
		now: () => run.now().getTime(),
		interval: progressInterval,
		async connect() {
			const session = await target.open(target.maintenance, run.signal);
			await takeLock(session, lock);
			return session;
		},
		application: target.connection.forDatabase(target.maintenance).applicationName,
		directory: backupDirectory.replaceAll('{dbname}', ''),
		cluster: manifest?.server.systemIdentifier ?? '',
	});
}
