/** Formats the rows of the Jobs screen, and plans the columns for a width. */
import {isSkipped, jobBytes, jobWord} from '../../core/jobs.js';
import type {JobState} from '../../core/run-state.js';
import {workOf} from '../../core/work-counts.js';
import {formatBytes, formatDuration} from '../../lib/format.js';
import {cellWidth, fit} from '../../lib/width.js';
import {clean, type Glyphs} from '../glyphs.js';
import {cutLine, type Line, lineWidth, span} from '../text.js';
import {bar, movingMark, percent} from './bar.js';
import {gap} from './cells.js';
import {shownName, shownReason} from './job-name.js';
import {stageCells, type StagePlan} from './stages.js';

export type JobColumns = {
	readonly name: number;
	readonly stages: number;
	readonly words: boolean;
	readonly progress: number;
	/** 0 when the column is hidden. */
	readonly size: number;
	readonly rate: number;
	readonly time: number;
};

const pointerWidth = 2;
const sizeWidth = 8;
const rateWidth = 10;
const timeWidth = 6;
const minProgress = 12;
const goodProgress = 18;
const maxProgress = 28;
const minName = 12;

/**
 * Plans the columns for `width` cells. They are hidden in a fixed order as it shrinks: RATE, TIME, SIZE, then the words
 * of the stages; then the name and the bar share the rest. `share` of the width is reserved for the name.
 */
export function planColumns(width: number, stages: StagePlan, longestName: number, share = 0.25): JobColumns {
	const wanted = Math.min(Math.max(minName, longestName), Math.max(minName, Math.floor(width * share)));
	const steps = [
		{words: true, size: sizeWidth, rate: rateWidth, time: timeWidth},
		{words: true, size: sizeWidth, rate: 0, time: timeWidth},
		{words: true, size: sizeWidth, rate: 0, time: 0},
		{words: true, size: 0, rate: 0, time: 0},
	];
	for (const step of steps) {
		const optional = [step.size, step.rate, step.time].reduce((sum, one) => sum + (one > 0 ? one + gap : 0), 0);
		const left = width - (pointerWidth + gap + stages.wide + gap + optional);
		if (left - wanted < minProgress) continue;
		// Names first, so that they are distinguishable; then the bar. The rest stays empty at the right edge.
		const name = Math.min(Math.max(wanted, longestName), left - Math.min(goodProgress, left - wanted));
		return {name, stages: stages.wide, progress: Math.min(maxProgress, left - name), ...step};
	}
	const fixed = pointerWidth + gap + stages.narrow + gap;
	const name = Math.max(4, Math.min(wanted, width - fixed - minProgress));
	return {
		name,
		stages: stages.narrow,
		words: false,
		progress: Math.max(0, Math.min(maxProgress, width - fixed - name)),
		size: 0,
		rate: 0,
		time: 0,
	};
}

export function columnsWidth(columns: JobColumns): number {
	const {name, stages, progress, size, rate, time} = columns;
	return (
		pointerWidth +
		[name, stages, progress, size, rate, time].reduce((sum, one) => sum + (one > 0 ? one + gap : 0), -gap)
	);
}

export type JobSort = 'state' | 'name' | 'size' | 'time';

export type HeaderOptions = {readonly title: string; readonly sort: JobSort; readonly reverse: boolean};

export function headerLine(
	columns: JobColumns,
	{title: nameTitle, sort, reverse}: HeaderOptions,
	glyphs: Glyphs,
): Line {
	const mark = (name: JobSort, title: string) =>
		sort === name && (sort !== 'state' || reverse) ? `${title}${glyphs.sorted[reverse ? 0 : 1]}` : title;
	const cells = [
		fit(mark('name', nameTitle), columns.name, {mark: glyphs.cut}),
		fit(columns.words ? mark('state', 'STAGES') : '', columns.stages, {mark: glyphs.cut}),
		fit('PROGRESS', columns.progress, {mark: glyphs.cut}),
		columns.size > 0 ? fit(mark('size', 'SIZE'), columns.size, {align: 'right'}) : undefined,
		columns.rate > 0 ? fit('RATE', columns.rate, {align: 'right'}) : undefined,
		columns.time > 0 ? fit(mark('time', 'TIME'), columns.time, {align: 'right'}) : undefined,
	];
	return [
		span(`${' '.repeat(pointerWidth)}${cells.filter(cell => cell !== undefined).join(' '.repeat(gap))}`, 'quiet'),
	];
}

export type RowContext = {
	readonly columns: JobColumns;
	readonly stages: StagePlan;
	readonly glyphs: Glyphs;
	/** Milliseconds since the epoch. */
	readonly now: number;
	readonly tick: number;
	/** The common directory of all files, which is not shown. */
	readonly directory?: string;
};

export function jobRow(job: JobState, selected: boolean, context: RowContext): Line {
	const {columns, stages, glyphs} = context;
	const ended = job.status === 'failed' || job.status === 'cancelled' || isSkipped(job);
	const tone = job.status === 'failed' ? 'failed' : job.status === 'waiting' ? 'quiet' : undefined;
	const start: Line = [
		span(selected ? `${glyphs.pointer} ` : '  ', 'key'),
		span(
			fit(shownName(job, context.directory ?? '', glyphs), columns.name, {cut: 'middle', mark: glyphs.cut}),
			selected && tone === undefined ? 'strong' : tone,
		),
		span(' '.repeat(gap)),
		...padded(stageCells(job, stages, columns.words, glyphs), columns.stages),
		span(' '.repeat(gap)),
	];
	const rest = ended ? reasonCells(job, context) : progressCells(job, context);
	return [...start, ...rest];
}

