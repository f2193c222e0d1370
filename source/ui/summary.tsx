/** What stays on the normal screen after the console: what was done, what failed and why, where the files went. */
import {Box, Text, renderToString} from 'ink';
import {Table} from 'ink-table';
import type {PropsWithChildren} from 'react';
import {countJobs, isSkipped, jobBytes, jobWord, type JobState, type RunState} from '../core/state.js';
import {formatBytes, formatDuration, plural} from '../lib/format.js';
import {cellWidth, fit} from '../lib/width.js';
import {asciiGlyphs, clean, type Glyphs} from './glyphs.js';
import {theme} from './theme.js';

type Row = {readonly [column: string]: string};

/** Failures are all named; of what went well, as many as one looks at. */
const maxDone = 12;

export type SummaryOptions = {readonly columns: number; readonly glyphs: Glyphs};

/** Ends with a newline; empty when there was no work. */
export function renderSummary(run: RunState, {columns, glyphs}: SummaryOptions): string {
	const jobs = [...run.jobs.values()];
	if (jobs.length === 0) return '';
	const bad = jobs.filter(job => job.status !== 'done');
	const done = jobs.filter(job => job.status === 'done');
	const shown = [...bad, ...done.slice(0, maxDone)];
	const text = renderToString(
		<Summary run={run} jobs={shown} hidden={jobs.length - shown.length} columns={columns} glyphs={glyphs} />,
		{columns},
	);
	return `${
		glyphs === asciiGlyphs
			? text
					.replaceAll(/[─]/g, '-')
					.replaceAll('│', '|')
					.replaceAll(/[┌┐└┘├┤┬┴┼]/g, '+')
			: text
	}\n`;
}

type Props = SummaryOptions & {readonly run: RunState; readonly jobs: readonly JobState[]; readonly hidden: number};

function Summary({run, jobs, hidden, columns, glyphs}: Props) {
	const {cancelled, failed, done} = countJobs(run);
	const spent =
		run.finished === undefined || run.startedAt === 0
			? ''
			: ` in ${formatDuration((run.finished.at - run.startedAt) / 1000)}`;
	const skipped = [...run.jobs.values()].filter(isSkipped).length;
	const words = [
		`${done - skipped} done`,
		skipped > 0 ? `${skipped} skipped` : '',
		failed > 0 ? `${failed} failed` : '',
		cancelled > 0 ? `${cancelled} cancelled` : '',
	].filter(word => word !== '');
	return (
		<Box flexDirection="column">
			<Table data={jobs.map(job => tableRow(job, columns, glyphs))} cell={Cell} skeleton={Skeleton} header={Header} />
			{hidden > 0 && <Text>and {plural(hidden, 'more')} done</Text>}
			{jobs
				.filter(job => job.error !== undefined)
				.map(job => (
					<Text key={job.id} {...theme.failed}>
						{glyphs[job.status]} {clean(job.name, glyphs)}: {clean(job.error?.message ?? '', glyphs)}
						{job.error?.hint === undefined ? '' : `; hint: ${clean(job.error.hint, glyphs)}`}
					</Text>
				))}
			<Text>
				{words.join(', ')}
				{spent}
				{run.destinations.length > 0 ? `, files in ${run.destinations.map(one => clean(one, glyphs)).join(', ')}` : ''}
			</Text>
		</Box>
	);
}

/** ink-table measures by length, not in cells: a name is as long as it is wide. */
function tableRow(job: JobState, columns: number, glyphs: Glyphs): Row {
	const name = fit(clean(job.name, glyphs), Math.min(cellWidth(clean(job.name, glyphs)), Math.max(12, columns - 40)), {
		cut: 'middle',
		mark: glyphs.cut,
	});
	const spent =
		job.startedAt === undefined || job.finishedAt === undefined
			? ''
			: formatDuration((job.finishedAt - job.startedAt) / 1000);
	const bytes = jobBytes(job);
	return {
		name: name + ' '.repeat(Math.max(0, cellWidth(name) - name.length)),
		result: `${glyphs[isSkipped(job) ? 'cancelled' : job.status]} ${jobWord(job)}`,
		size: bytes === 0 ? '' : formatBytes(bytes),
		time: spent,
	};
}

function Cell({children}: PropsWithChildren) {
	const text = typeof children === 'string' ? children : '';
	return <Text>{fit(text.trimEnd(), text.length)}</Text>;
}

function Header({children}: PropsWithChildren) {
	return <Text bold>{children}</Text>;
}

function Skeleton({children}: PropsWithChildren) {
	return <Text dimColor>{children}</Text>;
}
