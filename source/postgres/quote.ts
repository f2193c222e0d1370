/**
 * Returns an SQL string literal that is correct for any `standard_conforming_strings`. Throws for a NUL, which SQL text
 * cannot contain.
 */
export function literal(text: string): string {
	if (text.includes('\0')) throw new TypeError('SQL text cannot contain a NUL');
	const quoted = `'${text.replaceAll("'", "''")}'`;
	return text.includes('\\') ? `E${quoted.replaceAll('\\', '\\\\')}` : quoted;
}

/** Returns a quoted SQL identifier. */
export function identifier(name: string): string {
	if (name.includes('\0')) throw new TypeError('an SQL name cannot contain a NUL');
	return `"${name.replaceAll('"', '""')}"`;
}
