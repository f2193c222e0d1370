/** Finds the end of quoted text, in text that arrives in pieces. Pure. */
import {bytesOf, isIdentifierByte, isIdentifierStart} from './psql-lexis.js';

const {newline, carriageReturn, backslash, quote} = bytesOf;

export type Ending = {
	/** The index up to which the text was parsed. */
	readonly next: number;
	/** True when the quoted text ends there; otherwise it continues, or the next piece decides. */
	readonly closed: boolean;
};

/** Finds the end of a string, with or without backslash escapes; two quotes are one inside it. */
export function endOfString(bytes: Buffer, from: number, escapes: boolean, final: boolean): Ending {
	let at = from;
	while (at < bytes.length) {
		if (!escapes) {
			const found = bytes.indexOf(quote, at);
			if (found === -1) break;
			at = found;
		}
		if (bytes[at] === quote || bytes[at] === backslash) {
			if (at + 1 >= bytes.length && !final) return {next: at, closed: false};
			if (bytes[at] === quote && bytes[at + 1] !== quote) return {next: at + 1, closed: true};
			at += 2;
		} else at++;
	}
	return {next: bytes.length, closed: false};
}

/** Finds the end of a quoted name: two quotes inside it close and reopen it. */
export function endOfName(bytes: Buffer, from: number): Ending {
	const end = bytes.indexOf(bytesOf.doubleQuote, from);
	return end === -1 ? {next: bytes.length, closed: false} : {next: end + 1, closed: true};
}

export function endOfDollarQuote(bytes: Buffer, from: number, tag: Buffer, final: boolean): Ending {
	const end = bytes.indexOf(tag, from);
	if (end !== -1) return {next: end + tag.length, closed: true};
	return {next: final ? bytes.length : Math.max(from, bytes.length - tag.length + 1), closed: false};
}

/** Finds the line break, or the carriage return, which also ends the comment. */
export function endOfLineComment(bytes: Buffer, from: number): Ending {
	const end = bytes.indexOf(newline, from);
	const line = bytes.subarray(from, end === -1 ? undefined : end);
	const stop = line.indexOf(carriageReturn);
	if (stop !== -1) return {next: from + stop, closed: true};
	return end === -1 ? {next: bytes.length, closed: false} : {next: end, closed: true};
}

export type CommentEnding = Ending & {readonly depth: number};

/** Finds the end of a block comment; these nest. */
export function endOfBlockComment(bytes: Buffer, from: number, depth: number, final: boolean): CommentEnding {
	let at = from;
	let open = depth;
	while (at + 1 < bytes.length) {
		const closes = bytes[at] === 0x2a && bytes[at + 1] === 0x2f;
		if (!closes && !(bytes[at] === 0x2f && bytes[at + 1] === 0x2a)) {
			at++;
			continue;
		}
		at += 2;
		open += closes ? -1 : 1;
		if (open === 0) return {next: at, closed: true, depth: 0};
	}
	return {next: final ? bytes.length : at, closed: false, depth: open};
}

/** Returns the index of a line that may be the last of a COPY's rows, starting anywhere in them, or the end. */
export function nextRowsEnd(bytes: Buffer, from: number, final: boolean): number {
	const next = bytes.indexOf('\n\\.', from, 'latin1');
	if (next !== -1) return next + 1;
	return bytes.length > from + 1 && bytes.at(-1) === backslash && !final ? bytes.length - 1 : bytes.length;
}

export type DollarSign = {readonly kind: 'string' | 'parameter' | 'other'; readonly next: number};

/**
 * Parses the text at a dollar sign: a string with its tag, or the parameter of a function. Returns undefined when the
 * next piece decides.
 */
export function dollarSign(bytes: Buffer, at: number, final: boolean): DollarSign | undefined {
	const end = wordEnd(bytes, at + 1);
	if (end >= bytes.length && !final) return undefined;
	const follows = bytes[end] === bytesOf.dollar;
	if (follows && (end === at + 1 || isIdentifierStart(bytes[at + 1] ?? 0))) return {kind: 'string', next: end + 1};
	const number = /^\d+$/.test(bytes.toString('latin1', at + 1, end));
	return {kind: number && !follows ? 'parameter' : 'other', next: end};
}

/** Returns the variable name after a colon, `:` for a second colon. Returns undefined when the next piece decides. */
export function variableAt(bytes: Buffer, at: number, final: boolean): string | undefined {
	if (bytes[at + 1] === 0x3a) return ':';
	const end = wordEnd(bytes, at + 1);
	return end >= bytes.length && !final ? undefined : bytes.toString('latin1', at + 1, Math.min(end, at + 64));
}

function wordEnd(bytes: Buffer, from: number): number {
	let end = from;
	while (end < bytes.length && isIdentifierByte(bytes[end] ?? 0)) end++;
	return end;
}
