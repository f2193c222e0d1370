/** Matches texts against the `/` filters. */

/** Returns a test for a part of the text, ignoring case; `!` in front inverts it. */
export function matcher(filter: string): (text: string) => boolean {
	return nameMatcher(filter);
}

/** Returns the same test for something with several names: one of them must match or, inverted, none. */
export function nameMatcher(filter: string): (...names: readonly string[]) => boolean {
	const inverted = filter.startsWith('!');
	const needle = folded(inverted ? filter.slice(1) : filter);
	if (needle === '') return () => true;
	return (...names) => names.some(name => folded(name).includes(needle)) !== inverted;
}

/** Normalizes to composed characters, so that an umlaut matches in both forms. */
function folded(text: string): string {
	const lower = text.toLowerCase();
	return /^[\0-\u007F]*$/.test(lower) ? lower : lower.normalize('NFC');
}
