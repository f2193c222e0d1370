/** The times of groups in rows of six bytes, with the number of what else is known of each (shapes.ts). */
import {createColumn} from '../lib/columns.js';
import {formatTimestamp} from '../lib/time.js';
import type {ParsedName} from './names.js';
import {createNumberIndex, type NumberIndex} from './number-index.js';
import type {Shapes} from './shapes.js';

export type TimeRows = {
	readonly size: () => number;
	/** Returns the row with the time of a name. */
	readonly find: (parsed: ParsedName) => number | undefined;
	/** Adds the time of a name, which no row has. */
	readonly add: (parsed: ParsedName) => number;
	/** Milliseconds since the epoch. */
	readonly timeOf: (row: number) => number;
	/** Returns the text of the time in the names. */
	readonly textOf: (row: number) => string;
	readonly shapeOf: (row: number) => number;
	readonly setShape: (row: number, shape: number) => void;
	/** Returns true when each row has a later time than the one before, as in a listing that is sorted by name. */
	readonly isAscending: () => boolean;
};

export function createTimeRows(shapes: Shapes): TimeRows {
	/** Since the epoch. */
	const seconds = createColumn('integer');
	const shapeIds = createColumn('short');
	/** Times that no number gives back: outside of 1970 to 2106, or local in the hour that clocks repeat. */
	const odd = new Map<number, Pick<ParsedName, 'time' | 'timeText'>>();
	const oddRows = new Map<string, number>();
	let size = 0;
	let isAscending = true;
	/** Needed when the rows are not ascending. */
	let index: NumberIndex | undefined;

	const secondOf = (row: number) => seconds.get(row);
	const shapeOf = (row: number) => shapeIds.get(row);

	function indexed(): NumberIndex {
		const made = createNumberIndex(secondOf);
		for (let row = 0; row < size; row++) if (!odd.has(row)) made.put(row);
		return made;
	}

	return {
		size: () => size,

		find({time, timeText}) {
			const second = time / 1000;
			if (size === 0) return undefined;
			if (!isNumber(second, timeText)) return oddRows.get(timeText);
			const zone = zoneIn(timeText);
			const has = (row: number) => secondOf(row) === second && shapes.at(shapeOf(row)).zone === zone && !odd.has(row);
			if (has(size - 1)) return size - 1;
			if (!isAscending) return (index ??= indexed()).find(second, has);
			const row = firstNotBelow(secondOf, size, second);
			return row < size && has(row) ? row : undefined;
		},

		add({time, timeText}) {
			const row = size++;
			const second = time / 1000;
			if (isNumber(second, timeText)) {
				if (row > 0 && second <= secondOf(row - 1)) isAscending = false;
				seconds.set(row, second);
				shapeIds.set(row, shapes.empty(zoneIn(timeText)));
				index?.put(row);
				return row;
			}
			// A copy: a slice of a page's text would keep the whole page in memory.
			const copy = Buffer.from(timeText).toString();
			isAscending = false;
			odd.set(row, {time, timeText: copy});
			oddRows.set(copy, row);
			shapeIds.set(row, shapes.empty(localZone));
			return row;
		},

		timeOf: row => odd.get(row)?.time ?? secondOf(row) * 1000,
		textOf: row => odd.get(row)?.timeText ?? formatSecond(secondOf(row), shapes.at(shapeOf(row)).zone),
		shapeOf,
		setShape: (row, shape) => shapeIds.set(row, shape),
		isAscending: () => isAscending,
	};
}

/** Returns the first row whose number is not below `number`. */
function firstNotBelow(numberOf: (row: number) => number, size: number, number: number): number {
	let low = 0;
	let high = size;
	while (low < high) {
		const middle = (low + high) >>> 1;
		if (numberOf(middle) < number) low = middle + 1;
		else high = middle;
	}
	return low;
}

/** Returns whether the second and the zone give the text back. */
function isNumber(second: number, timeText: string): boolean {
	if (!Number.isInteger(second) || second < 0 || second > 0xff_ff_ff_ff) return false;
	return timeText.charAt(10) === 'T' || formatSecond(second, localZone) === timeText;
}

const localZone = '';

/** Returns what follows the clock in the time of a name: `Z`, `+02:00`, or nothing for a local time. */
function zoneIn(timeText: string): string {
	return timeText.charAt(10) === 'T' ? timeText.slice(19) : localZone;
}

function formatSecond(second: number, zone: string): string {
	if (zone === localZone) return formatTimestamp(new Date(second * 1000), 'legacy');
	const minutes = zone === 'Z' ? 0 : Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4, 6));
	const east = zone.startsWith('-') ? -minutes : minutes;
	return new Date((second + east * 60) * 1000).toISOString().slice(0, 19) + zone;
}
