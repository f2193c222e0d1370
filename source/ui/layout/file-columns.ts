/** Plans the columns of the Files screen for a width, with their headings. */
import {fit} from '../../lib/width.js';
import type {Glyphs} from '../glyphs.js';
import {type Line, span} from '../text.js';
import type {FileSort, FilesView} from '../view.js';
import {gap} from './cells.js';

/** In cells; 0 if the column is hidden. */
export type FileColumns = {
	readonly width: number;
	/** The database, or the time of the run, or the whole name. */
	readonly name: number;
	readonly age: number;
	readonly size: number;
	/** How many dumps a run has. */
	readonly dumps: number;
	readonly format: number;
	readonly encrypted: number;
	readonly state: number;
};

/** Cells for the mark of the cursor, and for the box or the mark of an open run. */
export const margin = 6;
const age = 4;
const size = 9;
const formatWidth = 10;
const encryptedWidth = 4;
const goodState = 16;

/** FORMAT is hidden first, then STATE. */
export function planFileColumns(width: number, list: FilesView['list'], longestName: number): FileColumns {
	const fixed = margin + gap + age + gap + size;
	const none = {width, age, size, dumps: 0, format: 0, encrypted: 0, state: 0};
	if (list === 'names') return {...none, name: Math.max(8, width - fixed)};
	const shortest = Math.min(list === 'runs' ? 25 : 14, Math.max(4, width - fixed));
	let left = width - fixed - shortest;
	const take = (wanted: number, needed = wanted) => {
		if (left < needed + gap) return 0;
		left -= wanted + gap;
		return wanted;
	};
	const dumps = list === 'runs' ? take(6) : 0;
	const encrypted = list === 'dumps' ? take(encryptedWidth) : 0;
	const hasState = left >= 10 + gap;
	if (hasState) left -= gap;
	const format = list === 'dumps' && left - formatWidth - gap >= goodState + 2 ? take(formatWidth) : 0;
	const name = hasState
		? Math.min(Math.max(longestName, shortest), shortest + Math.max(0, left - goodState), 40)
		: shortest + Math.max(0, left);
	return {...none, dumps, encrypted, format, name, state: hasState ? left - (name - shortest) : 0};
}

export function fileHeader(columns: FileColumns, view: FilesView, glyphs: Glyphs): Line {
	const mark = (sort: FileSort, title: string) =>
		view.sort === sort ? `${title}${glyphs.sorted[view.reverse ? 0 : 1]}` : title;
	const right = (title: string, width: number) => (width === 0 ? '' : fit(title, width, {align: 'right'}));
	const left = (title: string, width: number) => (width === 0 ? '' : fit(title, width));
	const name = view.list === 'dumps' ? 'DATABASE' : view.list === 'runs' ? 'RUN' : 'NAME';
	const cells = [
		left(mark('name', name), columns.name),
		right(mark('time', 'AGE'), columns.age),
		right('DUMPS', columns.dumps),
		right(mark('size', 'SIZE'), columns.size),
		left('FORMAT', columns.format),
		left('ENC', columns.encrypted),
		left('STATE', columns.state),
	];
	return [
		span(
			' '.repeat(margin) +
				cells
					.filter(cell => cell !== '')
					.join(' '.repeat(gap))
					.trimEnd(),
			'quiet',
		),
	];
}
