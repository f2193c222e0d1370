/** An SQL string literal, right whatever `standard_conforming_strings` says. Throws for a NUL, which no SQL text can hold. */
export function literal(text: string): string {
	if (text.includes('\0')) throw new TypeError('an SQL text cannot hold a NUL');
	const quoted = `'${text.replaceAll("'", "''")}'`;
	return text.includes('\\') ? `E${quoted.replaceAll('\\', '\\\\')}` : quoted;
}

/** A quoted SQL identifier. */
export function identifier(name: string): string {
	if (name.includes('\0')) throw new TypeError('an SQL name cannot hold a NUL');
	return `"${name.replaceAll('"', '""')}"`;
}
