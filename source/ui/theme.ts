/** The style of each tone: the terminal's own 16 colors, so that the user's palette is kept. */
import type {Tone} from './text.js';

export type Look = {
	readonly color?: 'red' | 'green' | 'yellow' | 'cyan';
	readonly bold?: boolean;
	readonly dimColor?: boolean;
};

/**
 * Blue and yellow together with bold red: done and failed differ for color-blind users too, and always by their glyph.
 */
export const theme: Readonly<Record<Tone, Look>> = {
	plain: {},
	quiet: {dimColor: true},
	strong: {bold: true},
	title: {bold: true, color: 'cyan'},
	running: {color: 'cyan'},
	done: {color: 'green'},
	failed: {bold: true, color: 'red'},
	warn: {color: 'yellow'},
	key: {bold: true},
	bar: {color: 'cyan'},
	track: {dimColor: true},
};
