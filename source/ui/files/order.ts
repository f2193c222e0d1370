/** Which runs and names pass the filter, and in which order. */
import {matcher} from '../layout/job-list.js';
import type {FileSort} from '../view.js';
import {createSlicer, filterRows, sortRows, type Slicer} from './slices.js';
import type {FileTable} from './table.js';

export type OrderOptions = {
	readonly grouped: boolean;
	readonly filter: string;
	readonly sort: FileSort;
	readonly reverse: boolean;
};

/** A finished order; rows that came later are not in it yet. */
export type FileOrder = OrderOptions & {
	/** Runs (grouped) or rows of the table (not grouped). */
	readonly rows: Uint32Array;
	/** By run: how many of its files pass. Only when grouped. */
	readonly matches: Uint32Array;
	/** Of the files that pass. */
	readonly files: number;
	readonly bytes: number;
	/** How many rows of the table it has seen. */
	readonly seen: number;
};

/** Rejects with the signal's reason when it is aborted. */
export async function orderFiles(table: FileTable, options: OrderOptions, signal: AbortSignal): Promise<FileOrder> {
	const {grouped, filter, sort, reverse} = options;
	const slicer = createSlicer(signal);
	const seen = table.count();
	const matches = new Uint32Array(table.runs.length);
	const passes = matcher(filter);
	let files = 0;
	let bytes = 0;
	const found = await filterRows(
		seen,
		row => {
			if (grouped && table.isChecksum(row)) return false;
			const run = table.runs[table.run(row)];
			if (
				!passes(table.key(row)) &&
				(filter === '' || run === undefined || filter.startsWith('!') || !passes(run.timeText))
			)
				return false;
			files++;
			bytes += table.size(row);
			matches[table.run(row)] = (matches[table.run(row)] ?? 0) + 1;
			return true;
		},
		slicer,
	);
	const rows = grouped ? await filterRows(matches.length, run => (matches[run] ?? 0) > 0, slicer) : found;
	const needless = !grouped && sort === 'name' && table.isSorted();
	const sorted = needless ? rows : await sortRows(rows, await comparer(table, rows, options, slicer), slicer);
	return {...options, rows: reverse ? sorted.slice().reverse() : sorted, matches, files, bytes, seen};
}

async function comparer(table: FileTable, rows: Uint32Array, {grouped, sort}: OrderOptions, slicer: Slicer) {
	if (grouped) return runComparer(table, sort);
	return sort === 'name' ? nameComparer(table, rows, slicer) : fileComparer(table, sort);
}

/** Newest first, largest first, names from A. */
function runComparer(table: FileTable, sort: FileSort): (a: number, b: number) => number {
	const {runs} = table;
	if (sort === 'size') return (a, b) => (runs[b]?.bytes ?? 0) - (runs[a]?.bytes ?? 0);
	if (sort === 'name') return (a, b) => compareText(runs[a]?.timeText ?? '', runs[b]?.timeText ?? '');
	return (a, b) => (runs[b]?.time ?? 0) - (runs[a]?.time ?? 0);
}

function fileComparer(table: FileTable, sort: FileSort): (a: number, b: number) => number {
	if (sort === 'size') return (a, b) => table.size(b) - table.size(a);
	return (a, b) => table.time(b) - table.time(a);
}

/** Names are unpacked once, not for each of the twenty comparisons that a name takes part in. */
async function nameComparer(
	table: FileTable,
	rows: Uint32Array,
	slicer: Slicer,
): Promise<(a: number, b: number) => number> {
	const names = new Array<string>(table.count());
	for (const row of rows) {
		names[row] = table.key(row);
		if (row % 512 === 0) await slicer.pause();
	}
	return (a, b) => compareText(names[a] ?? '', names[b] ?? '');
}

function compareText(a: string, b: string): number {
	return a < b ? -1 : a > b ? 1 : 0;
}
