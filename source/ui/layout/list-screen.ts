/** What the screens that are one long list have in common. */
import type {Line} from '../text.js';

export type ListScreen = {
	readonly header: readonly Line[];
	readonly list: readonly Line[];
	/** At least one row; more for a reason that needs them. */
	readonly status: readonly Line[];
};

/** Returns the rows of the list when the status has one row. */
export function listHeight(rows: number): number {
	return rows - listHeaderRows(rows) - 2;
}

function listHeaderRows(rows: number): number {
	return rows >= 16 ? 4 : 3;
}
