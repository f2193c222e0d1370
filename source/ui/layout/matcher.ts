/** What the `/` filters find. */

/** A test for a part of the text, whatever its case; `!` in front inverts. */
export function matcher(filter: string): (text: string) => boolean {
	return nameMatcher(filter);
}

/** The same for something that has several names: one of them must have the text, or, inverted, none. */
export function nameMatcher(filter: string): (...names: readonly string[]) => boolean {
	const inverted = filter.startsWith('!');
	const needle = folded(inverted ? filter.slice(1) : filter);
	if (needle === '') return () => true;
	return (...names) => names.some(name => folded(name).includes(needle)) !== inverted;
}

/** Composed, so that an umlaut is found however it was typed. */
function folded(text: string): string {
	const lower = text.toLowerCase();
	return /^[\0-\u007F]*$/.test(lower) ? lower : lower.normalize('NFC');
}