function progressCells(job: JobState, {columns, glyphs, now, tick}: RowContext): Line {
	const {size, rate, time} = columns;
	const running = job.status === 'running';
	const bytes = jobBytes(job);
	const cells: Line[] = [padded(progressCell(job, columns.progress, glyphs, tick), columns.progress)];
	if (size > 0)
		cells.push([
			span(
				fit(bytes > 0 ? formatBytes(bytes) : waitingSize(job), size, {align: 'right'}),
				running ? undefined : 'quiet',
			),
		]);
	if (rate > 0)
		cells.push([
			span(fit(running && job.progress?.rate ? `${formatBytes(job.progress.rate)}/s` : '', rate, {align: 'right'})),
		]);
	if (time > 0)
		cells.push([
			span(fit(timeText(job, now), time, {align: 'right', mark: glyphs.cut}), running ? undefined : 'quiet'),
		]);
	return cells.flatMap((cell, index) => (index === 0 ? [...cell] : [span(' '.repeat(gap)), ...cell]));
}

function waitingSize(job: JobState): string {
	return job.status === 'waiting' && job.estimatedBytes !== undefined ? `~${formatBytes(job.estimatedBytes)}` : '';
}

/** Returns the remaining time of a running job if it can be estimated; else how long it has run or took. */
function timeText(job: JobState, now: number): string {
	if (job.status === 'running' && job.progress?.eta !== undefined) return `~${shortDuration(job.progress.eta)}`;
	if (job.startedAt === undefined) return '';
	return shortDuration(((job.finishedAt ?? now) - job.startedAt) / 1000);
}

/** Returns whole seconds: tenths would change on every frame. */
export function shortDuration(seconds: number): string {
	return seconds < 10 ? `${Math.max(0, Math.round(seconds))}s` : formatDuration(seconds);
}

/** Returns the progress of a running job; once its files are complete, the progress of their upload. */
export function shareOf(job: JobState): {readonly fraction?: number; readonly estimated?: boolean} {
	const {fraction, estimated} = job.progress ?? {};
	if (fraction !== undefined) return {fraction, ...(estimated && {estimated})};
	const {state, progress} = job.stage.upload ?? {};
	const bytes = jobBytes(job);
	if (state !== 'running' || progress === undefined || job.files.length === 0 || bytes === 0) return {};
	return {fraction: Math.min(1, progress.bytesOut / bytes)};
}

/** Returns what a running job waits for, or does before its first bytes; or which sessions wait behind it. */
function noticeOf(job: JobState): {readonly text: string; readonly tone: 'warn' | 'quiet'} | undefined {
	if (job.question !== undefined) return {text: 'waits for you', tone: 'warn'};
	const {activity, tables = [], blockedBy = [], blocking = []} = job.progress ?? {};
	const [lock] = blockedBy;
	if (lock !== undefined) return {text: `waits for lock, ${shortDuration(lock.waiting)}`, tone: 'warn'};
	if (blocking.length > 0) {
		const {fraction, estimated} = shareOf(job);
		const share = fraction === undefined ? '' : `  ${percent(fraction, estimated)}`;
		return {text: `! ${blocking.length} ${blocking.length === 1 ? 'waits' : 'wait'}${share}`, tone: 'warn'};
	}
	if (workOf(job) === 'toUpload') return {text: 'to upload', tone: 'quiet'};
	return activity !== undefined && tables.length === 0 ? {text: activity, tone: 'quiet'} : undefined;
}

function progressCell(job: JobState, width: number, glyphs: Glyphs, tick: number): Line {
	if (job.status === 'waiting')
		return [span(fit(job.attempt > 0 ? 'requeued' : 'waiting', width, {mark: glyphs.cut}), 'quiet')];
	if (job.status === 'done')
		return [
			span(
				fit(`${jobWord(job)}${job.attempt > 1 ? `, attempt ${job.attempt}` : ''}`, width, {mark: glyphs.cut}),
				'done',
			),
		];
	const {fraction, estimated} = shareOf(job);
	const notice = noticeOf(job);
	if (notice !== undefined) return [span(fit(clean(notice.text, glyphs), width, {mark: glyphs.cut}), notice.tone)];
	if (fraction === undefined) {
		const bytes = jobBytes(job);
		const text = bytes > 0 ? formatBytes(bytes) : '';
		const marks = Math.min(8, width - text.length - 1);
		return marks < 3 ? [span(fit(text, width))] : [...movingMark(tick, marks, glyphs), span(` ${text}`)];
	}
	const text = percent(fraction, estimated).padStart(5);
	return width < 10 ? [span(fit(text.trim(), width))] : [...bar(fraction, width - text.length, glyphs), span(text)];
}

/** Shows why it failed, across the columns that a job without progress does not need. */
function reasonCells(job: JobState, {columns, glyphs, now}: RowContext): Line {
	const room = columnsWidth(columns) - pointerWidth - columns.name - columns.stages - 2 * gap;
	const time = columns.time > 0 ? fit(timeText(job, now), columns.time, {align: 'right'}) : '';
	const tone = job.status === 'failed' ? 'failed' : isSkipped(job) ? 'quiet' : 'warn';
	const text = shownReason(job, glyphs);
	const width = room - (time === '' ? 0 : cellWidth(time) + gap);
	return [span(fit(text, width, {mark: glyphs.cut}), tone), span(time === '' ? '' : ' '.repeat(gap) + time, 'quiet')];
}

function padded(line: Line, width: number): Line {
	const cut = lineWidth(line) > width ? cutLine(line, width) : line;
	const missing = width - lineWidth(cut);
	return missing > 0 ? [...cut, span(' '.repeat(missing))] : cut;
}
