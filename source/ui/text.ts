/** Rows of styled text, measured in cells: what every pure layout function returns and `Row` draws. */
import {cellWidth, fit} from '../lib/width.js';

/** What a piece of text means; `theme.ts` says how it looks. Every tone is doubled by a glyph or a word. */
export type Tone =
	'plain' | 'quiet' | 'strong' | 'title' | 'running' | 'done' | 'failed' | 'warn' | 'key' | 'bar' | 'track';

export type Span = {
	readonly text: string;
	readonly tone?: Tone;
	readonly inverse?: boolean;
	/** What stands there where there are no colours and nothing is reversed. As wide as `text`. */
	readonly plain?: string;
};

/** Where the next character goes in a field. */
export const textCursor: Span = {text: ' ', inverse: true, plain: '_'};

/** One row of the screen. */
export type Line = readonly Span[];

export const blank: Line = [];

const segmenter = new Intl.Segmenter();

/** What a person takes for characters. */
export function graphemes(text: string): readonly string[] {
	return Array.from(segmenter.segment(text), piece => piece.segment);
}

/** The end of `text` that fits `width` cells: what one sees of a text while typing it. */
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

/** `line` in at most `width` cells; what is cut ends with `mark`. */
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

/** `left` at the left edge and `right` at the right one; the left side gives way. */
export function spread(left: Line, right: Line, width: number, mark = '…'): Line {
	const room = width - lineWidth(right);
	if (room <= 1) return cutLine(left, width, mark);
	const cut = cutLine(left, room - (right.length > 0 ? 1 : 0), mark);
	return right.length === 0 ? cut : [...cut, span(' '.repeat(room - lineWidth(cut))), ...right];
}

/** `line` filled to `width` and drawn in reverse, for the row under the cursor. */
export function highlight(line: Line, width: number): Line {
	const padding = Math.max(0, width - lineWidth(line));
	return [...line, span(' '.repeat(padding))].map(one => ({...one, inverse: true}));
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
