/** The summary on the normal screen after the console: results, failures with reasons, and destinations. */
import {Box, renderToString, Text} from 'ink';
import {Table} from 'ink-table';
import type {PropsWithChildren} from 'react';
import {failureGroups, failureText} from '../core/failures.js';
import type {RunState} from '../core/run-state.js';
import {summaryLine, type SummaryRow, summaryRows} from '../core/summary.js';
import {formatCount} from '../lib/format.js';
import {cellWidth, fit} from '../lib/width.js';
import {asciiGlyphs, clean, type Glyphs} from './glyphs.js';
import {theme} from './theme.js';

/** The column of places and reasons has no room in it: reasons follow the table, and the places are in its last line. */
type Row = {readonly [column: string]: string};

/** All failures are listed; of successful jobs only this many. */
const maxDone = 12;

export type SummaryOptions = {readonly columns: number; readonly glyphs: Glyphs};

/** Ends with a newline; empty when there was no work. */
export function renderSummary(run: RunState, {columns, glyphs}: SummaryOptions): string {
	const rows = summaryRows(run);
	if (rows.length === 0) return '';
	const done = rows.filter(row => row.status === 'done');
	const shown = [...done.slice(0, maxDone), ...rows.filter(row => row.status !== 'done')];
	const text = renderToString(
		<Summary run={run} rows={shown} hidden={rows.length - shown.length} columns={columns} glyphs={glyphs} />,
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

type Props = SummaryOptions & {readonly run: RunState; readonly rows: readonly SummaryRow[]; readonly hidden: number};

function Summary({run, rows, hidden, columns, glyphs}: Props) {
	return (
		<Box flexDirection="column">
			<Table data={rows.map(row => tableRow(row, columns, glyphs))} cell={Cell} skeleton={Skeleton} header={Header} />
			{hidden > 0 && <Text>and {formatCount(hidden)} more done</Text>}
			{failureGroups(run).map(group => (
				<Text key={group.jobs[0]?.id ?? ''} {...theme.failed}>
					{glyphs[group.jobs[0]?.status ?? 'failed']} {clean(failureText(group), glyphs)}
					{group.hint === undefined ? '' : `; hint: ${clean(group.hint, glyphs)}`}
				</Text>
			))}
			<Text>
				{summaryLine(run)}
				{run.destinations.length > 0 ? `, files in ${run.destinations.map(one => clean(one, glyphs)).join(', ')}` : ''}
			</Text>
		</Box>
	);
}

/** ink-table measures by length instead of cells, so a name is padded to its width. */
function tableRow(row: SummaryRow, columns: number, glyphs: Glyphs): Row {
	const full = clean(row.name, glyphs);
	const name = fit(full, Math.min(cellWidth(full), Math.max(12, columns - 40)), {cut: 'middle', mark: glyphs.cut});
	return {
		name: name + ' '.repeat(Math.max(0, cellWidth(name) - name.length)),
		result: `${glyphs[row.skipped ? 'cancelled' : row.status]} ${row.result}`,
		size: row.size,
		time: row.time,
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
