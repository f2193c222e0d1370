import type {Emit, NewEvent} from '../core/events.js';
import type {JobsContext, RunResult} from './context.js';
import {createFileProgress} from './file-progress.js';
import {resultOf} from './outcome.js';
import {RunLocks} from './run-locks.js';
import {Scheduler, type Task} from './scheduler.js';
import {type Estimates, startTicker} from './ticker.js';

/** Progress that is not measured in bytes. */
export type JobProgressSource = Estimates & {
	/** Receives all events of the jobs. */
	readonly see: (event: NewEvent) => void;
};

/** Plans and runs independent jobs, and returns their result. */
export async function runJobs(
	run: JobsContext,
	concurrency: number,
	tasksOf: (locks: RunLocks) => readonly Task[],
	more?: JobProgressSource,
): Promise<RunResult> {
	const locks = new RunLocks(run);
	const progress = more ?? createFileProgress(() => run.now().getTime());
	const emit: Emit = event => {
		progress.see(event);
		run.emit(event);
	};
	const scheduler = new Scheduler({concurrency, emit, signal: run.signal});
	run.onScheduler?.(scheduler);
	const stopTicker = startTicker(() => scheduler.meters(), emit, progress);
	try {
		const tasks = tasksOf(locks);
		// A job that resumes from one of its stages was planned before.
		const jobs = tasks.filter(task => task.resumesFrom?.() === undefined).map(task => task.plan);
		if (jobs.length > 0) emit({type: 'run.planned', jobs, concurrency, destinations: []});
		scheduler.add(tasks);
		await scheduler.idle();
	} finally {
		scheduler.close();
		stopTicker();
		await locks.release();
	}
	const failures = scheduler.outcomes().flatMap(({error}) => (error ? [error] : []));
	return resultOf(failures, run.signal);
}
