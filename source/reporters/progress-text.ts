import {jobBytes} from '../core/jobs.js';
import type {JobState} from '../core/run-state.js';
import {formatBytes, formatDuration} from '../lib/format.js';

/**
 * Returns `41 %, 8.1 of ~19.6 GiB, 148 MiB/s, table public.events, ~1m20s left`: only what is known. `now` is in
 * milliseconds.
 */
export function jobProgressText(job: JobState, now: number): string {
	const {progress} = job;
	const parts: string[] = [];
	if (progress?.fraction !== undefined) {
		parts.push(`${progress.estimated ? '~' : ''}${Math.floor(progress.fraction * 100)} %`);
	}
	parts.push(...amountsOf(job));
	const activity = activityOf(job);
	if (activity !== '') parts.push(activity);
	if (progress?.limitedBy !== undefined) parts.push(`limited by ${progress.limitedBy}`);
	parts.push(
		progress?.eta === undefined
			? `${formatDuration((now - (job.startedAt ?? now)) / 1000)} so far`
			: `~${formatDuration(progress.eta)} left`,
	);
	return parts.join(', ');
}

/** Returns how much is done, and how fast. */
function amountsOf(job: JobState): string[] {
	const {read, readTotal, readRate, rate} = job.progress ?? {};
	const amount =
		read === undefined || readTotal === undefined ? `${formatBytes(jobBytes(job))} written` : ofTotal(read, readTotal);
	const speed = readRate ?? rate;
	return [amount, ...(speed === undefined ? [] : [`${formatBytes(speed)}/s`])];
}

/** Returns the current activity; '' when unknown. */
function activityOf({progress, stages, stage}: JobState): string {
	const table = progress?.tables?.[0];
	if (table) return `table ${table.name}`;
	return progress?.activity ?? stages.filter(one => stage[one]?.state === 'running').join(' + ');
}

/** Returns `8.1 of ~19.6 GiB`, with both units if they differ. */
function ofTotal(read: number, total: number): string {
	const [number = '', unit = ''] = formatBytes(read).split(' ');
	const all = formatBytes(total);
	return all.endsWith(` ${unit}`) ? `${number} of ~${all}` : `${number} ${unit} of ~${all}`;
}
