/** Rows of runs and of files, and which columns a width has room for. */
import {formatBytes, formatCount} from '../../lib/format.js';
import {fit} from '../../lib/width.js';
import type {Frame} from '../console.js';
import {shownFiles} from '../files/rows.js';
import type {FileTable} from '../files/table.js';
import {clean} from '../glyphs.js';
import {cutLine, span, type Line, type Span} from '../text.js';
import type {FilesView} from '../view.js';

export type FileColumns = {
	readonly width: number;
	/** The time of a run. */
	readonly run: number;
	readonly age: number;
	/** 0 where the column has given way. */
	readonly files: number;
	readonly size: number;
	readonly state: number;
	/** The names of files inside runs: as wide as the longest that is to be seen, where there is room. */
	readonly name: number;
};

const gap = 2;
const start = 4;
/** Narrower, and the number of files gives way to the state. */
const goodState = 12;

/** STATE gives way first, then the number of files. */
export function planFileColumns(width: number, table: FileTable, longestName: number): FileColumns {
	const longest = table.runs.slice(0, 200).reduce((most, run) => Math.max(most, run.timeText.length), 20);
	const run = Math.min(longest, 32, Math.max(12, width - 24));
	const age = 4;
	const size = 9;
	const used = start + run + gap + age + gap + size;
	const both = width - used - 2 * gap - 6;
	const files = both >= goodState || (both >= 0 && both < 2) ? 6 : 0;
	const left = width - used - (files > 0 ? files + gap : 0) - gap;
	return {
		width,
		run,
		age,
		files,
		size,
		state: left >= 10 ? left : 0,
		name: Math.max(8, Math.min(longestName, width - size - 8 - gap)),
	};
}

export function fileHeader(columns: FileColumns, view: FilesView): Line {
	const {run, age, files, size, state} = columns;
	if (!view.grouped)
		return [span(`      ${fit('AGE', age, {align: 'right'})}  ${fit('SIZE', size, {align: 'right'})}  NAME`, 'quiet')];
	const cells = [
		fit('RUN', run),
		fit('AGE', age, {align: 'right'}),
		files > 0 ? fit('FILES', files, {align: 'right'}) : '',
		fit('SIZE', size, {align: 'right'}),
		state > 0 ? 'STATE' : '',
	];
	return [span(' '.repeat(start) + cells.filter(cell => cell !== '').join(' '.repeat(gap)), 'quiet')];
}

export function runRow(index: number, active: boolean, frame: Frame, columns: FileColumns): Line {
	const {files: store, view, glyphs, now} = frame;
	const group = store.table().runs[index];
	if (group === undefined) return [];
	const open = view.files.open.has(index);
	const shown =
		view.files.filter === '' ? group.files.length : shownFiles(store.table(), index, view.files.filter).length;
	const marked = countMarked(group.files, view.files.marked);
	const name = group.id === '' ? 'other names' : group.timeText;
	const count =
		shown === group.files.length ? formatCount(shown) : `${formatCount(shown)}/${formatCount(group.files.length)}`;
	const cells: Span[] = [
		span(active ? `${glyphs.pointer} ` : '  ', 'key'),
		span(`${open ? glyphs.open : glyphs.closed} `, 'quiet'),
		span(fit(clean(name, glyphs), columns.run, {mark: glyphs.cut}), active ? 'strong' : undefined),
		span(`  ${fit(formatAge(group.time, now), columns.age, {align: 'right'})}`, 'quiet'),
	];
	if (columns.files > 0) cells.push(span(`  ${fit(count, columns.files, {align: 'right', mark: glyphs.cut})}`));
	cells.push(span(`  ${fit(formatBytes(group.bytes), columns.size, {align: 'right'})}`));
	if (columns.state > 0)
		cells.push(
			span('  '),
			...cutLine(
				[...(marked > 0 ? [span(`${formatCount(marked)} marked `, 'strong')] : []), ...stateSpans(index, frame)],
				columns.state,
				glyphs.cut,
			),
		);
	return cutLine(cells, columns.width, glyphs.cut);
}

/** What is known of a run: failures loudly, the rest in few words. */
function stateSpans(index: number, {files: store, glyphs, now}: Frame): readonly Span[] {
	const group = store.table().runs[index];
	if (group === undefined || group.id === '') return [];
	const summary = store.summary(group.id);
	const words: string[] = [];
	if (summary?.lastProven !== undefined) words.push(`proven ${formatAge(summary.lastProven, now)} ago`);
	else if (summary?.lastRestored !== undefined) words.push(`restored ${formatAge(summary.lastRestored, now)} ago`);
	if (group.encrypted > 0)
		words.push(group.encrypted === group.files.length - group.own ? 'encrypted' : 'partly encrypted');
	if (group.sums > 0) words.push('checksums');
	const rest = words.map(word => ` ${glyphs.dot} ${word}`).join('');
	if (summary?.state === 'partial') {
		const failed =
			summary.failed.length === 0
				? 'not whole'
				: `${summary.failed.length} failed: ${summary.failed.map(name => clean(name, glyphs)).join(', ')}`;
		return [span(`${glyphs.failed} PARTIAL, ${failed}`, 'failed'), span(rest, 'quiet')];
	}
	if (summary?.state === 'complete') return [span(`${glyphs.done} complete`, 'done'), span(rest, 'quiet')];
	return [span(rest.slice(3), 'quiet')];
}

export function fileRow(row: number, active: boolean, frame: Frame, columns: FileColumns): Line {
	const {files: store, view, glyphs, now} = frame;
	const table = store.table();
	const marked = view.files.marked.has(row);
	const box = span(marked ? '[x] ' : '[ ] ', marked ? 'done' : 'quiet');
	const size = fit(formatBytes(table.size(row)), columns.size, {align: 'right'});
	const key = clean(table.key(row), glyphs);
	const tone = active ? 'strong' : table.isChecksum(row) ? 'quiet' : undefined;
	if (!view.files.grouped) {
		const room = columns.width - 6 - columns.age - columns.size - 2 * gap;
		return cutLine(
			[
				span(active ? `${glyphs.pointer} ` : '  ', 'key'),
				box,
				span(`${fit(formatAge(table.time(row), now), columns.age, {align: 'right'})}  ${size}  `, 'quiet'),
				span(fit(key, room, {cut: 'middle', mark: glyphs.cut}).trimEnd(), tone),
			],
			columns.width,
			glyphs.cut,
		);
	}
	const name = fit(key, columns.name, {cut: 'middle', mark: glyphs.cut});
	return cutLine(
		[span(active ? `  ${glyphs.pointer} ` : '    ', 'key'), box, span(name, tone), span(`  ${size}`, 'quiet')],
		columns.width,
		glyphs.cut,
	);
}

function countMarked(rows: readonly number[], marked: ReadonlySet<number>): number {
	return marked.size === 0 ? 0 : rows.reduce((sum, row) => sum + (marked.has(row) ? 1 : 0), 0);
}

/** `3m`, `5h`, `12d`, `2y`; empty where no time is known. */
export function formatAge(time: number, now: number): string {
	if (time === 0) return '';
	const minutes = Math.max(0, Math.floor((now - time) / 60_000));
	if (minutes < 60) return `${minutes}m`;
	if (minutes < 48 * 60) return `${Math.floor(minutes / 60)}h`;
	const days = Math.floor(minutes / 1440);
	return days < 1000 ? `${days}d` : `${Math.floor(days / 365)}y`;
}
