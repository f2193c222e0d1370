/** The Files screen as rows. */
import {formatBytes, formatCount, plural} from '../../lib/format.js';
import {cellWidth} from '../../lib/width.js';
import type {Frame} from '../console.js';
import type {FileRows} from '../files/rows.js';
import {fileRows} from '../files/rows.js';
import {clean} from '../glyphs.js';
import {blank, span, spread, type Line} from '../text.js';
import type {FileCursor} from '../view.js';
import {fileHeader, fileRow, planFileColumns, runRow} from './file-row.js';
import {tabsLine} from './tabs.js';
import {windowTop} from './window.js';

export type FilesScreen = {readonly header: readonly Line[]; readonly list: readonly Line[]; readonly status: Line};

/** Rows of the list. */
export function filesHeight(rows: number): number {
	return rows - filesHeaderRows(rows) - 2;
}

function filesHeaderRows(rows: number): number {
	return rows >= 16 ? 4 : 3;
}

export function rowsOf({files, view}: Pick<Frame, 'files' | 'view'>): FileRows {
	return fileRows(files.table(), files.order(), view.files.open);
}

export function filesScreen(frame: Frame): FilesScreen {
	const {view, files, columns, rows} = frame;
	const all = rowsOf(frame);
	const height = filesHeight(rows);
	const cursor = all.positionOf(view.files.cursor);
	const top = windowTop(view.files.top, cursor, height, all.count);
	const visible = Array.from({length: Math.max(0, Math.min(height, all.count - top))}, (_, index) =>
		all.at(top + index),
	);
	const longest = visible.reduce(
		(most, row) =>
			row?.file === undefined ? most : Math.max(most, cellWidth(clean(files.table().key(row.file), frame.glyphs))),
		0,
	);
	const plan = planFileColumns(columns - 1, files.table(), longest);
	const list = visible.map((row, index): Line =>
		row === undefined ? blank : entryRow(row, top + index === cursor, frame, plan),
	);
	if (all.count === 0) list.push(emptyLine(frame));
	const header = [
		tabsLine('files', frame, filterText(frame)),
		locationLine(frame),
		...(rows >= 16 ? [blank] : []),
		fileHeader(plan, view.files),
	];
	return {header, list, status: statusLine(frame)};
}

function entryRow(
	{run, file}: FileCursor,
	active: boolean,
	frame: Frame,
	plan: ReturnType<typeof planFileColumns>,
): Line {
	return file === undefined ? runRow(run, active, frame, plan) : fileRow(file, active, frame, plan);
}

function filterText({view, glyphs}: Frame): string {
	return view.files.filter === '' ? '' : `filter: ${clean(view.files.filter, glyphs)}`;
}

/** Where, and how much there is. */
function locationLine({files, columns, glyphs}: Frame): Line {
	const location = files.location();
	const table = files.table();
	const order = files.order();
	const label = location === undefined ? 'no location is configured' : clean(location.label, glyphs);
	const runs = table.knownRuns();
	const of = order === undefined || order.filter === '' ? '' : `${formatCount(order.files)} of `;
	const counts = `${of}${plural(table.count(), 'file')}${runs > 0 ? ` in ${plural(runs, 'run')}` : ''} ${glyphs.dot} ${formatBytes(order?.bytes ?? 0)}`;
	return spread([span(` ${label}`, 'strong')], [span(`${counts} `, 'quiet')], columns, glyphs.cut);
}

function emptyLine({files, view}: Frame): Line {
	if (files.location() === undefined) return [span('   nothing to list', 'quiet')];
	if (files.order() === undefined || files.state() === 'listing') return [span('   listing', 'quiet')];
	if (files.problem() !== undefined) return [span('   nothing could be listed', 'failed')];
	return [span(view.files.filter === '' ? '   no files here' : '   nothing matches the filter', 'quiet')];
}

/** What is marked; while the listing runs, how far it is; what went wrong with it. */
function statusLine({files, view, glyphs}: Frame): Line {
	const problem = files.problem();
	if (problem !== undefined) return [span(`${glyphs.failed} ${clean(problem, glyphs)}`, 'failed')];
	const table = files.table();
	const listing = files.state() === 'listing' ? `listing, ${plural(table.count(), 'name')} so far   ` : '';
	const {marked} = view.files;
	if (marked.size === 0) return [span(listing, 'running')];
	let bytes = 0;
	for (const row of marked) bytes += table.size(row);
	return [
		span(listing, 'running'),
		span(`${formatCount(marked.size)} marked ${glyphs.dot} ${formatBytes(bytes)}`, 'strong'),
	];
}
