import {display} from '../lib/display.js';
import {hasRawBytes} from '../lib/raw-text.js';

/**
 * Returns an SQL string literal that is correct for any `standard_conforming_strings`. Throws for a NUL, which SQL text
 * cannot contain.
 */
export function literal(text: string): string {
	if (text.includes('\0')) throw new TypeError('SQL text cannot contain a NUL');
	const quoted = `'${text.replaceAll("'", "''")}'`;
	return text.includes('\\') ? `E${quoted.replaceAll('\\', '\\\\')}` : quoted;
}

const token = /"(?:[^"]|"")*"|[Ee]'(?:[^'\\]|\\[^]|'')*'|'(?:[^']|'')*'|[^"'Ee]+|[^]/g;

/**
 * Returns a statement on one line, to be printed and typed: what a terminal does not show is escaped as in SQL. Bytes that
 * are not text cannot be typed, and stay as they are.
 */
export function typeable(statement: string): string {
	return statement.replaceAll(token, part => {
		if (display(part) === part) return part;
		const doubled = part.replaceAll('\\', '\\\\');
		if (part.startsWith('"')) return `U&${withEscapes(doubled, {four: '\\', more: '\\+', digits: 6})}`;
		if (part.startsWith("'")) return `E${withEscapes(doubled, stringEscapes)}`;
		return /^[Ee]'/.test(part) ? withEscapes(part, stringEscapes) : part.replaceAll(/\s/g, ' ');
	});
}

/** The beginnings of escapes with four digits, and with `digits`. */
type Escapes = {readonly four: string; readonly more: string; readonly digits: number};

const stringEscapes: Escapes = {four: String.raw`\u`, more: String.raw`\U`, digits: 8};

function withEscapes(text: string, {four, more, digits}: Escapes): string {
	return Array.from(text, character => {
		if (display(character) === character || hasRawBytes(character)) return character;
		const hex = (character.codePointAt(0) ?? 0).toString(16);
		return hex.length > 4 ? `${more}${hex.padStart(digits, '0')}` : `${four}${hex.padStart(4, '0')}`;
	}).join('');
}

/** Returns a quoted SQL identifier. */
export function identifier(name: string): string {
	if (name.includes('\0')) throw new TypeError('an SQL name cannot contain a NUL');
	return `"${name.replaceAll('"', '""')}"`;
}
