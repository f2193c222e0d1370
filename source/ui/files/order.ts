/** Filters and sorts dumps, runs or names. */
import {nameMatcher} from '../layout/matcher.js';
import type {FileList, FileSort} from '../view.js';
import {createSlicer, filterRows, forEachRow, type Slicer, sortRows} from './slices.js';
import type {FileTable} from './table.js';

export type OrderOptions = {
	readonly list: FileList;
	readonly filter: string;
	readonly sort: FileSort;
	readonly reverse: boolean;
};

/** The dumps of a run that pass the filter. The run with an empty id holds the names that belong to none. */
export type RunGroup = {
	readonly id: string;
	/** Milliseconds since the epoch, of its first dump; 0 for foreign names. */
	time: number;
	/** The dump whose name has that time. */
	first: number;
	readonly dumps: number[];
	bytes: number;
	encrypted: number;
	hasChecksums: boolean;
};

/** A finished order; rows that arrived later are not in it yet. */
export type FileOrder = OrderOptions & {
	/** Dumps, runs or rows of the table, according to `list`. */
	readonly rows: Uint32Array;
	/** By number; only for the list of runs. */
	readonly runs: ReadonlyMap<number, RunGroup>;
	/** The number of files that pass the filter; checksum files count only in the list of names. */
	readonly files: number;
	readonly bytes: number;
	/** The number of rows of the table that it includes. */
	readonly seen: number;
};

/** Rejects with the signal's reason when it aborts. */
export async function orderFiles(table: FileTable, options: OrderOptions, signal: AbortSignal): Promise<FileOrder> {
	const slicer = createSlicer(signal);
	const seen = table.count();
	const passes = dumpMatcher(table, options.filter);
	const found =
		options.list === 'names' ? await matchingNames(table, seen, options.filter, slicer) : await matchingDumps();
	const isInOrder = options.list === 'names' && options.sort === 'name' && table.isSorted();
	const sorted = isInOrder
		? found.rows
		: await sortRows(found.rows, await comparer(table, options, found, slicer), slicer);
	return {...options, ...found, rows: options.reverse ? sorted.slice().reverse() : sorted, seen};

	async function matchingDumps(): Promise<Found> {
		const {dumps} = table;
		const runs = new Map<number, RunGroup>();
		let files = 0;
		let bytes = 0;
		const rows = await filterRows(
			dumps.count(),
			dump => {
				if (!isShown(table, dump) || !passes(dump)) return false;
				files += dumps.files(dump);
				bytes += dumps.bytes(dump);
				if (options.list === 'runs') join(table, runs, dump);
				return true;
			},
			slicer,
		);
		return {rows: options.list === 'runs' ? Uint32Array.from(runs.keys()) : rows, runs, files, bytes};
	}
}

type Found = Pick<FileOrder, 'rows' | 'runs' | 'files' | 'bytes'>;

/** Manifests belong to their run, and checksum files to their dump: neither has a row of its own. */
export function isShown({dumps}: FileTable, dump: number): boolean {
	const kind = dumps.kind(dump);
	return kind === 'dump' || kind === 'foreign';
}

/** Matches the stored name, the decoded name, and the time. */
export function dumpMatcher({dumps, key}: FileTable, filter: string): (dump: number) => boolean {
	if (filter === '' || filter === '!') return () => true;
	const passes = nameMatcher(filter);
	return dump => passes(dumps.subject(dump), key(dumps.lead(dump)));
}

async function matchingNames(table: FileTable, count: number, filter: string, slicer: Slicer): Promise<Found> {
	const passes = nameMatcher(filter);
	let files = 0;
	let bytes = 0;
	const rows = await filterRows(
		count,
		row => {
			if (filter !== '' && !passes(table.key(row), table.dumps.subject(table.dumps.of(row)))) return false;
			files++;
			bytes += table.size(row);
			return true;
		},
		slicer,
	);
	return {rows, runs: new Map(), files, bytes};
}

function join({dumps, runs: groups}: FileTable, runs: Map<number, RunGroup>, dump: number): void {
	const run = groups.of(dump);
	const time = dumps.kind(dump) === 'foreign' ? 0 : dumps.time(dump);
	let group = runs.get(run);
	if (group === undefined) {
		group = {id: groups.id(run), time, first: dump, dumps: [], bytes: 0, encrypted: 0, hasChecksums: false};
		runs.set(run, group);
	}
	if (time < group.time) Object.assign(group, {time, first: dump});
	group.dumps.push(dump);
	group.bytes += dumps.bytes(dump);
	if (dumps.isEncrypted(dump)) group.encrypted++;
	group.hasChecksums ||= dumps.hasChecksums(dump);
}

type Compare = (a: number, b: number) => number;

/** Newest first, largest first, names from A. */
async function comparer(table: FileTable, {list, sort}: OrderOptions, {runs}: Found, slicer: Slicer): Promise<Compare> {
	if (list === 'runs') {
		if (sort === 'size') return (a, b) => (runs.get(b)?.bytes ?? 0) - (runs.get(a)?.bytes ?? 0);
		const direction = sort === 'name' ? -1 : 1;
		return (a, b) => direction * ((runs.get(b)?.time ?? 0) - (runs.get(a)?.time ?? 0));
	}
	if (list === 'dumps') return dumpComparer(table, sort, slicer);
	if (sort !== 'name') return largestFirst(sort === 'size' ? table.size : table.time, table.count(), slicer);
	const names = unpacked(table);
	return (a, b) => compareText(names(a), names(b));
}

async function dumpComparer(table: FileTable, sort: FileSort, slicer: Slicer): Promise<Compare> {
	const {dumps} = table;
	if (sort === 'size') return largestFirst(dumps.bytes, dumps.count(), slicer);
	const newest = await largestFirst(dumps.time, dumps.count(), slicer);
	if (sort === 'time') return newest;
	const names = new Array<string | undefined>(dumps.count());
	const name = (dump: number) => (names[dump] ??= dumps.subject(dump) || table.key(dumps.lead(dump)));
	return (a, b) => compareText(name(a), name(b)) || newest(a, b);
}

/** The numbers are copied once, which is faster than a lookup in each comparison. */
async function largestFirst(numberOf: (index: number) => number, count: number, slicer: Slicer): Promise<Compare> {
	const numbers = new Float64Array(count);
	await forEachRow(count, index => (numbers[index] = numberOf(index)), slicer);
	return (a, b) => (numbers[b] ?? 0) - (numbers[a] ?? 0);
}

/** Names are unpacked once, because each takes part in about twenty comparisons. */
function unpacked(table: FileTable): (row: number) => string {
	const names = new Array<string | undefined>(table.count());
	return row => (names[row] ??= table.key(row));
}

function compareText(a: string, b: string): number {
	return a < b ? -1 : a > b ? 1 : 0;
}
