import {display} from './display.js';

/** Returns a command in shell syntax, on one line, for logs and for copying. It must not contain a secret. */
export function shownCommand(words: readonly string[]): string {
	return words.map(shownWord).join(' ');
}

function shownWord(word: string): string {
	if (/^[\w@%+=:,./-]+$/.test(word)) return word;
	if (display(word) === word) return `'${word.replaceAll("'", String.raw`'\''`)}'`;
	return `$'${Array.from(word, escaped).join('')}'`;
}

/** Escapes for $'…': quotes, and what a terminal does not show, as bytes in octal, which have a fixed length. */
function escaped(character: string): string {
	if (character === "'" || character === '\\') return `\\${character}`;
	if (display(character) === character) return character;
	return Array.from(Buffer.from(character), byte => `\\${byte.toString(8).padStart(3, '0')}`).join('');
}
