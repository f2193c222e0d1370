import {type Parsed} from './parsed.js';

/**
 * A list on the command line: one CSV record. Double quotes protect commas, `""` is a quote; blanks around items and
 * empty items are dropped.
 */
export function parseCsvRecord(text: string): Parsed<readonly string[]> {
	const items: string[] = [];
	const item = /\s*(?:"((?:[^"]|"")*)"\s*|([^",]*))(,|$)/uy;
	for (;;) {
		const match = item.exec(text);
		if (!match)
			return {problem: `${JSON.stringify(text)} has a double quote that is not closed or stands inside an item`};
		const value = match[1]?.replaceAll('""', '"') ?? (match[2] ?? '').trim();
		if (value !== '') items.push(value);
		if (match[3] === '') return {value: items};
	}
}

/** A list in a config file: `\,` is a comma, `\\` a backslash; blanks around items and empty items are dropped. */
export function parseEscapedList(text: string): readonly string[] {
	const items = text.match(/(?:\\[\s\S]|[^,\\]|\\$)+/g) ?? [];
	return items.map(item => item.replaceAll(/\\([\\,])/g, '$1').trim()).filter(item => item !== '');
}

/** The inverse of `parseEscapedList`, for items without blanks at their ends. */
export function formatEscapedList(items: readonly string[]): string {
	return items.map(item => item.replaceAll(/[\\,]/g, String.raw`\$&`)).join(', ');
}
