/**
 * Compiles file name patterns like Go's path.Match: `*` matches any characters except `/`, `?` one character except
 * `/`, `[a-z]` and `[^a]` one character in or not in the class, `\` quotes the next one. The whole name must match.
 */

type Step =
	| {readonly kind: 'one'}
	| {readonly kind: 'class'; readonly negated: boolean; readonly ranges: readonly Range[]}
	| Literal;
type Literal = {readonly kind: 'literal'; readonly character: string};
type Range = readonly [low: number, high: number];
/** Steps of fixed length between two stars. */
type Chunk = readonly Step[];

/**
 * Returns undefined when the pattern is malformed (an unclosed class, an empty one, a trailing backslash). Matching
 * takes at most length × length steps.
 */
export function compileGlob(pattern: string): ((name: string) => boolean) | undefined {
	const chunks = parse(Array.from(pattern));
	return chunks && (name => matches(chunks, Array.from(name)));
}

/** Returns the pattern that matches only this name. */
export function literalGlob(name: string): string {
	return name.replaceAll(/[\\*?[\]]/g, String.raw`\$&`);
}

function parse(pattern: readonly string[]): Chunk[] | undefined {
	const chunks: Step[][] = [[]];
	let index = 0;
	/** Parses a character of a class, possibly escaped; special characters must be escaped. */
	const member = (): number | undefined => {
		let character = pattern[index++];
		if (character === '-' || character === ']') return undefined;
		if (character === '\\') character = pattern[index++];
		return character?.codePointAt(0);
	};
	while (index < pattern.length) {
		const character = pattern[index++];
		if (character === '*') chunks.push([]);
		else if (character === '?') chunks.at(-1)?.push({kind: 'one'});
		else if (character === '[') {
			const negated = pattern[index] === '^';
			if (negated) index++;
			const ranges: Range[] = [];
			while (ranges.length === 0 || pattern[index] !== ']') {
				const low = member();
				if (low === undefined) return undefined;
				let high: number | undefined = low;
				if (pattern[index] === '-') {
					index++;
					high = member();
				}
				if (high === undefined || index >= pattern.length) return undefined;
				ranges.push([low, high]);
			}
			index++;
			chunks.at(-1)?.push({kind: 'class', negated, ranges});
		} else {
			const literal = character === '\\' ? pattern[index++] : character;
			if (literal === undefined) return undefined;
			chunks.at(-1)?.push({kind: 'literal', character: literal});
		}
	}
	return chunks;
}

/** Matches each chunk at the first possible place, the last one at the end: no later choice can be better. */
function matches(chunks: readonly Chunk[], name: readonly string[]): boolean {
	const [first = [], ...rest] = chunks;
	if (!fits(first, name, 0)) return false;
	let position = first.length;
	for (const [index, chunk] of rest.entries()) {
		if (index === rest.length - 1) {
			const end = name.length - chunk.length;
			return end >= position && !name.slice(position, end).includes('/') && fits(chunk, name, end);
		}
		while (!fits(chunk, name, position)) if (position >= name.length || name[position++] === '/') return false;
		position += chunk.length;
	}
	return position === name.length;
}

function fits(chunk: Chunk, name: readonly string[], position: number): boolean {
	return (
		position + chunk.length <= name.length && chunk.every((step, index) => accepts(step, name[position + index] ?? ''))
	);
}

function accepts(step: Step, character: string): boolean {
	if (step.kind === 'one') return character !== '/';
	if (step.kind === 'literal') return step.character === character;
	const code = character.codePointAt(0) ?? 0;
	return step.ranges.some(([low, high]) => low <= code && code <= high) !== step.negated;
}
