/** The characters to draw, in two sets: one for terminals with Unicode, and ASCII for all others. */
import {display} from '../lib/display.js';

export type Glyphs = {
	readonly ascii: boolean;
	readonly waiting: string;
	readonly running: string;
	readonly done: string;
	readonly failed: string;
	readonly cancelled: string;
	/** A stage that ended because another one failed. */
	readonly stopped: string;
	readonly notAsked: string;
	readonly pointer: string;
	readonly closed: string;
	readonly open: string;
	readonly full: string;
	readonly empty: string;
	/** Eighths of a cell, smallest first. */
	readonly parts: readonly string[];
	readonly rule: string;
	readonly cut: string;
	readonly arrow: string;
	readonly dot: string;
	readonly mask: string;
	readonly spinner: readonly string[];
	readonly upDown: string;
	readonly sorted: readonly [up: string, down: string];
	readonly box: {readonly corners: readonly [string, string, string, string]; readonly side: string};
};

export const unicodeGlyphs: Glyphs = {
	ascii: false,
	waiting: '·',
	running: '●',
	done: '✓',
	failed: '✗',
	cancelled: '■',
	stopped: '■',
	notAsked: '–',
	pointer: '▸',
	closed: '+',
	open: '-',
	full: '█',
	empty: '░',
	parts: ['▏', '▎', '▍', '▌', '▋', '▊', '▉'],
	rule: '─',
	cut: '…',
	arrow: '→',
	dot: '·',
	mask: '•',
	spinner: ['⠋', '⠙', '⠸', '⠴', '⠦', '⠇'],
	upDown: '↑↓',
	sorted: ['▴', '▾'],
	box: {corners: ['╭', '╮', '╰', '╯'], side: '│'},
};

export const asciiGlyphs: Glyphs = {
	ascii: true,
	waiting: '.',
	running: '*',
	done: '+',
	failed: '!',
	cancelled: 'x',
	stopped: 'x',
	notAsked: '-',
	pointer: '>',
	closed: '+',
	open: '-',
	full: '#',
	empty: '.',
	parts: [],
	rule: '-',
	cut: '~',
	arrow: '->',
	dot: '|',
	mask: '*',
	spinner: ['|', '/', '-', '\\'],
	upDown: 'up/down',
	sorted: ['^', 'v'],
	box: {corners: ['+', '+', '+', '+'], side: '|'},
};

/** Escapes outside text for this terminal: no control characters, and nothing that an ASCII terminal cannot show. */
export function clean(text: string, glyphs: Glyphs): string {
	const safe = display(text);
	return glyphs.ascii ? safe.replaceAll(/[^ -~]/gu, '?') : safe;
}
