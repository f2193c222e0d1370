/** Lists of rows, stored as links between the rows. Each row is in one list. */
import {createColumn} from '../../lib/columns.js';

export type RowLists = {
	readonly count: () => number;
	/** Starts a list with a row, and returns its number. */
	readonly start: (row: number) => number;
	readonly append: (list: number, row: number) => void;
	/** Returns the list of the row. */
	readonly of: (row: number) => number;
	readonly first: (list: number) => number;
	/** Returns the rows in the order in which they were added. */
	readonly rows: (list: number) => readonly number[];
};

export function createRowLists(): RowLists {
	let count = 0;
	const listOf = createColumn('integer');
	/** By row: the next row of the same list plus one. */
	const next = createColumn('integer');
	const first = createColumn('integer');
	const last = createColumn('integer');
	return {
		count: () => count,
		start(row) {
			first.set(count, row);
			last.set(count, row);
			listOf.set(row, count);
			return count++;
		},
		append(list, row) {
			next.set(last.get(list), row + 1);
			last.set(list, row);
			listOf.set(row, list);
		},
		of: listOf.get,
		first: first.get,
		rows(list) {
			const rows: number[] = [];
			for (let at = first.get(list) + 1; at !== 0; at = next.get(at - 1)) rows.push(at - 1);
			return rows;
		},
	};
}
