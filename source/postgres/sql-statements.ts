/**
 * Splits SQL that pg_dump and pg_dumpall write for roles, databases and privileges into statements and their tokens.
 */
import {PgBackError} from '../core/errors.js';
import {literal} from './quote.js';

export type Token = {
	readonly kind: 'word' | 'name' | 'string' | 'symbol';
	/** A word in upper case, a quoted name or string without its quotes, or the symbol. */
	readonly value: string;
	/** The original text. */
	readonly text: string;
	readonly start: number;
};

export type Statement = {readonly text: string; readonly tokens: readonly Token[]};

const space = /[ \t\n\r\f\v]+/y;
const lineComment = /--[^\n]*/y;
const word = /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y;
const name = /"((?:[^"]|"")*)"/y;
const plainString = /'((?:[^']|'')*)'/y;
const escapeString = /[eE]'((?:[^'\\]|''|\\[^])*)'/y;
const dollarQuote = /\$([A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/y;
const numeral = /\d+(?:\.\d+)?/y;
/** psql's meta-commands that pg_dump writes between statements. */
const metaCommand = /\\(?:connect|restrict|unrestrict)[^\n]*/y;

export type SplitOptions = {
	/**
	 * The `standard_conforming_strings` at the beginning of the text, which may change it. If given, strings with
	 * backslashes are rewritten, so that the statements can be executed with any value of it. Otherwise the text of a
	 * statement is the original, and backslashes are taken for ordinary characters.
	 */
	readonly standardStrings?: boolean;
};

/** Throws CORRUPT for truncated text, or text that pg_dump does not write. */
export function splitStatements(text: string, {standardStrings}: SplitOptions = {}): readonly Statement[] {
	const statements: Statement[] = [];
	let standard = standardStrings;
	let tokens: Token[] = [];
	/** The statement up to `copied`. */
	let statement = '';
	let copied = 0;
	let at = 0;
	const match = (pattern: RegExp): RegExpExecArray | undefined => {
		pattern.lastIndex = at;
		return pattern.exec(text) ?? undefined;
	};
	const add = (kind: Token['kind'], value: string, length: number) => {
		if (tokens.length === 0) [statement, copied] = ['', at];
		const original = text.slice(at, at + length);
		const isBackslashed = standard !== undefined && original.startsWith("'") && original.includes('\\');
		const real = isBackslashed && !standard ? unescape(original.slice(1, -1)) : value;
		statement += text.slice(copied, at);
		const token = {kind, value: real, text: isBackslashed ? literal(real) : original, start: statement.length};
		tokens.push(token);
		statement += token.text;
		at += length;
		copied = at;
	};
	while (at < text.length) {
		const blank = match(space) ?? match(lineComment);
		if (blank) at += blank[0].length;
		else if (text.startsWith('/*', at)) at = endOfComment(text, at);
		else if (tokens.length === 0 && text[at] === '\\') {
			const command = match(metaCommand);
			if (!command) throw malformed(`the psql command ${text.slice(at, at + 20)}`);
			at += command[0].length;
		} else if (text[at] === ';') {
			if (tokens.length > 0) statements.push({text: statement + text.slice(copied, at), tokens});
			if (standard !== undefined) standard = settingOf(tokens) ?? standard;
			tokens = [];
			at++;
		} else {
			const [kind, value, length] = nextToken(text, at, match);
			add(kind, value, length);
		}
	}
	if (tokens.length > 0) throw malformed('an unterminated statement');
	return statements;
}

/** Returns the value of `SET standard_conforming_strings = off`. */
function settingOf([set, name, , value]: readonly Token[]): boolean | undefined {
	if (set?.value !== 'SET' || name?.value !== 'STANDARD_CONFORMING_STRINGS' || !value) return undefined;
	return value.value.toLowerCase() !== 'off';
}

/** Splits one entry of an archive, which may lack its last semicolon. Returns none for text that pg_dump does not write. */
export function statementsOfEntry(text: string): readonly Statement[] {
	try {
		return splitStatements(text.trimEnd().endsWith(';') ? text : `${text};`);
	} catch (error) {
		if (error instanceof PgBackError) return []; // reported when it is loaded
		throw error;
	}
}

function nextToken(
	text: string,
	at: number,
	match: (pattern: RegExp) => RegExpExecArray | undefined,
): [Token['kind'], string, number] {
	const escaped = match(escapeString);
	if (escaped) return ['string', unescape(escaped[1] ?? ''), escaped[0].length];
	const quoted = match(plainString);
	if (quoted) return ['string', (quoted[1] ?? '').replaceAll("''", "'"), quoted[0].length];
	const named = match(name);
	if (named) return ['name', (named[1] ?? '').replaceAll('""', '"'), named[0].length];
	const dollar = match(dollarQuote);
	if (dollar) {
		const end = text.indexOf(dollar[0], at + dollar[0].length);
		if (end === -1) throw malformed('an unterminated string');
		return ['string', text.slice(at + dollar[0].length, end), end + dollar[0].length - at];
	}
	const plain = match(word);
	// PostgreSQL folds names to lower case; keywords are compared in upper case.
	if (plain) return ['word', plain[0].toUpperCase(), plain[0].length];
	const number = match(numeral);
	if (number) return ['symbol', number[0], number[0].length];
	const character = text[at] ?? '';
	if (character === "'" || character === '"') throw malformed('an unterminated string');
	// No operator contains it, and psql would run what follows.
	if (character === '\\') throw malformed('a backslash outside of a string');
	return ['symbol', character, character.length];
}

function endOfComment(text: string, from: number): number {
	let depth = 0;
	for (let at = from; at < text.length; at++) {
		if (text.startsWith('/*', at)) {
			depth++;
			at++;
		} else if (text.startsWith('*/', at)) {
			depth--;
			at++;
			if (depth === 0) return at + 1;
		}
	}
	throw malformed('an unterminated comment');
}

const escapes: Readonly<Record<string, string>> = {b: '\b', f: '\f', n: '\n', r: '\r', t: '\t'};

function unescape(text: string): string {
	return text.replaceAll(/''|\\([^])/g, (_, character: string | undefined) =>
		character === undefined ? "'" : (escapes[character] ?? character),
	);
}

function malformed(what: string): PgBackError {
	return new PgBackError('CORRUPT', `SQL that cannot be read: ${what}`);
}

/** Returns the name that a token represents; words are folded like in PostgreSQL. Undefined for other tokens. */
export function nameOf(token: Token | undefined): string | undefined {
	if (token?.kind === 'name') return token.value;
	if (token?.kind !== 'word') return undefined;
	return token.text.replaceAll(/[A-Z]/g, letter => letter.toLowerCase());
}

/** Returns false for text in which psql would replace one of its variables. */
export function isPlain({tokens}: Statement): boolean {
	return !tokens.some(token => token.kind === 'symbol' && token.value === ':');
}

/** Returns true when the statement begins with these words. */
export function begins({tokens}: Statement, ...words: readonly string[]): boolean {
	return words.every((one, index) => tokens[index]?.kind === 'word' && tokens[index].value === one);
}

/** Returns the names of a comma-separated list from a token on, without PUBLIC and the noise word GROUP. */
export function namesFrom(tokens: readonly Token[], from: number): readonly string[] {
	const names: string[] = [];
	for (let at = from; ; at++) {
		if (tokens[at]?.kind === 'word' && tokens[at]?.value === 'GROUP') at++;
		const found = nameOf(tokens[at]);
		if (found === undefined) return names;
		// No role can be called public: for the server it is PUBLIC in quotes, too.
		if (found !== 'public' && (tokens[at]?.kind === 'name' || !notRoles.has(tokens[at]?.value ?? '')))
			names.push(found);
		if (tokens[at + 1]?.value !== ',') return names;
		at++;
	}
}

const notRoles: ReadonlySet<string> = new Set(['PUBLIC', 'CURRENT_USER', 'SESSION_USER', 'CURRENT_ROLE']);

/** Returns the last index of a word outside of parentheses. */
export function lastIndexOfWord(tokens: readonly Token[], wanted: string): number {
	let depth = 0;
	return tokens.reduce((found, token, index) => {
		if (token.value === '(' && token.kind === 'symbol') depth++;
		if (token.value === ')' && token.kind === 'symbol') depth--;
		return depth === 0 && token.kind === 'word' && token.value === wanted ? index : found;
	}, -1);
}
