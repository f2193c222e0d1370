/** Rows of dumps, runs and names on the Files screen. */
import {formatBytes, formatCount} from '../../lib/format.js';
import {fit} from '../../lib/width.js';
import type {Frame} from '../console.js';
import type {RunGroup} from '../files/order.js';
import type {FilesStore} from '../files/store.js';
import type {FileTable} from '../files/table.js';
import {clean, type Glyphs} from '../glyphs.js';
import {cutLine, type Line, type Span, span} from '../text.js';
import type {FileCursor} from '../view.js';
import {formatAge} from './age.js';
import {cell} from './cells.js';
import type {FileColumns} from './file-columns.js';

/** Returns the name of a row: a database, the time of a run, or a stored name. */
export function nameOfRow(
	table: FileTable,
	{run, dump, file}: FileCursor,
	group: (run: number) => RunGroup | undefined,
): string {
	if (file !== undefined) return table.key(file);
	if (dump !== undefined) return table.dumps.subject(dump) || table.key(table.dumps.lead(dump));
	const found = run === undefined ? undefined : group(run);
	if (found === undefined) return '';
	return found.id === '' ? 'other names' : table.dumps.timeText(found.first);
}

export function entryRow(cursor: FileCursor, active: boolean, frame: Frame, columns: FileColumns): Line {
	const {glyphs, files: store} = frame;
	const {run, dump, file} = cursor;
	const row =
		file !== undefined
			? nameCells(file, frame, columns)
			: dump !== undefined
				? dumpCells(dump, frame, columns)
				: runCells(run ?? 0, frame, columns);
	if (row === undefined) return [];
	const name = clean(
		nameOfRow(store.table(), cursor, one => store.order()?.runs.get(one)),
		glyphs,
	);
	// A dump of an open run is indented.
	const shift = run !== undefined && dump !== undefined ? 2 : 0;
	const cells: Span[] = [
		span(`${' '.repeat(shift)}${active ? `${glyphs.pointer} ` : '  '}`, 'key'),
		row.box,
		span(fit(name, columns.name - shift, {cut: 'middle', mark: glyphs.cut}), active ? 'strong' : row.tone),
		...row.cells,
	];
	return cutLine(cells, columns.width, glyphs.cut);
}

type RowCells = {readonly box: Span; readonly tone?: Span['tone']; readonly cells: readonly Span[]};

function box(marked: boolean): Span {
	return span(marked ? '[x] ' : '[ ] ', marked ? 'done' : 'quiet');
}

/** `between` are the cells between the name and the size. */
function ageAndSize(
	{time, bytes}: {readonly time: number; readonly bytes: number},
	now: number,
	columns: FileColumns,
	between: Span[] = [],
): Span[] {
	return [
		...cell(formatAge(time, now), columns.age, {align: 'right', tone: 'quiet'}),
		...between,
		...cell(formatBytes(bytes), columns.size, {align: 'right'}),
	];
}

function nameCells(row: number, {files, view, now}: Frame, columns: FileColumns): RowCells {
	const table = files.table();
	return {
		box: box(view.files.marked.has(row)),
		...(table.isChecksum(row) && {tone: 'quiet'}),
		cells: ageAndSize({time: table.time(row), bytes: table.size(row)}, now, columns),
	};
}

/** The format of a dump, by the suffix of its name. */
const formats: Readonly<Record<string, string>> = {
	dump: 'custom',
	d: 'directory',
	tar: 'tar',
	sql: 'plain',
	'sql.gz': 'plain gzip',
	'sql.lz4': 'plain lz4',
	'sql.zst': 'plain zstd',
	out: 'text',
	'createdb.sql': 'definition',
};

