/** The rows of the Files screen: dumps; or runs with the dumps of those that are open; or plain names. */
import type {FileCursor} from '../view.js';
import type {FileOrder, RunGroup} from './order.js';
import type {FileTable} from './table.js';

export type FileRows = {
	readonly count: number;
	/** Returns the row at a position; undefined outside. */
	readonly at: (position: number) => FileCursor | undefined;
	/** Returns the position of a row; that of its run if the dump is not shown, and 0 if neither is. */
	readonly positionOf: (cursor: FileCursor | undefined) => number;
};

export function fileRows(table: FileTable, order: FileOrder | undefined, open: ReadonlySet<number>): FileRows {
	if (order === undefined) return {count: 0, at: () => undefined, positionOf: () => 0};
	if (order.list === 'runs') return runRows(table, order, open);
	const {rows, list} = order;
	return {
		count: rows.length,
		at(position) {
			const row = rows[position];
			if (row === undefined) return undefined;
			return list === 'names' ? {file: row} : {dump: row};
		},
		positionOf(cursor) {
			const row = list === 'names' ? cursor?.file : cursor?.dump;
			return Math.max(0, row === undefined ? 0 : rows.indexOf(row));
		},
	};
}

type OpenRun = {readonly run: number; readonly place: number; readonly dumps: readonly number[]};

/** Only open runs have rows of their own: everything between two of them is counted, not walked. */
function runRows(table: FileTable, {rows, runs}: FileOrder, open: ReadonlySet<number>): FileRows {
	const opened = [...open]
		.map((run): OpenRun => ({run, place: rows.indexOf(run), dumps: byName(table, runs.get(run))}))
		.filter(one => one.place >= 0)
		.toSorted((a, b) => a.place - b.place);
	const extra = opened.reduce((sum, one) => sum + one.dumps.length, 0);
	return {
		count: rows.length + extra,
		at(position) {
			let before = 0;
			for (const {run, place, dumps} of opened) {
				const start = place + before;
				if (position <= start) break;
				if (position <= start + dumps.length) return {run, dump: dumps[position - start - 1]};
				before += dumps.length;
			}
			const run = rows[position - before];
			return run === undefined ? undefined : {run};
		},
		positionOf(cursor) {
			if (cursor?.run === undefined) return 0;
			const place = rows.indexOf(cursor.run);
			if (place < 0) return 0;
			const before = opened.filter(one => one.place < place).reduce((sum, one) => sum + one.dumps.length, 0);
			const own = opened.find(one => one.run === cursor.run);
			const within = cursor.dump === undefined || own === undefined ? -1 : own.dumps.indexOf(cursor.dump);
			return place + before + 1 + within;
		},
	};
}

function byName({dumps}: FileTable, group: RunGroup | undefined): readonly number[] {
	return (group?.dumps ?? []).toSorted((a, b) => (dumps.subject(a) < dumps.subject(b) ? -1 : 1));
}
