/** The table at the end of a run: what was made, how big, how long, and what failed and why. */
import {placesOf} from '../core/main-file.js';
import {countJobs, isSkipped, jobBytes, type JobState, type RunState} from '../core/state.js';
import {commonDirectory} from '../lib/common-directory.js';
import {display} from '../lib/display.js';
import {formatBytes, formatDuration, plural} from '../lib/format.js';
import {cellWidth} from '../lib/width.js';

export type SummaryRow = {
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
		name: display(job.kind === 'decrypt' ? job.name.slice(directory.length) : job.name),
		result: job.status === 'done' ? (job.result?.result ?? 'ok') : job.status,
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

/** Lines for people, aligned by cells. Empty for a run without jobs. */
export function summaryLines(state: RunState): string[] {
	const rows = summaryRows(state);
	if (rows.length === 0) return [];
	const header: SummaryRow = {name: 'NAME', result: 'RESULT', size: 'SIZE', time: 'TIME', detail: 'WHERE OR WHY'};
	const all = [header, ...rows];
	const width = (key: keyof SummaryRow) => Math.max(...all.map(row => cellWidth(row[key])));
	const pad = (text: string, cells: number, right = false) => {
		const blanks = ' '.repeat(Math.max(0, cells - cellWidth(text)));
		return right ? blanks + text : text + blanks;
	};
	const [name, result, size, time] = [width('name'), width('result'), width('size'), width('time')];
	return [
		...all.map(row =>
			[pad(row.name, name), pad(row.result, result), pad(row.size, size, true), pad(row.time, time, true), row.detail]
				.join('  ')
				.trimEnd(),
		),
		summaryLine(state),
	];
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
