import {type Parsed} from './parsed.js';
import {atCharacter} from './position.js';

const blank = /\s/u;

/**
 * Splits a command into words as a shell does, without any expansion: blanks separate, `'…'` is literal, in `"…"` a
 * backslash escapes `"` and `\`, outside quotes it makes the next character literal. `''` is an empty word.
 */
export function splitWords(text: string): Parsed<readonly string[]> {
	const words: string[] = [];
	let word: string | undefined;
	let quote = '';
	let opened = 0;
	const notClosed = () => ({problem: `a quotation is not closed that opens ${atCharacter(text, opened)}`});
	for (let index = 0; index < text.length; index++) {
		const character = text.charAt(index);
		if (quote === "'" || (quote === '"' && character !== '\\')) {
			if (character === quote) quote = '';
			else word = (word ?? '') + character;
		} else if (character === '\\') {
			if (index + 1 === text.length)
				return quote === '' ? {problem: `nothing follows the backslash ${atCharacter(text, index)}`} : notClosed();
			const next = text.charAt(++index);
			word = (word ?? '') + (quote === '"' && next !== '"' && next !== '\\' ? `\\${next}` : next);
		} else if (character === "'" || character === '"') {
			quote = character;
			opened = index;
			word ??= '';
		} else if (blank.test(character)) {
			if (word !== undefined) words.push(word);
			word = undefined;
		} else {
			word = (word ?? '') + character;
		}
	}
	if (quote !== '') return notClosed();
	if (word !== undefined) words.push(word);
	return {value: words};
}

/** The inverse of `splitWords`. */
export function joinWords(words: readonly string[]): string {
	return words
		.map(word => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`))
		.join(' ');
}
