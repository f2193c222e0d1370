/**
 * Patterns for names of objects in the syntax of `pg_dump -t` and `-n`: `schema.name`, `*`, `?`, double quotes, lower
 * case without them.
 */

export type ObjectName = {readonly schema: string | undefined; readonly name: string};

/** Returns a function that matches `schema.name`, or a name in any schema. */
export function objectPattern(pattern: string): (object: ObjectName) => boolean {
	const parts = splitPattern(pattern);
	const [first, second] = parts.map(part => new RegExp(`^(?:${part})$`, 'su'));
	return ({schema, name}) => {
		if (pattern === name || pattern === `${schema ?? ''}.${name}`) return true;
		if (first === undefined) return false;
		return second === undefined ? first.test(name) : first.test(schema ?? '') && second.test(name);
	};
}

/** Returns the sources of regular expressions, one for each part between unquoted dots. */
function splitPattern(pattern: string): readonly string[] {
	const parts = [''];
	let quoted = false;
	const characters = Array.from(pattern);
	for (let at = 0; at < characters.length; at++) {
		const character = characters[at] ?? '';
		const last = parts.length - 1;
		let source = escaped(quoted ? character : character.toLowerCase());
		if (character === '"') {
			if (quoted && characters[at + 1] === '"') at++;
			else {
				quoted = !quoted;
				continue;
			}
			source = '"';
		} else if (!quoted && character === '*') source = '.*';
		else if (!quoted && character === '?') source = '.';
		else if (!quoted && character === '.' && parts.length === 1) {
			parts.push('');
			continue;
		}
		parts[last] = (parts[last] ?? '') + source;
	}
	return parts;
}

function escaped(character: string): string {
	return character.replaceAll(/[\\^$.*+?()[\]{}|/]/gu, String.raw`\$&`);
}
