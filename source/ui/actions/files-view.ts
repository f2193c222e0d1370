/** Browses the files of a location: selects, sorts and marks. */
import type {Console} from '../console.js';
import {dumpMatcher, isShown, type OrderOptions} from '../files/order.js';
import {nameOfRow} from '../layout/file-row.js';
import {rowsOf} from '../layout/files-screen.js';
import {listHeight} from '../layout/list-screen.js';
import {nameMatcher} from '../layout/matcher.js';
import {windowTop} from '../layout/window.js';
import {type FileCursor, fileLists} from '../view.js';

export function orderOptions(c: Console): OrderOptions {
	const {list, filter, sort, reverse} = c.view().files;
	return {list, filter, sort, reverse};
}

export function rearrange(c: Console): void {
	c.files.arrange(orderOptions(c));
}

/** Opens the screen; lists the location the first time, and after changes there. */
export function enterFiles(c: Console): void {
	c.set({screen: 'files'});
	if (c.files.state() === 'idle') refresh(c);
}

export function refresh(c: Console): void {
	const locations = c.files.locations();
	const location = locations[c.view().files.location] ?? locations[0];
	c.setFiles({cursor: undefined, top: 0, open: new Set(), marked: new Set()});
	if (location === undefined) return c.say('no location is configured');
	c.files.open(location, orderOptions(c));
}

export function showLocation(c: Console, step: 1 | -1): void {
	const {length} = c.files.locations();
	if (length < 2) return c.say('there is no other location');
	c.setFiles({location: (c.view().files.location + step + length) % length});
	refresh(c);
}

/** Shows the next list: dumps, runs, names. Marks are kept between the lists of dumps and of runs. */
export function nextList(c: Console): void {
	const {list, marked} = c.view().files;
	const next = fileLists[(fileLists.indexOf(list) + 1) % fileLists.length] ?? 'dumps';
	const isKept = list !== 'names' && next !== 'names';
	c.setFiles({list: next, cursor: undefined, top: 0, marked: isKept ? marked : new Set()});
	if (!isKept && marked.size > 0) c.say('the marks were cleared: those of dumps do not apply to names', 'quiet');
	rearrange(c);
}

export function cursorRow(c: Console): FileCursor | undefined {
	const rows = rowsOf({files: c.files, view: c.view()});
	return rows.at(rows.positionOf(c.view().files.cursor));
}

/** Returns what marking a row marks: the dump, all dumps of the run that the filter shows, or the name. */
function markedBy(c: Console, {run, dump, file}: FileCursor): readonly number[] {
	if (file !== undefined) return [file];
	if (dump !== undefined) return [dump];
	return run === undefined ? [] : (c.files.order()?.runs.get(run)?.dumps ?? []);
}

/** Handles Space: marks or unmarks the row, and moves to the next one. */
export function mark(c: Console): void {
	const cursor = cursorRow(c);
	if (cursor === undefined) return;
	const rows = markedBy(c, cursor);
	const marked = new Set(c.view().files.marked);
	const all = rows.every(row => marked.has(row));
	for (const row of rows) {
		if (all) marked.delete(row);
		else marked.add(row);
	}
	const list = rowsOf({files: c.files, view: c.view()});
	const next = Math.min(list.count - 1, list.positionOf(cursor) + 1);
	c.setFiles({
		marked,
		cursor: list.at(next),
		top: windowTop(c.view().files.top, next, listHeight(c.size().rows), list.count),
	});
}

export function markAll(c: Console): void {
	const table = c.files.table();
	const {list, filter} = c.view().files;
	const marked = new Set<number>();
	if (list === 'names') {
		const passes = nameMatcher(filter);
		for (let row = 0; row < table.count(); row++)
			if (passes(table.key(row), table.dumps.subject(table.dumps.of(row)))) marked.add(row);
	} else {
		const passes = dumpMatcher(table, filter);
		for (let dump = 0; dump < table.dumps.count(); dump++) if (isShown(table, dump) && passes(dump)) marked.add(dump);
	}
	c.setFiles({marked});
}

export type ChosenRows = {
	/** Without checksum files, unless they were chosen by name. */
	readonly rows: readonly number[];
	/** Undefined when names were chosen. */
	readonly dumps?: readonly number[];
};

/** Returns what an action applies to: everything marked, else the row under the cursor. */
export function chosenRows(c: Console): ChosenRows {
	const {marked, list} = c.view().files;
	const cursor = cursorRow(c);
	const chosen =
		marked.size > 0 ? [...marked].toSorted((a, b) => a - b) : cursor === undefined ? [] : markedBy(c, cursor);
	if (list === 'names') return {rows: chosen};
	const table = c.files.table();
	return {
		rows: chosen.flatMap(dump => table.dumps.rows(dump).filter(row => !table.isChecksum(row))),
		dumps: chosen,
	};
}

/** Returns the stored name under the cursor; of a dump the name of its main file. */
export function selectedName(c: Console): string | undefined {
	const cursor = cursorRow(c);
	if (cursor === undefined) return undefined;
	const table = c.files.table();
	if (cursor.dump !== undefined) return table.key(table.dumps.lead(cursor.dump));
	return nameOfRow(table, cursor, run => c.files.order()?.runs.get(run));
}
