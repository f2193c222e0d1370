/** Selectors for a single job and for counts of jobs. Pure. */
import {mainFile} from './main-file.js';
import type {JobState, RunState} from './run-state.js';

export type JobCounts = {readonly [S in JobState['status']]: number};

export function countJobs(state: RunState): JobCounts {
	const counts = {waiting: 0, running: 0, done: 0, failed: 0, cancelled: 0};
	for (const job of state.jobs.values()) counts[job.status]++;
	return counts;
}

/** Returns one word for the outcome of a job: `done`, `failed`, `skipped` and so on. */
export function jobWord({status, result}: JobState): string {
	return status === 'done' ? (result?.result ?? status) : status;
}

/** Returns true when the job created nothing without failing. */
export function isSkipped({status, result}: JobState): boolean {
	return status === 'done' && (result?.result === 'skipped' || result?.result === 'gone');
}

/**
 * Returns the bytes of a job's files on disk or, until they exist, the output of the last stage that has counted any.
 */
export function jobBytes(job: JobState): number {
	if (job.kind === 'upload')
		return job.uploads.length > 0 ? (job.estimatedBytes ?? 0) : (job.stage.upload?.progress?.bytesOut ?? 0);
	if (job.kind === 'download') return mainFile(job)?.size ?? job.stage.download?.progress?.bytesOut ?? 0;
	if (job.files.length > 0) return job.files.reduce((sum, file) => sum + (file.role === 'checksum' ? 0 : file.size), 0);
	for (const stage of job.stages.toReversed()) {
		const progress = job.stage[stage]?.progress;
		if (progress && progress.bytesOut > 0 && stage !== 'upload') return progress.bytesOut;
	}
	return 0;
}
