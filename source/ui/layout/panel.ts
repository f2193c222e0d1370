import type {Line} from '../text.js';

/** The contents of a dialog, without its box. */
export type Panel = {
	readonly title: string;
	readonly lines: readonly Line[];
	readonly keys: string;
	/** Uses all rows; else only as many as its text. */
	readonly tall: boolean;
};
