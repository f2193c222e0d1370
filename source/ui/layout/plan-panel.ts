/** The plan of a backup: which databases, and what will happen to them. */
import {formatBytes, plural} from '../../lib/format.js';
import {cellWidth, fit} from '../../lib/width.js';
import type {PlanDialog} from '../dialog.js';
import {clean, type Glyphs} from '../glyphs.js';
import {blank, keepEnd, type Line, span, textCursor} from '../text.js';
import {commandLines} from './command-lines.js';
import {nameMatcher} from './matcher.js';
import type {Panel} from './panel.js';
import {windowTop} from './window.js';
import {wrapWords} from './wrap.js';

/** The databases that the filter shows. */
export function shownDatabases({databases, filter}: PlanDialog): PlanDialog['databases'] {
	const passes = nameMatcher(filter);
	return databases.filter(one => passes(one.name));
}

const labelWidth = 14;

export function planPanel(dialog: PlanDialog, glyphs: Glyphs, width: number, height: number): Panel {
	const shown = shownDatabases(dialog);
	const head = headLines(dialog, glyphs, width);
	const tail = tailLines(dialog, glyphs, width);
	const room = Math.max(1, height - head.length - Math.min(tail.length, Math.floor((height * 2) / 3)));
	const top = windowTop(0, dialog.cursor, room, shown.length);
	const list = shown
		.slice(top, top + room)
		.map((one, index) => databaseRow(one, top + index === dialog.cursor, {dialog, glyphs, width}));
	if (!dialog.waiting && dialog.databases.length > 0 && shown.length === 0)
		list.push([span('  no database matches the filter', 'quiet')]);
	return {
		title: 'Back up',
		lines: [...head, ...list, ...tail],
		keys: dialog.isFiltering
			? 'enter keep  esc clear'
			: `space mark  a all  A none  / filter  enter start${dialog.command === '' ? '' : '  Y copy command'}  esc back`,
		tall: false,
	};
}

function headLines(
	{databases, marked, waiting, filter, isFiltering}: PlanDialog,
	glyphs: Glyphs,
	width: number,
): Line[] {
	const chosen = databases.filter(one => marked.has(one.name));
	const total = chosen.reduce((sum, one) => sum + one.bytes, 0);
	const count = `${chosen.length} of ${plural(databases.length, 'database')}`;
	const head: Line = [
		span(waiting ? `reading the databases${glyphs.cut}` : count, 'strong'),
		span(`   ~${formatBytes(total)}`, 'quiet'),
	];
	if (!isFiltering && filter === '') return [head];
	const text = keepEnd(clean(filter, glyphs), Math.max(4, width - 12));
	return [
		head,
		isFiltering ? [span('/', 'key'), span(text), textCursor] : [span('filter: ', 'quiet'), span(text, 'warn')],
	];
}

function databaseRow(
	one: PlanDialog['databases'][number],
	active: boolean,
	{dialog, glyphs, width}: {readonly dialog: PlanDialog; readonly glyphs: Glyphs; readonly width: number},
): Line {
	const marked = dialog.marked.has(one.name);
	const right = `${formatBytes(one.bytes).padStart(9)}  ${one.format}`;
	return [
		span(active ? `${glyphs.pointer} ` : '  ', 'key'),
		span(marked ? '[x] ' : '[ ] ', marked ? 'done' : 'quiet'),
		span(
			fit(clean(one.name, glyphs), Math.max(8, width - cellWidth(right) - 8), {cut: 'middle', mark: glyphs.cut}),
			active ? 'strong' : undefined,
		),
		span(`  ${right}`, 'quiet'),
	];
}

/** Reasons and facts are wrapped: their ends matter. */
function tailLines({problem, note, facts, command}: PlanDialog, glyphs: Glyphs, width: number): Line[] {
	const wrapped = (text: string, tone: 'failed' | 'warn'): Line[] => [
		blank,
		...wrapWords(clean(text, glyphs), width).map((piece): Line => [span(piece, tone)]),
	];
	return [
		...(problem === undefined ? [] : wrapped(problem, 'failed')),
		...(note === undefined ? [] : wrapped(note, 'warn')),
		blank,
		...facts.flatMap(([label, value]) =>
			wrapWords(clean(value, glyphs), Math.max(10, width - labelWidth - 1)).map((piece, index): Line => [
				span(`${fit(index === 0 ? clean(label, glyphs) : '', labelWidth, {mark: glyphs.cut})} `, 'quiet'),
				span(piece),
			]),
		),
		...commandLines(command, width, glyphs),
	];
}
