/** Formats the Files screen. */
import {formatBytes, formatCount, plural} from '../../lib/format.js';
import {cellWidth} from '../../lib/width.js';
import type {Frame} from '../console.js';
import {type FileRows, fileRows} from '../files/rows.js';
import {clean} from '../glyphs.js';
import {blank, type Line, lineWidth, span, spread} from '../text.js';
import {fileHeader, planFileColumns} from './file-columns.js';
import {entryRow, nameOfRow} from './file-row.js';
import {listHeight, type ListScreen} from './list-screen.js';
import {locationsStrip} from './locations-strip.js';
import {tabsLine} from './tabs.js';
import {windowTop} from './window.js';
import {wrapWords} from './wrap.js';

export function rowsOf({files, view}: Pick<Frame, 'files' | 'view'>): FileRows {
	return fileRows(files.table(), files.order(), view.files.open);
}

export function filesScreen(frame: Frame): ListScreen {
	const {view, files, columns, rows} = frame;
	const all = rowsOf(frame);
	const status = statusLines(frame);
	const height = listHeight(rows) + 1 - status.length;
	const cursor = all.positionOf(view.files.cursor);
	const top = windowTop(view.files.top, cursor, height, all.count);
	const visible = Array.from({length: Math.max(0, Math.min(height, all.count - top))}, (_, index) =>
		all.at(top + index),
	);
	const table = files.table();
	const nameOf = (row: (typeof visible)[number]) =>
		row === undefined ? '' : nameOfRow(table, row, run => files.order()?.runs.get(run));
	const longest = visible.reduce((most, row) => Math.max(most, cellWidth(clean(nameOf(row), frame.glyphs))), 0);
	const plan = planFileColumns(columns - 1, files.order()?.list ?? view.files.list, longest);
	const list = visible.map((row, index): Line =>
		row === undefined ? blank : entryRow(row, top + index === cursor, frame, plan),
	);
	if (all.count === 0) list.push(emptyLine(frame));
	const header = [
		tabsLine('files', frame, filterText(frame)),
		locationLine(frame),
		...(rows >= 16 ? [blank] : []),
		fileHeader(plan, view.files, frame.glyphs),
	];
	return {header, list, status};
}

function filterText({view, glyphs}: Frame): string {
	return view.files.filter === '' ? '' : `filter: ${clean(view.files.filter, glyphs)}`;
}

/** Shows the location and the totals. */
function locationLine({files, columns, glyphs}: Frame): Line {
	const table = files.table();
	const order = files.order();
	const runs = table.runs.known();
	const of = order === undefined || order.filter === '' ? '' : `${formatCount(order.files)} of `;
	const names = `${of}${plural(table.count(), 'file')}`;
	const inRuns = `${names}${runs > 0 ? ` in ${plural(runs, 'run')}` : ''}`;
	const bytes = ` ${glyphs.dot} ${formatBytes(order?.bytes ?? 0)} `;
	const locations = files.locations();
	if (locations.length === 0) return spread([span(' no location is configured', 'strong')], [], columns, glyphs.cut);
	// The label of the shown location is dropped before the number of runs.
	const counts = columns < 76 ? `${names} ` : `${inRuns}${bytes}`;
	const strip = locationsStrip(locations, files.location()?.id, columns - cellWidth(counts) - 1, glyphs);
	const room = columns - lineWidth(strip) - 1;
	const right = [`${inRuns}${bytes}`, `${inRuns} `, `${names} `].find(text => cellWidth(text) <= room) ?? '';
	return spread(strip, [span(right, 'quiet')], columns, glyphs.cut);
}

function emptyLine({files, view}: Frame): Line {
	if (files.location() === undefined) return [span('   nothing to list', 'quiet')];
	if (files.state() === 'listing') return [span('   listing', 'quiet')];
	if (files.state() === 'stopped') return [span('   stopped: F5 lists again', 'quiet')];
	if (files.problem() !== undefined) return [span('   nothing could be listed', 'failed')];
	if (files.order() === undefined) return [span('   listing', 'quiet')];
	return [span(view.files.filter === '' ? '   no files here' : '   nothing matches the filter', 'quiet')];
}

/** Milliseconds without a name after which the screen says that there is no answer. */
const noAnswer = 3000;
const mostReasonRows = 4;

/** Shows what is marked, the progress of the listing, and its error in full. */
function statusLines(frame: Frame): readonly Line[] {
	const {files, view, glyphs, columns, rows} = frame;
	const problem = files.problem();
	const table = files.table();
	const isListing = files.state() === 'listing';
	const seconds = Math.floor(files.elapsed() / 1000);
	if (problem !== undefined) {
		const rest = isListing ? ` (${seconds} s; esc ends the attempt)` : '';
		const pieces = wrapWords(clean(`${problem}${rest}`, glyphs), Math.max(10, columns - 6));
		return pieces
			.slice(0, rows >= 12 ? mostReasonRows : 1)
			.map((piece, index) => [span(`${index === 0 ? `${glyphs.failed} ` : '  '}${piece}`, 'failed')]);
	}
	const slow = files.elapsed() > noAnswer ? `no answer for ${seconds} s, esc ends the attempt` : 'connecting';
	const progress = table.count() === 0 ? slow : `listing, ${plural(table.count(), 'name')} so far`;
	const listing = isListing ? `${progress}   ` : files.state() === 'stopped' ? 'stopped, incomplete   ' : '';
	const {marked} = view.files;
	if (marked.size === 0) return [[span(listing, 'running')]];
	const isNames = view.files.list === 'names';
	let bytes = 0;
	for (const one of marked) bytes += isNames ? table.size(one) : table.dumps.bytes(one);
	return [
		[
			span(listing, 'running'),
			span(`${formatCount(marked.size)} marked ${glyphs.dot} ${formatBytes(bytes)}`, 'strong'),
		],
	];
}
