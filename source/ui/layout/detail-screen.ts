/** Formats the Detail screen. */
import {isSkipped, jobBytes, jobWord} from '../../core/jobs.js';
import type {JobState} from '../../core/run-state.js';
import {formatBytes} from '../../lib/format.js';
import type {Frame} from '../console.js';
import {clean, type Glyphs} from '../glyphs.js';
import {blank, cutLine, type Line, span, spread, type Tone} from '../text.js';
import {bar, percent} from './bar.js';
import {detailSections} from './detail-sections.js';
import {shareOf, shortDuration} from './job-row.js';

export type DetailScreen = {readonly header: readonly Line[]; readonly list: readonly Line[]};

export function detailHeight(rows: number): number {
	return rows - 1 - detailHeaderRows(rows);
}

function detailHeaderRows(rows: number): number {
	return rows >= 16 ? 3 : 2;
}

const tones: Readonly<Record<JobState['status'], Tone>> = {
	waiting: 'quiet',
	running: 'running',
	done: 'done',
	failed: 'failed',
	cancelled: 'warn',
};

export function detailScreen(frame: Frame): DetailScreen {
	const {run, view, columns, rows, glyphs} = frame;
	const job = run.jobs.get(view.detail.job);
	if (job === undefined) return {header: [[span(' this job no longer exists', 'quiet')], blank], list: []};
	const lines = detailLines(job, frame);
	const height = detailHeight(rows);
	const top = Math.max(0, Math.min(view.detail.top, lines.length - height));
	const more = lines.length > height ? `${top + 1}-${Math.min(lines.length, top + height)} of ${lines.length} ` : '';
	const header = [
		spread(
			[span(` ${clean(job.name, glyphs)}`, 'title'), ...statusSpans(job, glyphs)],
			[span(more, 'quiet')],
			columns,
			glyphs.cut,
		),
		cutLine(progressLine(job, frame), columns, glyphs.cut),
	];
	return {
		header: detailHeaderRows(rows) === 3 ? [...header, blank] : header,
		list: lines.slice(top, top + height).map(line => cutLine(line, columns, glyphs.cut)),
	};
}

export function detailLines(job: JobState, frame: Pick<Frame, 'run' | 'columns' | 'glyphs' | 'now'>): readonly Line[] {
	return detailSections(job, frame)
		.filter(section => section.lines.length > 0)
		.flatMap((section, index): Line[] => [
			...(index === 0 ? [] : [blank]),
			[span(` ${section.title}`, 'strong')],
			...section.lines,
		]);
}

function statusSpans(job: JobState, glyphs: Glyphs): Line {
	const attempt = job.attempt > 1 ? `, attempt ${job.attempt}` : '';
	if (isSkipped(job))
		return [span(`  ${glyphs.cancelled} ${jobWord(job)}: ${clean(job.result?.detail ?? '', glyphs)}`, 'quiet')];
	return [span(`  ${glyphs[job.status]} ${jobWord(job)}${attempt}`, tones[job.status])];
}

function progressLine(job: JobState, {columns, glyphs, now}: Frame): Line {
	const {progress} = job;
	const spent = job.startedAt === undefined ? '' : shortDuration(((job.finishedAt ?? now) - job.startedAt) / 1000);
	if (job.status !== 'running') {
		const bytes = jobBytes(job);
		return [span(` ${[bytes > 0 ? formatBytes(bytes) : '', spent].filter(Boolean).join(' in ')}`, 'quiet')];
	}
	const words = [
		formatBytes(jobBytes(job)),
		progress?.rate === undefined ? '' : `${formatBytes(progress.rate)}/s`,
		progress?.eta === undefined ? '' : `~${shortDuration(progress.eta)} left`,
		`${spent} so far`,
		progress?.limitedBy === undefined ? '' : `limited by ${clean(progress.limitedBy, glyphs)}`,
	].filter(word => word !== '');
	const {fraction, estimated} = shareOf(job);
	if (fraction === undefined) return [span(` ${words.join('   ')}`)];
	const width = Math.max(8, Math.min(36, columns - words.join('   ').length - 12));
	return [
		span(' '),
		...bar(fraction, width, glyphs),
		span(` ${percent(fraction, estimated)}`, 'strong'),
		span(`   ${words.join('   ')}`),
	];
}
