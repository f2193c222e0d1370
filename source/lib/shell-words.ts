import {type Parsed} from './parsed.js';
import {atCharacter} from './position.js';

const blank = /\s/u;

/**
 * Splits a command into words like a shell, without any expansion: spaces separate, `'…'` is literal, in `"…"` a
 * backslash escapes `"` and `\`, outside quotes it makes the next character literal. `''` is an empty word.
 */
export function splitWords(text: string): Parsed<readonly string[]> {
	const words: string[] = [];
	let word: string | undefined;
	let quote = '';
	let opened = 0;
	const notClosed = () => ({problem: `unterminated quote that begins ${atCharacter(text, opened)}`});
	for (let index = 0; index < text.length; index++) {
		const character = text.charAt(index);
		if (quote === "'" || (quote === '"' && character !== '\\')) {
			if (character === quote) quote = '';
			else word = (word ?? '') + character;
		} else if (character === '\\') {
			const next = text.charAt(++index);
			if (next === '')
				return quote === '' ? {problem: `trailing backslash ${atCharacter(text, index - 1)}`} : notClosed();
			word = (word ?? '') + unescaped(next, quote);
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

/** Returns the meaning of a backslash and `next`: between double quotes it escapes only `"` and itself. */
function unescaped(next: string, quote: string): string {
	return quote === '' || next === '"' || next === '\\' ? next : `\\${next}`;
}

/** Inverts `splitWords`. */
export function joinWords(words: readonly string[]): string {
	return words
		.map(word => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`))
		.join(' ');
}

const runsCommands =
	/^(?:(?:ba|da|z|k|a|fi)?sh|busybox|ssh|env|sudo|su|runuser|docker|podman|kubectl|nsenter|chroot|timeout)$/;

/**
 * Returns syntax that only a shell interprets, such as `$(` or `|`: outside of quotes, or an expansion in double
 * quotes. Undefined when there is none, or when the command itself starts a shell that receives the content of the
 * double quotes.
 */
export function shellSyntax(text: string): string | undefined {
	const program = /^\s*(?:\S*\/)?([^\s/]+)/.exec(text)?.[1] ?? '';
	let quote = '';
	for (let index = 0; index < text.length; index++) {
		const character = text.charAt(index);
		const rest = text.slice(index);
		if (quote === "'") {
			if (character === "'") quote = '';
		} else if (character === '\\') index++;
		else if (character === '"') quote = quote === '' ? '"' : '';
		else if (quote === '"') {
			const [expansion] = /^(?:\$[({]|\$\w|`)/.exec(rest) ?? [];
			if (expansion !== undefined && !runsCommands.test(program)) return expansion;
		} else if (character === "'") quote = "'";
		else {
			const isStart = index === 0 || blank.test(text.charAt(index - 1));
			const [sign] = /^(?:\$[({]?|`|\|\|?|&&?|;|<\(?|>>?|[()*?])/.exec(rest) ?? [];
			if (sign !== undefined) return sign;
			if (character === '~' && isStart) return '~';
		}
	}
	return undefined;
}
