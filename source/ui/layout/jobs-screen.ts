/** Formats the Jobs screen: header, the visible part of the list, and the end of the log. */
import type {JobState, LogLine} from '../../core/run-state.js';
import {workShare} from '../../core/work.js';
import {commonDirectory} from '../../lib/common-directory.js';
import {cellWidth} from '../../lib/width.js';
import type {Frame} from '../console.js';
import {clean} from '../glyphs.js';
import {blank, cutLine, type Line, span} from '../text.js';
import {homeLines} from './home-lines.js';
import {listJobs} from './job-list.js';
import {isFileJob, shownName} from './job-name.js';
import {headerLine, jobRow, planColumns} from './job-row.js';
import {attachedLine, countsLine, titleLine, totalLine} from './jobs-header.js';
import {logRows} from './log-lines.js';
import {planRegions} from './regions.js';
import {planStages} from './stages.js';
import {windowTop} from './window.js';

/** Of the width, for the names of files: two dumps of one database differ only in their times. */
const fileShare = 0.58;

export type JobsScreen = {
	readonly header: readonly Line[];
	readonly list: readonly Line[];
	readonly log: readonly Line[];
};

export function jobsScreen(frame: Frame): JobsScreen {
	const {run, view, now, columns, rows, glyphs} = frame;
	const regions = planRegions(rows, 3);
	const title = titleLine(frame);
	const total = totalLine(run, now, columns, glyphs);
	const counts = countsLine(run, columns, glyphs);
	const lowered = workShare(run) === undefined ? counts : total;
	const header = run.jobs.size === 0 ? [title, total] : regions.header < 3 ? [title, lowered] : [title, total, counts];
	if (regions.air) header.push(attachedLine(frame) ?? blank);
	if (view.jobs.filter !== '') header.splice(-1, 1, filterNote(view.jobs.filter, frame));
	if (run.jobs.size === 0) {
		// An empty log leaves its rows to the databases.
		const shownLog = Math.min(regions.log, shownLines(frame).length);
		return {
			header,
			list: emptyLines(frame, rows - header.length - logHeight(shownLog) - 1),
			log: logTail(frame, shownLog),
		};
	}
	const jobs = listJobs(run, view.jobs);
	const stages = planStages(run);
	const directory = commonDirectory(jobs.filter(isFileJob).map(job => job.name));
	const longest = jobs.reduce((most, job) => Math.max(most, cellWidth(shownName(job, directory, glyphs))), 0);
	const plan = planColumns(columns - 1, stages, longest, jobs.every(isFileJob) ? fileShare : 0.25);
	if (regions.columnNames) header.push(headerLine(plan, {...view.jobs, title: nameTitle(jobs)}, glyphs));
	const cursor = Math.max(
		0,
		jobs.findIndex(job => job.id === view.jobs.selected),
	);
	const {first, visible, below} = visibleJobs(jobs, view.jobs.top, cursor, regions.list);
	const context = {columns: plan, stages, glyphs, now, tick: frame.tick, directory};
	const list = visible.map((job, index) => jobRow(job, first + index === cursor, context));
	if (jobs.length === 0) list.push([span(`   no job matches the filter`, 'quiet')]);
	if (below.length > 0) list.push(cutLine([span(`   ${glyphs.cut} ${moreText(below)}`, 'quiet')], columns, glyphs.cut));
	return {header, list, log: logTail(frame, regions.log)};
}

/** Returns the visible jobs, and the number of those below, which is shown in the last row. */
export function visibleJobs(jobs: readonly JobState[], previousTop: number, cursor: number, height: number) {
	const whole = windowTop(previousTop, cursor, height, jobs.length);
	if (whole + height >= jobs.length || height < 4)
		return {first: whole, visible: jobs.slice(whole, whole + height), below: []};
	const first = windowTop(previousTop, cursor, height - 1, jobs.length);
	return {first, visible: jobs.slice(first, first + height - 1), below: jobs.slice(first + height - 1)};
}

function nameTitle(jobs: readonly JobState[]): string {
	return jobs.length > 0 && jobs.every(isFileJob) ? 'FILE' : 'DATABASE';
}

function moreText(jobs: readonly JobState[]): string {
	const counts = new Map<string, number>();
	for (const job of jobs) counts.set(job.status, (counts.get(job.status) ?? 0) + 1);
	return `${[...counts].map(([status, count]) => `${count} ${status}`).join(', ')} below`;
}

function filterNote(filter: string, {columns, glyphs}: Frame): Line {
	return cutLine([span(` filter: `, 'quiet'), span(clean(filter, glyphs), 'warn')], columns, glyphs.cut);
}

/** Including the rule above. */
function logHeight(log: number): number {
	return log > 0 ? log + 1 : 0;
}

function shownLines({run}: Frame): readonly LogLine[] {
	return run.log.filter(line => line.level !== 'debug');
}

/** Shows the newest log lines under a rule. */
function logTail(frame: Frame, height: number): readonly Line[] {
	if (height === 0) return [];
	const {columns, glyphs} = frame;
	const rows = shownLines(frame)
		.slice(-height)
		.flatMap(line => logRows(line, {times: true, wrap: false, width: columns - 1, glyphs}));
	const rule: Line = [span(` ${glyphs.rule.repeat(Math.max(0, columns - 2))}`, 'quiet')];
	return [rule, ...rows, ...Array.from({length: height - rows.length}, () => blank)];
}

function emptyLines(frame: Frame, height: number): readonly Line[] {
	const {run} = frame;
	if (run.startedAt > 0 && run.command !== 'console' && run.finished === undefined)
		return [blank, [span('   getting ready', 'quiet')]];
	return homeLines(frame, height);
}
