/** The rows of the Jobs screen, and which columns a width has room for. */
import {isSkipped, jobBytes, jobWord, type JobState} from '../../core/state.js';
import {formatBytes, formatDuration} from '../../lib/format.js';
import {cellWidth, fit} from '../../lib/width.js';
import {clean, type Glyphs} from '../glyphs.js';
import {cutLine, lineWidth, span, type Line} from '../text.js';
import {bar, movingMark, percent} from './bar.js';
import {shownName, shownReason} from './job-name.js';
import {stageCells, type StagePlan} from './stages.js';

export type JobColumns = {
	readonly name: number;
	readonly stages: number;
	readonly words: boolean;
	readonly progress: number;
	/** 0 where the column has given way. */
	readonly size: number;
	readonly rate: number;
	readonly time: number;
};

const gap = 2;
const pointerWidth = 2;
const sizeWidth = 8;
const rateWidth = 10;
const timeWidth = 6;
const minProgress = 12;
const goodProgress = 18;
const maxProgress = 28;
const minName = 12;

/**
 * Which columns fit `width` cells. They give way in a fixed order as it shrinks: RATE, TIME, SIZE, then the words of the
 * stages; then the name and the bar share what is left. `share` of the width is for the name before any of them stays.
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
		// Names first, so that they can be told apart; then the bar. What neither can use stays empty at the right edge.
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
	/** In which all files are: not shown. */
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

/** What is left, for a running job whose end can be estimated; else how long it has run or took. */
function timeText(job: JobState, now: number): string {
	if (job.status === 'running' && job.progress?.eta !== undefined) return `~${shortDuration(job.progress.eta)}`;
	if (job.startedAt === undefined) return '';
	return shortDuration(((job.finishedAt ?? now) - job.startedAt) / 1000);
}

/** In whole seconds: tenths would change on every frame. */
export function shortDuration(seconds: number): string {
	return seconds < 10 ? `${Math.max(0, Math.round(seconds))}s` : formatDuration(seconds);
}

/** How far a running job is; once its files are whole, how much of them is at the remote. */
export function shareOf(job: JobState): {readonly fraction?: number; readonly estimated?: boolean} {
	const {fraction, estimated} = job.progress ?? {};
	if (fraction !== undefined) return {fraction, ...(estimated && {estimated})};
	const {state, progress} = job.stage.upload ?? {};
	const bytes = jobBytes(job);
	if (state !== 'running' || progress === undefined || job.files.length === 0 || bytes === 0) return {};
	return {fraction: Math.min(1, progress.bytesOut / bytes)};
}

function progressCell(job: JobState, width: number, glyphs: Glyphs, tick: number): Line {
	if (job.status === 'waiting')
		return [span(fit(job.attempt > 0 ? 'put off' : 'waiting', width, {mark: glyphs.cut}), 'quiet')];
	if (job.status === 'done')
		return [
			span(
				fit(`${jobWord(job)}${job.attempt > 1 ? `, attempt ${job.attempt}` : ''}`, width, {mark: glyphs.cut}),
				'done',
			),
		];
	const {fraction, estimated} = shareOf(job);
	const waits = job.progress?.blockedBy?.[0];
	if (waits !== undefined)
		return [span(fit(`waits for lock, ${shortDuration(waits.waiting)}`, width, {mark: glyphs.cut}), 'warn')];
	const {activity, tables = []} = job.progress ?? {};
	if (activity !== undefined && tables.length === 0)
		return [span(fit(clean(activity, glyphs), width, {mark: glyphs.cut}), 'quiet')];
	if (fraction === undefined) {
		const bytes = jobBytes(job);
		const text = bytes > 0 ? formatBytes(bytes) : '';
		const marks = Math.min(8, width - text.length - 1);
		return marks < 3 ? [span(fit(text, width))] : [...movingMark(tick, marks, glyphs), span(` ${text}`)];
	}
	const text = percent(fraction, estimated).padStart(5);
	return width < 10 ? [span(fit(text.trim(), width))] : [...bar(fraction, width - text.length, glyphs), span(text)];
}

/** Why it failed, over the columns that a job without progress does not need. */
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
