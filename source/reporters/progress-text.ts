import {jobBytes, type JobState} from '../core/state.js';
import {formatBytes, formatDuration} from '../lib/format.js';

/** `41 %, 8.1 of ~19.6 GiB, 148 MiB/s, table public.events, ~1m20s left`: only what is known. `now` in milliseconds. */
export function jobProgressText(job: JobState, now: number): string {
	const {progress} = job;
	const parts: string[] = [];
	if (progress?.fraction !== undefined) {
		parts.push(`${progress.estimated ? '~' : ''}${Math.floor(progress.fraction * 100)} %`);
	}
	const {read, readTotal, readRate} = progress ?? {};
	if (read === undefined || readTotal === undefined) parts.push(`${formatBytes(jobBytes(job))} written`);
	else parts.push(ofTotal(read, readTotal));
	const rate = readRate ?? progress?.rate;
	if (rate !== undefined) parts.push(`${formatBytes(rate)}/s`);
	const table = progress?.tables?.[0];
	if (table) parts.push(`table ${table.name}`);
	else if (progress?.activity !== undefined) parts.push(progress.activity);
	const stages = job.stages.filter(stage => job.stage[stage]?.state === 'running');
	if (stages.length > 0 && !table && progress?.activity === undefined) parts.push(stages.join(' + '));
	if (progress?.limitedBy !== undefined) parts.push(`limited by ${progress.limitedBy}`);
	parts.push(
		progress?.eta === undefined
			? `${formatDuration((now - (job.startedAt ?? now)) / 1000)} so far`
			: `~${formatDuration(progress.eta)} left`,
	);
	return parts.join(', ');
}

/** `8.1 of ~19.6 GiB`, with both units where they differ. */
function ofTotal(read: number, total: number): string {
	const [number = '', unit = ''] = formatBytes(read).split(' ');
	const all = formatBytes(total);
	return all.endsWith(` ${unit}`) ? `${number} of ~${all}` : `${number} ${unit} of ~${all}`;
}
