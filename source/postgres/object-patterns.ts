/**
 * Patterns for names of objects in the syntax of `pg_dump -t` and `-n`: `schema.name`, `*`, `?`, regular expressions
 * such as `[0-9]`, lower case, and names in double quotes, which stand for themselves.
 */
import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';

export type ObjectName = {readonly schema: string | undefined; readonly name: string};

/** Returns a function that matches `schema.name`, or a name in any schema. Throws USAGE for a malformed pattern. */
export function objectPattern(pattern: string): (object: ObjectName) => boolean {
	const [first, second] = splitPattern(pattern).map(part => compile(part, pattern));
	return ({schema, name}) => {
		if (pattern === name || pattern === `${schema ?? ''}.${name}`) return true;
		if (first === undefined) return false;
		return second === undefined ? first.test(name) : first.test(schema ?? '') && second.test(name);
	};
}

function compile(part: string, pattern: string): RegExp {
	try {
		return new RegExp(`^(?:${part})$`, 'su');
	} catch (error) {
		throw malformed(pattern, error);
	}
}

function malformed(pattern: string, cause?: unknown): PgBackError {
	return new PgBackError('USAGE', `malformed pattern ${display(pattern)}`, {
		...(cause !== undefined && {cause}),
		hint: 'a pattern is as for pg_dump -t; write names with other characters than letters, digits and _ in double quotes',
	});
}

/** Returns the sources of regular expressions, one for each part between unquoted dots. */
function splitPattern(pattern: string): readonly string[] {
	const parts = [''];
	let quoted = false;
	const characters = Array.from(pattern);
	for (let at = 0; at < characters.length; at++) {
		const character = characters[at] ?? '';
		const last = parts.length - 1;
		let source = quoted ? escaped(character) : unquoted(character);
		if (character === '"') {
			if (quoted && characters[at + 1] === '"') at++;
			else {
				quoted = !quoted;
				continue;
			}
			source = '"';
		} else if (!quoted && character === '.' && parts.length === 1) {
			parts.push('');
			continue;
		}
		parts[last] = (parts[last] ?? '') + source;
	}
	if (quoted) throw malformed(pattern);
	return parts;
}

/** As psql does: the rest of a regular expression keeps its meaning. */
function unquoted(character: string): string {
	if (character === '*') return '.*';
	if (character === '?') return '.';
	return '.$/'.includes(character) ? `\\${character}` : character.toLowerCase();
}

function escaped(character: string): string {
	return character.replaceAll(/[\\^$.*+?()[\]{}|/]/gu, String.raw`\$&`);
}
