import {type Parsed} from './parsed.js';

/**
 * Parses a list on the command line: one CSV record. Double quotes protect commas, `""` is a quote; spaces around items
 * and empty items are dropped.
 */
export function parseCsvRecord(text: string): Parsed<readonly string[]> {
	const items: string[] = [];
	const item = /\s*(?:"((?:[^"]|"")*)"\s*|([^",]*))(,|$)/uy;
	for (;;) {
		const match = item.exec(text);
		if (!match) return {problem: `${JSON.stringify(text)} has a double quote that is unterminated or inside an item`};
		const value = match[1]?.replaceAll('""', '"') ?? (match[2] ?? '').trim();
		if (value !== '') items.push(value);
		if (match[3] === '') return {value: items};
	}
}

/** Inverts `parseCsvRecord`, for items that are not empty. */
export function formatCsvRecord(items: readonly string[]): string {
	return items.map(item => (/[",]|^\s|\s$/.test(item) ? `"${item.replaceAll('"', '""')}"` : item)).join(',');
}

/**
 * Parses a list of patterns on the command line. Double quotes are SQL's, and stay in the item: they protect commas too.
 * Spaces around items and empty items are dropped.
 */
export function parsePatternList(text: string): Parsed<readonly string[]> {
	const items: string[] = [];
	const item = /\s*((?:"[^"]*"|[^",])*)(,|$)/uy;
	for (;;) {
		const match = item.exec(text);
		if (!match) return {problem: `${JSON.stringify(text)} has an unterminated double quote`};
		const value = (match[1] ?? '').trim();
		if (value !== '') items.push(value);
		if (match[2] === '') return {value: items};
	}
}

/**
 * Parses a list in a config file: `\,` is a comma, `\\` a backslash; spaces around items and empty items are dropped.
 */
export function parseEscapedList(text: string): readonly string[] {
	const items = text.match(/(?:\\[\s\S]|[^,\\]|\\$)+/g) ?? [];
	return items.map(item => item.replaceAll(/\\([\\,])/g, '$1').trim()).filter(item => item !== '');
}

/** Inverts `parseEscapedList`, for items without spaces at their ends. */
export function formatEscapedList(items: readonly string[]): string {
	return items.map(item => item.replaceAll(/[\\,]/g, String.raw`\$&`)).join(', ');
}
