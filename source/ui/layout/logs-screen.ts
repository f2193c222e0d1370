/** Formats the Logs screen. */
import type {LogLine} from '../../core/run-state.js';
import {formatCount} from '../../lib/format.js';
import type {Frame} from '../console.js';
import {clean} from '../glyphs.js';
import {blank, type Line, span, spread} from '../text.js';
import {logRows} from './log-lines.js';
import {matcher} from './matcher.js';
import {tabsLine} from './tabs.js';
import {windowTop} from './window.js';

export type LogsScreen = {readonly header: readonly Line[]; readonly list: readonly Line[]};

export function logLines({run, view}: Pick<Frame, 'run' | 'view'>): readonly LogLine[] {
	const passes = matcher(view.logs.filter);
	return run.log.filter(line => passes(line.text));
}

export function logHeight(rows: number, full: boolean): number {
	return full ? rows : rows - (rows >= 16 ? 4 : 2);
}

/**
 * Returns the index of the cursor in `lines`: the last one while it follows, the next one when its own no longer
 * exists.
 */
export function cursorLine(lines: readonly LogLine[], cursor: number | undefined): number {
	const found = cursor === undefined ? -1 : lines.findIndex(line => line.index >= cursor);
	return found < 0 ? lines.length - 1 : found;
}

type LogFrame = Pick<Frame, 'run' | 'view' | 'columns' | 'rows' | 'glyphs'>;

/** Returns every row of the log, wrapped if requested, and which of them are under the cursor. */
function allLogRows({run, view, columns, glyphs}: LogFrame) {
	const {times, wrap, cursor} = view.logs;
	const lines = logLines({run, view});
	const active = cursorLine(lines, cursor);
	const rows: Line[] = [];
	let from = 0;
	let to = 0;
	for (const [index, line] of lines.entries()) {
		if (index === active) from = rows.length;
		rows.push(
			...logRows(line, {times, wrap, width: columns - 1, glyphs, active: index === active && cursor !== undefined}),
		);
		if (index === active) to = rows.length;
	}
	return {rows, from, to, lines: lines.length, active};
}

/** Returns the first visible row: the whole line under the cursor must be visible. */
export function logTop(frame: LogFrame): number {
	const {rows, from, to} = allLogRows(frame);
	return topRow(frame, rows.length, from, to);
}

function topRow({view, rows: screenRows}: LogFrame, count: number, from: number, to: number): number {
	const {cursor, top, full} = view.logs;
	const height = logHeight(screenRows, full);
	if (cursor === undefined) return Math.max(0, count - height);
	return windowTop(windowTop(top, to - 1, height, count), from, height, count);
}

export function logsScreen(frame: Frame): LogsScreen {
	const {view, rows, run, columns, glyphs, info} = frame;
	const {full, cursor, filter} = view.logs;
	const height = logHeight(rows, full);
	const {rows: all, from, to, lines, active} = allLogRows(frame);
	const first = topRow(frame, all.length, from, to);
	const list =
		all.length === 0
			? [[span(filter === '' ? '   nothing has been logged yet' : '   no line matches the filter', 'quiet')]]
			: all.slice(first, first + height);
	if (full) return {header: [], list};
	const state = cursor === undefined ? 'following' : `line ${formatCount(active + 1)} of ${formatCount(lines)}`;
	const title = tabsLine('logs', frame, `${filter === '' ? '' : `filter: ${clean(filter, glyphs)}   `}${state}`);
	if (rows < 16) return {header: [title], list};
	const dropped = run.logCount - run.log.length;
	const where =
		info.hangupLog === undefined
			? ''
			: `if this terminal closes, the log continues in ${clean(info.hangupLog, glyphs)}`;
	const left = dropped > 0 ? ` the newest ${formatCount(run.log.length)} of ${formatCount(run.logCount)} lines` : '';
	return {
		header: [
			title,
			spread(
				[span(left === '' ? ` ${where}` : left, 'quiet')],
				left === '' ? [] : [span(`${where} `, 'quiet')],
				columns,
				glyphs.cut,
			),
			blank,
		],
		list,
	};
}
