import type {RunContext, RunResult} from './context.js';
import {RunLocks} from './locks.js';
import {resultOf} from './outcome.js';
import {Scheduler, type Task} from './scheduler.js';
import {startTicker} from './ticker.js';

/** Plans and runs independent jobs, and gives what they came to. */
export async function runJobs(
	run: RunContext,
	concurrency: number,
	tasksOf: (locks: RunLocks) => readonly Task[],
): Promise<RunResult> {
	const locks = new RunLocks(run.tag, run.env, run.emit);
	const scheduler = new Scheduler({concurrency, emit: run.emit, signal: run.signal});
	run.onScheduler?.(scheduler);
	const stopTicker = startTicker(() => scheduler.meters(), run.emit);
	try {
		const tasks = tasksOf(locks);
		run.emit({type: 'run.planned', jobs: tasks.map(task => task.plan), concurrency, destinations: []});
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
