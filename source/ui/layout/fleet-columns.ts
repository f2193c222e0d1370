/** Plans the columns of the Fleet screen for a width, with their headings. */
import {fit} from '../../lib/width.js';
import type {Glyphs} from '../glyphs.js';
import {type Line, span} from '../text.js';
import type {FleetSort, FleetView} from '../view.js';
import {cell, gap} from './cells.js';

/** In cells; 0 if the column is hidden. */
export type FleetColumns = {
	readonly width: number;
	readonly name: number;
	readonly databases: number;
	/** The age of the oldest good dump, and its database. */
	readonly oldest: number;
	readonly last: number;
	readonly size: number;
	readonly proven: number;
	readonly reasons: number;
};

/** Cells for the marks of the cursor and of the verdict. */
export const margin = 4;
const widths = {name: 8, databases: 5, oldest: 6, last: 19, size: 8, proven: 7, reasons: 20} as const;
/** Cells that a name needs to be legible; it gets more only when all columns fit. */
const legible = 14;
const most = {name: 32, oldest: 24} as const;
/** Below this width the database of the oldest good dump is not shown, only its age. */
export const oldestWithName = 12;

export type Longest = {readonly name: number; readonly oldest: number};

/** REASON is hidden first, then PROVEN, SIZE and DBS; then LAST BACKUP is cut. */
export function planFleetColumns(width: number, longest: Longest): FleetColumns {
	const last = Math.max(4, Math.min(widths.last, width - margin - widths.name - widths.oldest - 2 * gap));
	let left = Math.max(0, width - margin - widths.name - widths.oldest - last - 2 * gap);
	const grow = (from: number, to: number) => {
		const more = Math.max(0, Math.min(left, to - from));
		left -= more;
		return from + more;
	};
	const take = (wanted: number) => {
		if (left < wanted + gap) return 0;
		left -= wanted + gap;
		return wanted;
	};
	let name = grow(widths.name, Math.min(longest.name, legible));
	const databases = take(widths.databases);
	const size = databases === 0 ? 0 : take(widths.size);
	const proven = size === 0 ? 0 : take(widths.proven);
	name = grow(name, Math.min(longest.name, most.name));
	const whole = Math.max(oldestWithName, Math.min(longest.oldest, most.oldest));
	const oldest = left < whole - widths.oldest ? widths.oldest : grow(widths.oldest, whole);
	return {width, name, databases, oldest, last, size, proven, reasons: left < widths.reasons + gap ? 0 : left - gap};
}

export function fleetHeader(columns: FleetColumns, view: FleetView, glyphs: Glyphs): Line {
	const mark = (sort: FleetSort, title: string) =>
		view.sort === sort ? `${title}${glyphs.sorted[view.reverse ? 0 : 1]}` : title;
	return [
		span(`${' '.repeat(margin)}${fit(mark('name', 'SERVER'), columns.name)}`, 'quiet'),
		...cell('DBS', columns.databases, {align: 'right', tone: 'quiet'}),
		...cell(mark('age', columns.oldest < oldestWithName ? 'OLDEST' : 'OLDEST GOOD'), columns.oldest, {tone: 'quiet'}),
		...cell('LAST BACKUP', columns.last, {tone: 'quiet'}),
		...cell(mark('size', 'SIZE'), columns.size, {align: 'right', tone: 'quiet'}),
		...cell(mark('proven', 'PROVEN'), columns.proven, {align: 'right', tone: 'quiet'}),
		...cell(mark('state', 'REASON'), columns.reasons, {tone: 'quiet'}),
	];
}
