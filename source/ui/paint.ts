/** Formats a row of styled text with terminal codes: one string per row costs Ink a fraction of a tree of texts. */
import {createContext} from 'react';
import type {Line, Span} from './text.js';
import {type Look, theme} from './theme.js';

export type Paint = (line: Line) => string;

/** Without color there are no codes: every meaning also has a glyph or a word. */
export function createPaint(color: boolean): Paint {
	return color ? paintLine : line => line.map(one => one.plain ?? one.text).join('');
}

export const PaintContext = createContext<Paint>(createPaint(false));

const foregrounds: Readonly<Record<NonNullable<Look['color']>, number>> = {red: 31, green: 32, yellow: 33, cyan: 36};

type Codes = {readonly open: string; readonly close: string};

const none: Codes = {open: '', close: ''};

function codesOf({tone = 'plain', inverse = false}: Span): Codes {
	const {bold, dimColor, color} = theme[tone];
	const codes: (readonly [open: number, close: number])[] = [];
	if (bold) codes.push([1, 22]);
	if (dimColor) codes.push([2, 22]);
	if (color !== undefined) codes.push([foregrounds[color], 39]);
	if (inverse) codes.push([7, 27]);
	if (codes.length === 0) return none;
	const sequence = (code: number) => `\u001B[${code}m`;
	return {
		open: codes.map(([open]) => sequence(open)).join(''),
		close: codes.map(([, close]) => sequence(close)).join(''),
	};
}

function paintLine(line: Line): string {
	let painted = '';
	let current = none;
	let inverse = false;
	for (const one of line) {
		// A space looks the same in every tone.
		const next = !one.inverse && !inverse && one.text.trim() === '' ? current : codesOf(one);
		inverse = one.inverse ?? false;
		if (next.open !== current.open) painted += current.close + next.open;
		current = next;
		painted += one.text;
	}
	return painted + current.close;
}
