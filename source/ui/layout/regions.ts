/** The distribution of the terminal's rows on a list screen. */

export type Regions = {
	/** The title, and what the screen puts below it. */
	readonly header: number;
	/** The names of the columns. */
	readonly columnNames: boolean;
	/** An empty row between header and list. */
	readonly air: boolean;
	readonly list: number;
	/** The newest log lines, under a rule; 0 if there is no space. */
	readonly log: number;
	readonly footer: number;
};

/** Below this width only one line of status is shown. */
export const minColumns = 40;
export const minRows = 8;

export function tooSmall(columns: number, rows: number): boolean {
	return columns < minColumns || rows < minRows;
}

/** `headerRows` is the preferred height of the header, including the title. The sum is never above `rows`. */
export function planRegions(rows: number, headerRows: number): Regions {
	const footer = 1;
	const header = Math.min(headerRows, rows < 12 ? 2 : headerRows);
	const columnNames = rows >= 9;
	const air = rows >= 16;
	const log = rows >= 40 ? 5 : rows >= 28 ? 3 : rows >= 20 ? 2 : 0;
	const logRows = log > 0 ? log + 1 : 0;
	const list = rows - header - (columnNames ? 1 : 0) - (air ? 1 : 0) - logRows - footer;
	return {header, columnNames, air, list: Math.max(1, list), log, footer};
}
