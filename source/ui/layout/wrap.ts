/** Breaks text into rows. */
import {cellWidth} from '../../lib/width.js';

/** Returns `text` in pieces of at most `width` cells. */
export function wrapCells(text: string, width: number): string[] {
	const pieces: string[] = [];
	let piece = '';
	let cells = 0;
	for (const character of text) {
		const size = cellWidth(character);
		if (cells + size > width) {
			pieces.push(piece);
			piece = '';
			cells = 0;
		}
		piece += character;
		cells += size;
	}
	return piece === '' && pieces.length > 0 ? pieces : [...pieces, piece];
}

/** Breaks between words if possible. */
export function wrapWords(text: string, width: number): string[] {
	const lines: string[] = [];
	let line = '';
	for (const word of text.split(' ')) {
		const joined = line === '' ? word : `${line} ${word}`;
		if (cellWidth(joined) <= width) line = joined;
		else {
			if (line !== '') lines.push(line);
			const pieces = wrapCells(word, Math.max(1, width));
			lines.push(...pieces.slice(0, -1));
			line = pieces.at(-1) ?? '';
		}
	}
	return [...lines, line];
}
