/** Formats a text with a mark before it, in as many rows as it needs. Pure. */
import {clean, type Glyphs} from '../glyphs.js';
import {wrapWords} from '../layout/wrap.js';
import {type Line, span, type Tone} from '../text.js';

type Item = {readonly mark: string; readonly tone: Tone | undefined; readonly text: string};

export function itemLines({mark, tone, text}: Item, glyphs: Glyphs, width: number): readonly Line[] {
	return wrapWords(clean(text, glyphs), Math.max(10, width - 2)).map((piece, index): Line => [
		span(`${index === 0 ? mark : ' '} `, tone),
		span(piece, tone === 'failed' || tone === 'warn' ? tone : undefined),
	]);
}
