/** The table at the end of a run as lines for the plain log. */
import {failureGroups, failureText} from '../core/failures.js';
import type {RunState} from '../core/run-state.js';
import {summaryLine, type SummaryRow, summaryRows} from '../core/summary.js';
import {display} from '../lib/display.js';
import {cellWidth} from '../lib/width.js';

type Column = 'name' | 'result' | 'size' | 'time' | 'detail';

/** Lines for people, aligned by cells. Empty for a run without jobs. */
export function summaryLines(state: RunState): string[] {
	const rows = summaryRows(state);
	if (rows.length === 0) return [];
	const header: Pick<SummaryRow, Column> = {
		name: 'NAME',
		result: 'RESULT',
		size: 'SIZE',
		time: 'TIME',
		detail: 'WHERE OR WHY',
	};
	const all = [header, ...rows];
	const width = (key: Column) => Math.max(...all.map(row => cellWidth(row[key])));
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
		...failureGroups(state)
			.filter(({jobs}) => jobs.length > 1)
			.map(group => display(failureText(group))),
		summaryLine(state),
	];
}
