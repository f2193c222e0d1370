/** What a user types to confirm names: as they are shown, or as a list on the command line. Pure. */
import {formatCsvRecord, parseCsvRecord} from './comma-list.js';
import {display} from './display.js';

/** Returns the text to type. One line: control characters are escaped. */
export function textToType(names: readonly string[]): string {
	const [only, ...others] = names;
	// Quotes show spaces at the ends of a name.
	const isPlain = others.length === 0 && only?.trim() === only;
	return display(isPlain ? (only ?? '') : formatCsvRecord(names));
}

/** Returns whether exactly these names were typed, in any order. */
export function isConfirmed(typed: string, names: readonly string[]): boolean {
	const [only, ...others] = names;
	if (only === undefined) return false;
	if (others.length === 0 && (typed === only || typed.trim() === only)) return true;
	if (typed.trim() === textToType(names)) return true;
	return isSameSet(parseCsvRecord(typed).value ?? [], names);
}

export function isSameSet(some: readonly string[], names: readonly string[]): boolean {
	return some.length === names.length && names.every(name => some.includes(name));
}
