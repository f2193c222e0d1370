/**
 * Patterns for names of objects in the syntax of `pg_dump -t` and `-n`: `schema.name`, `*`, `?`, regular expressions
 * such as `[0-9]`, letters folded to lower case, and literal names in double quotes.
 */
import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';

export type ObjectName = {readonly schema: string | undefined; readonly name: string};

/** Returns a function that matches `schema.name`, or a name in any schema. Throws USAGE for a malformed pattern. */
export function objectPattern(pattern: string): (object: ObjectName) => boolean {
	const {sources, isTerminated} = patternSources(pattern, 2);
	if (!isTerminated) throw malformed(pattern);
	const [first, second] = sources.map(source => {
		try {
			return compilePattern(source);
		} catch (error) {
			throw malformed(pattern, error);
		}
	});
	return ({schema, name}) => {
		if (pattern === name || pattern === `${schema ?? ''}.${name}`) return true;
		if (first === undefined) return false;
		return second === undefined ? first.test(name) : first.test(schema ?? '') && second.test(name);
	};
}

/** Returns the regular expression of one source. Throws SyntaxError. */
export function compilePattern(source: string): RegExp {
	return new RegExp(`^(?:${source})$`, 'su');
}

function malformed(pattern: string, cause?: unknown): PgBackError {
	return new PgBackError('USAGE', `malformed pattern ${display(pattern)}`, {
		...(cause !== undefined && {cause}),
		hint: 'a pattern is as for pg_dump -t; write names with other characters than letters, digits and _ in double quotes',
	});
}

/**
 * Returns the sources of regular expressions, one for each part between unquoted dots, at most `most`: the last one
 * contains further dots. `isTerminated` is false when a quote is not closed.
 */
export function patternSources(
	pattern: string,
	most = Infinity,
): {readonly sources: readonly string[]; readonly isTerminated: boolean} {
	const sources = [''];
	let quoted = false;
	const characters = Array.from(pattern);
	for (let at = 0; at < characters.length; at++) {
		const character = characters[at] ?? '';
		const last = sources.length - 1;
		let source = quoted ? escaped(character) : unquoted(character);
		if (character === '"') {
			if (quoted && characters[at + 1] === '"') at++;
			else {
				quoted = !quoted;
				continue;
			}
			source = '"';
		} else if (!quoted && character === '.' && sources.length < most) {
			sources.push('');
			continue;
		}
		sources[last] = (sources[last] ?? '') + source;
	}
	return {sources, isTerminated: !quoted};
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
