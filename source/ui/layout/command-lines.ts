import {clean, type Glyphs} from '../glyphs.js';
import {blank, type Line, span} from '../text.js';
import {wrapWords} from './wrap.js';

/** A command with a thousand names is copied whole, and shown in its beginning. */
const mostRows = 3;

/** The command line that does what a dialog asks about, with a row before it; nothing where there is none. */
export function commandLines(command: string | undefined, width: number, glyphs: Glyphs): readonly Line[] {
	if (command === undefined || command === '') return [];
	const pieces = wrapWords(clean(`$ ${command}`, glyphs), Math.max(10, width - 1));
	const shown = pieces.slice(0, mostRows);
	if (pieces.length > shown.length) shown.push(`${shown.pop() ?? ''}${glyphs.cut}`);
	return [blank, ...shown.map((piece): Line => [span(piece, 'quiet')])];
}
