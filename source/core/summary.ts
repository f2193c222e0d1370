/** The table at the end of a run, for all front ends: what was made, how big, how long, and what failed and why. Pure. */
import {commonDirectory} from '../lib/common-directory.js';
import {display} from '../lib/display.js';
import {formatBytes, formatDuration, plural} from '../lib/format.js';
import {countJobs, isSkipped, jobBytes, jobWord} from './jobs.js';
import {placesOf} from './main-file.js';
import type {JobState, RunState} from './run-state.js';

export type SummaryRow = {
	/** The outcome that a front end may color. */
	readonly status: JobState['status'];
	/** True for a job that created nothing without failing. */
	readonly skipped: boolean;
	readonly name: string;
	readonly result: string;
	readonly size: string;
	readonly time: string;
	readonly detail: string;
};

/** One row a job, failures last so that they are what the eye meets. */
export function summaryRows(state: RunState): SummaryRow[] {
	const jobs = [...state.jobs.values()];
	const directory = commonDirectory(jobs.filter(job => job.kind === 'decrypt').map(job => job.name));
	const failed = (job: JobState) => job.status !== 'done';
	return [...jobs.filter(job => !failed(job)), ...jobs.filter(failed)].map(job => ({
		status: job.status,
		skipped: isSkipped(job),
		name: display(job.kind === 'decrypt' ? job.name.slice(directory.length) : job.name),
		result: job.status === 'done' && job.result === undefined ? 'ok' : jobWord(job),
		size: sizeOf(job),
		time: job.startedAt === undefined ? '-' : formatDuration(((job.finishedAt ?? state.time) - job.startedAt) / 1000),
		detail: display(job.error?.message ?? whereOrHow(job)),
	}));
}

/** Of what failed only what it left. */
function sizeOf(job: JobState): string {
	const bytes = job.status === 'done' || job.files.length > 0 ? jobBytes(job) : 0;
	return bytes > 0 || job.files.length > 0 ? formatBytes(bytes) : '-';
}

function whereOrHow(job: JobState): string {
	const where = placesOf(job).join(' → ');
	const how = job.status === 'done' ? (job.result?.detail ?? '') : '';
	return where !== '' && how !== '' ? `${where} (${how})` : where || how;
}

/** `14 done, 1 failed, 21.4 GiB in 3m41s`. */
export function summaryLine(state: RunState): string {
	const counts = countJobs(state);
	const bytes = [...state.jobs.values()].reduce((sum, job) => sum + (job.status === 'done' ? jobBytes(job) : 0), 0);
	const seconds = ((state.finished?.at ?? state.time) - state.startedAt) / 1000;
	const skipped = [...state.jobs.values()].filter(isSkipped).length;
	const parts = [`${counts.done - skipped} done`];
	if (skipped > 0) parts.push(`${skipped} skipped`);
	if (counts.failed > 0) parts.push(`${counts.failed} failed`);
	if (counts.cancelled > 0) parts.push(`${counts.cancelled} cancelled`);
	if (state.warnings > 0) parts.push(plural(state.warnings, 'warning'));
	parts.push(`${formatBytes(bytes)} in ${formatDuration(seconds)}`);
	return parts.join(', ');
}
