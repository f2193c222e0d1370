/** Rows of styled text, measured in cells: the result of every pure layout function, drawn by `Row`. */
import {cellWidth, fit} from '../lib/width.js';

/** The meaning of a piece of text; `theme.ts` defines its style. Every tone also has a glyph or a word. */
export type Tone =
	'plain' | 'quiet' | 'strong' | 'title' | 'running' | 'done' | 'failed' | 'warn' | 'key' | 'bar' | 'track';

export type Span = {
	readonly text: string;
	readonly tone?: Tone;
	readonly inverse?: boolean;
	/** The text without colors and inversion. As wide as `text`. */
	readonly plain?: string;
};

/** The cursor in a field. */
export const textCursor: Span = {text: ' ', inverse: true, plain: '_'};

/** One row of the screen. */
export type Line = readonly Span[];

export const blank: Line = [];

const segmenter = new Intl.Segmenter();

/** Returns what a user perceives as characters. */
export function graphemes(text: string): readonly string[] {
	return Array.from(segmenter.segment(text), piece => piece.segment);
}

/** Returns the end of `text` that fits `width` cells, for an input field. */
export function keepEnd(text: string, width: number): string {
	let left = width;
	const pieces = graphemes(text);
	const start = pieces.findLastIndex(piece => (left -= cellWidth(piece)) < 0);
	return pieces.slice(start + 1).join('');
}

export function span(text: string, tone?: Tone): Span {
	return {text, tone};
}

export function lineWidth(line: Line): number {
	return line.reduce((sum, one) => sum + cellWidth(one.text), 0);
}

export function lineText(line: Line): string {
	return line.map(one => one.text).join('');
}

/** Returns `line` in at most `width` cells; truncated text ends with `mark`. */
export function cutLine(line: Line, width: number, mark = '…'): Line {
	let left = width;
	const cut: Span[] = [];
	for (const [index, one] of line.entries()) {
		const cells = cellWidth(one.text);
		const more = index < line.length - 1 && line.slice(index + 1).some(next => next.text !== '');
		if (cells < left || (cells === left && !more)) {
			cut.push(one);
			left -= cells;
			continue;
		}
		if (left > 0)
			cut.push({...one, plain: undefined, text: fit(cells === left ? `${one.text} ` : one.text, left, {mark})});
		break;
	}
	return cut;
}

/** Returns `left` at the left edge and `right` at the right one; the left side is truncated. */
export function spread(left: Line, right: Line, width: number, mark = '…'): Line {
	const room = width - lineWidth(right);
	if (room <= 1) return cutLine(left, width, mark);
	const cut = cutLine(left, room - (right.length > 0 ? 1 : 0), mark);
	return right.length === 0 ? cut : [...cut, span(' '.repeat(room - lineWidth(cut))), ...right];
}

export function sameLine(a: Line, b: Line): boolean {
	return (
		a === b ||
		(a.length === b.length &&
			a.every((one, index) => {
				const other = b[index];
				return one.text === other?.text && one.tone === other.tone && one.inverse === other.inverse;
			}))
	);
}
