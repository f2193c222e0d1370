import {clean, type Glyphs} from '../glyphs.js';
import {blank, type Line, span} from '../text.js';
import {wrapWords} from './wrap.js';

/** A long command is copied completely, but only its beginning is shown. */
const mostRows = 3;

/** Returns the equivalent command line of a dialog, with an empty row before it; nothing if there is none. */
export function commandLines(command: string | undefined, width: number, glyphs: Glyphs): readonly Line[] {
	if (command === undefined || command === '') return [];
	const pieces = wrapWords(clean(`$ ${command}`, glyphs), Math.max(10, width - 1));
	const shown = pieces.slice(0, mostRows);
	if (pieces.length > shown.length) shown.push(`${shown.pop() ?? ''}${glyphs.cut}`);
	return [blank, ...shown.map((piece): Line => [span(piece, 'quiet')])];
}
