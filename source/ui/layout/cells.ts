/** Cells of a table with columns that may have given way. */
import {fit} from '../../lib/width.js';
import {type Span, span, type Tone} from '../text.js';

/** The cells between two columns. */
export const gap = 2;

type CellOptions = {readonly align?: 'right'; readonly tone?: Tone | undefined; readonly mark?: string};

/** Returns a cell with the gap in front of it; nothing where its column has given way. */
export function cell(text: string, width: number, {align, tone, mark}: CellOptions = {}): Span[] {
	if (width === 0) return [];
	const options = {...(align && {align}), ...(mark !== undefined && {mark})};
	return [span(' '.repeat(gap) + fit(text, width, options), tone)];
}
