/** Looking through the files of a location: which one, in which order, what is marked. */
import type {Console} from '../console.js';
import {shownFiles} from '../files/rows.js';
import {filesHeight, rowsOf} from '../layout/files-screen.js';
import {windowTop} from '../layout/window.js';
import {matcher} from '../layout/job-list.js';
import type {FileCursor} from '../view.js';

export function orderOptions(c: Console) {
	const {grouped, filter, sort, reverse} = c.view().files;
	return {grouped, filter, sort, reverse};
}

export function rearrange(c: Console): void {
	c.files.arrange(orderOptions(c));
}

/** Opens the screen; the first time, or when something has changed there, the location is listed. */
export function enterFiles(c: Console): void {
	c.set({screen: 'files'});
	if (c.files.state() === 'idle') refresh(c);
}

export function refresh(c: Console): void {
	const locations = c.handle.locations();
	const location = locations[c.view().files.location] ?? locations[0];
	c.setFiles({cursor: undefined, top: 0, open: new Set(), marked: new Set()});
	if (location === undefined) return c.say('no location is configured');
	c.files.open(location, orderOptions(c));
}

export function showLocation(c: Console, step: 1 | -1): void {
	const {length} = c.handle.locations();
	if (length < 2) return c.say('there is no other location');
	c.setFiles({location: (c.view().files.location + step + length) % length});
	refresh(c);
}

export function toggleGroups(c: Console): void {
	c.setFiles({grouped: !c.view().files.grouped, cursor: undefined, top: 0});
	rearrange(c);
}

export function cursorRow(c: Console): FileCursor | undefined {
	const rows = rowsOf({files: c.files, view: c.view()});
	return rows.at(rows.positionOf(c.view().files.cursor));
}

/** Space: a file, or all files of a run that the filter shows; then one row on. */
export function mark(c: Console): void {
	const cursor = cursorRow(c);
	if (cursor === undefined) return;
	const rows =
		cursor.file === undefined ? shownFiles(c.files.table(), cursor.run, c.view().files.filter) : [cursor.file];
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
		top: windowTop(c.view().files.top, next, filesHeight(c.size().rows), list.count),
	});
}

export function markAll(c: Console): void {
	const table = c.files.table();
	const {grouped, filter} = c.view().files;
	const passes = matcher(filter);
	const marked = new Set<number>();
	for (let row = 0; row < table.count(); row++) {
		if (grouped && table.isChecksum(row)) continue;
		if (
			passes(table.key(row)) ||
			(grouped && filter !== '' && !filter.startsWith('!') && passes(table.runs[table.run(row)]?.timeText ?? ''))
		)
			marked.add(row);
	}
	c.setFiles({marked});
}

/** The rows that an action is about: those that are marked, or else the one under the cursor. */
export function chosenRows(c: Console): readonly number[] {
	const {marked, filter} = c.view().files;
	if (marked.size > 0) return [...marked].toSorted((a, b) => a - b);
	const cursor = cursorRow(c);
	if (cursor === undefined) return [];
	return cursor.file === undefined ? shownFiles(c.files.table(), cursor.run, filter) : [cursor.file];
}

export function selectedName(c: Console): string | undefined {
	const cursor = cursorRow(c);
	if (cursor === undefined) return undefined;
	return cursor.file === undefined ? c.files.table().runs[cursor.run]?.timeText : c.files.table().key(cursor.file);
}
