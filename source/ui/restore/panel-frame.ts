import type {Glyphs} from '../glyphs.js';

export type PanelFrame = {
	readonly glyphs: Glyphs;
	readonly now: number;
	readonly width: number;
	readonly height: number;
};
