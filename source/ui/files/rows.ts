/** The rows of the Files screen: runs, and the files of those that are open; or plain names. */
import {matcher} from '../layout/job-list.js';
import type {FileCursor} from '../view.js';
import type {FileOrder} from './order.js';
import type {FileTable} from './table.js';

export type FileRows = {
	readonly count: number;
	/** The row at a position; undefined outside. */
	readonly at: (position: number) => FileCursor | undefined;
	/** Where a row is shown; its run's place when the file is not, and 0 when nothing of it is. */
	readonly positionOf: (cursor: FileCursor | undefined) => number;
};

/** The files of a run that the filter shows. */
export function shownFiles(table: FileTable, run: number, filter: string): readonly number[] {
	const group = table.runs[run];
	if (group === undefined) return [];
	const passes = matcher(filter);
	if (filter === '' || (!filter.startsWith('!') && passes(group.timeText))) return group.files;
	return group.files.filter(row => passes(table.key(row)));
}

export function fileRows(table: FileTable, order: FileOrder | undefined, open: ReadonlySet<number>): FileRows {
	if (order === undefined) return {count: 0, at: () => undefined, positionOf: () => 0};
	const {rows, filter} = order;
	if (!order.grouped) {
		return {
			count: rows.length,
			at: position => {
				const file = rows[position];
				return file === undefined ? undefined : {run: table.run(file), file};
			},
			positionOf: cursor => Math.max(0, cursor?.file === undefined ? 0 : rows.indexOf(cursor.file)),
		};
	}
	// Only open runs have rows of their own: everything between two of them is counted, not walked.
	const opened = [...open]
		.map(run => ({run, place: rows.indexOf(run), files: shownFiles(table, run, filter)}))
		.filter(one => one.place >= 0)
		.toSorted((a, b) => a.place - b.place);
	const extra = opened.reduce((sum, one) => sum + one.files.length, 0);
	return {
		count: rows.length + extra,
		at(position) {
			let before = 0;
			for (const {run, place, files} of opened) {
				const start = place + before;
				if (position <= start) break;
				if (position <= start + files.length) return {run, file: files[position - start - 1]};
				before += files.length;
			}
			const run = rows[position - before];
			return run === undefined ? undefined : {run};
		},
		positionOf(cursor) {
			if (cursor === undefined) return 0;
			const place = rows.indexOf(cursor.run);
			if (place < 0) return 0;
			const before = opened.filter(one => one.place < place).reduce((sum, one) => sum + one.files.length, 0);
			const own = opened.find(one => one.run === cursor.run);
			const within = cursor.file === undefined || own === undefined ? -1 : own.files.indexOf(cursor.file);
			return place + before + 1 + within;
		},
	};
}
