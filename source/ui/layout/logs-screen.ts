/** The Logs screen as rows. */
import type {LogLine} from '../../core/state.js';
import {formatCount} from '../../lib/format.js';
import type {Frame} from '../console.js';
import {clean} from '../glyphs.js';
import {blank, span, spread, type Line} from '../text.js';
import {matcher} from './job-list.js';
import {logRows} from './log-lines.js';
import {tabsLine} from './tabs.js';

export type LogsScreen = {readonly header: readonly Line[]; readonly list: readonly Line[]};

export function logLines({run, view}: Pick<Frame, 'run' | 'view'>): readonly LogLine[] {
	const passes = matcher(view.logs.filter);
	return run.log.filter(line => passes(line.text));
}

export function logHeight(rows: number, full: boolean): number {
	return full ? rows : rows - (rows >= 16 ? 4 : 2);
}

/** Every row of the log, wrapped as the person wants it. */
export function allLogRows(frame: Pick<Frame, 'run' | 'view' | 'columns' | 'glyphs'>): readonly Line[] {
	const {times, wrap} = frame.view.logs;
	return logLines(frame).flatMap(line => logRows(line, {times, wrap, width: frame.columns - 1, glyphs: frame.glyphs}));
}

export function logsScreen(frame: Frame): LogsScreen {
	const {view, rows, run, columns, glyphs, info} = frame;
	const {full, top, filter} = view.logs;
	const height = logHeight(rows, full);
	const all = allLogRows(frame);
	const first = Math.max(0, Math.min(top ?? Infinity, all.length - height));
	const list =
		all.length === 0
			? [[span(filter === '' ? '   nothing has been logged yet' : '   no line matches the filter', 'quiet')]]
			: all.slice(first, first + height);
	if (full) return {header: [], list};
	const state = top === undefined ? 'following' : `${formatCount(first + 1)} of ${formatCount(all.length)}`;
	const title = tabsLine('logs', frame, `${filter === '' ? '' : `filter: ${clean(filter, glyphs)}   `}${state}`);
	if (rows < 16) return {header: [title], list};
	const dropped = run.logCount - run.log.length;
	const where =
		info.hangupLog === undefined
			? ''
			: `if this terminal goes away the log goes on in ${clean(info.hangupLog, glyphs)}`;
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
