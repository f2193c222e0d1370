/** Filters and sorts the jobs. */
import {jobBytes} from '../../core/jobs.js';
import type {JobState, RunState} from '../../core/run-state.js';
import type {JobSort} from './job-row.js';
import {matcher} from './matcher.js';

export const jobSorts: readonly JobSort[] = ['state', 'name', 'size', 'time'];

/** Running first, then failures, then waiting jobs, then finished ones. */
const ranks: Readonly<Record<JobState['status'], number>> = {running: 0, failed: 1, cancelled: 2, waiting: 3, done: 4};

const spent = (job: JobState) =>
	job.startedAt === undefined ? -1 : (job.finishedAt ?? Number.MAX_SAFE_INTEGER) - job.startedAt;

const comparers: Readonly<Record<JobSort, (a: JobState, b: JobState) => number>> = {
	state: (a, b) => ranks[a.status] - ranks[b.status],
	name: (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
	size: (a, b) => jobBytes(b) - jobBytes(a),
	time: (a, b) => spent(b) - spent(a),
};

export type JobListOptions = {readonly filter: string; readonly sort: JobSort; readonly reverse: boolean};

export function listJobs(state: RunState, {filter, sort, reverse}: JobListOptions): readonly JobState[] {
	const matches = matcher(filter);
	const jobs = [...state.jobs.values()].filter(job => matches(job.name)).toSorted(comparers[sort]);
	return reverse ? jobs.toReversed() : jobs;
}
