/** Formats cells of a table with columns that may be hidden. */
import {fit} from '../../lib/width.js';
import {type Span, span, type Tone} from '../text.js';

/** The number of cells between two columns. */
export const gap = 2;

type CellOptions = {readonly align?: 'right'; readonly tone?: Tone | undefined; readonly mark?: string};

/** Returns a cell with the gap before it; nothing if its column is hidden. */
export function cell(text: string, width: number, {align, tone, mark}: CellOptions = {}): Span[] {
	if (width === 0) return [];
	const options = {...(align && {align}), ...(mark !== undefined && {mark})};
	return [span(' '.repeat(gap) + fit(text, width, options), tone)];
}