function dumpCells(dump: number, {files, view, now, glyphs}: Frame, columns: FileColumns): RowCells {
	const table = files.table();
	const {dumps} = table;
	const isForeign = dumps.kind(dump) === 'foreign';
	const encrypted = isForeign ? '' : dumps.isEncrypted(dump) ? 'age' : 'no';
	// The list of runs has one more column before the size.
	const between = columns.dumps === 0 ? [] : cell('', columns.dumps);
	const state =
		columns.state === 0 ? [] : [span('  '), ...cutLine(dumpState(dump, files, now, glyphs), columns.state, glyphs.cut)];
	return {
		box: box(view.files.marked.has(dump)),
		...(isForeign && {tone: 'quiet'}),
		cells: [
			...ageAndSize({time: dumps.time(dump), bytes: dumps.bytes(dump)}, now, columns, between),
			...cell(formats[dumps.suffix(dump)] ?? '', columns.format, {tone: 'quiet'}),
			...cell(encrypted, columns.encrypted, {tone: 'quiet'}),
			...state,
		],
	};
}

/** Returns the best verdict on a dump, and what is wrong with its run. */
function dumpState(dump: number, files: FilesStore, now: number, glyphs: Glyphs): Span[] {
	const table = files.table();
	const verdict = table.verdict(dump);
	const at = table.provenAt(dump);
	const ago = at === 0 ? '' : ` ${formatAge(at, now)} ago`;
	const summary = files.summary(table.runs.id(table.runs.of(dump)));
	const spans: Span[] = [];
	if (verdict === 'proven' || verdict === 'restored') spans.push(span(`${glyphs.done} ${verdict}${ago}`, 'done'));
	else if (verdict !== undefined) spans.push(span(verdict === 'none' ? 'not verified' : verdict));
	else if (table.dumps.hasChecksums(dump)) spans.push(span('checksum file', 'quiet'));
	const dot = () => (spans.length > 0 ? ` ${glyphs.dot} ` : '');
	if (summary?.state === 'partial') spans.push(span(`${dot()}${glyphs.failed} run PARTIAL`, 'failed'));
	if (summary?.pinned !== undefined) spans.push(span(`${dot()}pinned`, 'quiet'));
	return spans;
}

function runCells(run: number, frame: Frame, columns: FileColumns): RowCells | undefined {
	const {files: store, view, glyphs, now} = frame;
	const group = store.order()?.runs.get(run);
	if (group === undefined) return undefined;
	const {marked, open} = view.files;
	const count = group.dumps.reduce((sum, dump) => sum + (marked.has(dump) ? 1 : 0), 0);
	const between = cell(formatCount(group.dumps.length), columns.dumps, {align: 'right'});
	const state =
		columns.state === 0
			? []
			: [
					span('  '),
					...cutLine(
						[...(count > 0 ? [span(`${formatCount(count)} marked `, 'strong')] : []), ...runState(group, frame)],
						columns.state,
						glyphs.cut,
					),
				];
	return {
		box: span(`${open.has(run) ? glyphs.open : glyphs.closed}   `, 'quiet'),
		cells: [...ageAndSize(group, now, columns, between), ...state],
	};
}

/** Returns the state of a run: failures emphasized, everything else briefly. */
function runState(group: RunGroup, {files: store, glyphs, now}: Frame): readonly Span[] {
	if (group.id === '') return [];
	const summary = store.summary(group.id);
	const words: string[] = [];
	if (summary?.pinned !== undefined) words.push('pinned');
	if (summary?.lastProven !== undefined) words.push(`proven ${formatAge(summary.lastProven, now)} ago`);
	else if (summary?.lastRestored !== undefined) words.push(`restored ${formatAge(summary.lastRestored, now)} ago`);
	if (group.encrypted > 0) words.push(group.encrypted === group.dumps.length ? 'encrypted' : 'partly encrypted');
	if (group.hasChecksums) words.push('checksums');
	const rest = words.map(word => ` ${glyphs.dot} ${word}`).join('');
	if (summary?.state === 'partial') {
		const failed =
			summary.failed.length === 0
				? 'incomplete'
				: `${summary.failed.length} failed: ${summary.failed.map(name => clean(name, glyphs)).join(', ')}`;
		return [span(`${glyphs.failed} PARTIAL, ${failed}`, 'failed'), span(rest, 'quiet')];
	}
	if (summary?.state === 'complete') return [span(`${glyphs.done} complete`, 'done'), span(rest, 'quiet')];
	return [span(rest.slice(3), 'quiet')];
}
