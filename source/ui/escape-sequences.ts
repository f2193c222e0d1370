/** Splits a terminal's input into keys, text and sequences that are not keys (ECMA-48, xterm's ctlseqs). Pure. */

export type Token = {readonly length: number} & (
	| {readonly kind: 'text'; readonly text: string}
	| {readonly kind: 'key'; readonly name: string}
	/** A character that the terminal has sent as a code (modifyOtherKeys, kitty). */
	| {readonly kind: 'character'; readonly text: string}
	| {readonly kind: 'paste start'}
	| {readonly kind: 'dropped'}
);

const esc = '\u001B';
/** Longer than any response of a terminal: it is not a control string. */
const maxString = 64 * 1024;

/** Returns the first token of `bytes` (Latin-1 characters); undefined while it is incomplete. */
export function nextToken(bytes: string): Token | undefined {
	const at = bytes.indexOf(esc);
	if (at === -1) return {kind: 'text', text: bytes, length: bytes.length};
	if (at > 0) return {kind: 'text', text: bytes.slice(0, at), length: at};
	const second = bytes[1];
	if (second === undefined) return undefined;
	switch (second) {
		case esc:
			return afterEscape(bytes);
		case '[':
			return controlSequence(bytes);
		case 'O':
			return singleShift(bytes);
		case ']':
		case 'P':
		case '_':
		case '^':
		case 'X':
			return controlString(bytes);
		default:
			// A control character ends an incomplete sequence, and counts itself.
			if (second < ' ') return dropped(1);
			return bytes.length < altLength(bytes) ? undefined : dropped(altLength(bytes));
	}
}

function dropped(length: number): Token {
	return {kind: 'dropped', length};
}

/** Handles two in a row: the first is a key, unless both begin one sequence (Alt with an arrow in rxvt). */
function afterEscape(bytes: string): Token | undefined {
	const third = bytes[2];
	if (third === undefined) return undefined;
	if (third === '[' || third === 'O') {
		const rest = nextToken(bytes.slice(1));
		return rest && dropped(rest.length + 1);
	}
	return {kind: 'key', name: 'escape', length: 1};
}

/** Returns the length of Alt with a character of one or several bytes. */
function altLength(bytes: string): number {
	const first = bytes.charCodeAt(1);
	return first < 0xc0 ? 2 : first < 0xe0 ? 3 : first < 0xf0 ? 4 : 5;
}

/** Parses CSI: parameters, intermediates, and one final byte. */
function controlSequence(bytes: string): Token | undefined {
	if (bytes[2] === 'M') return bytes.length < 6 ? undefined : dropped(6); // X10 mouse report: three bytes of any value
	if (bytes[2] === '[') return bytes.length < 4 ? undefined : named(`[${bytes[3] ?? ''}`, 4); // function keys of the Linux console
	const index = finalByte(bytes);
	if (index === undefined) return bytes.length > maxString ? dropped(bytes.length) : undefined;
	const code = bytes.charCodeAt(index);
	if (code < 0x20 || code > 0x7e) return dropped(index); // interrupted by an invalid byte
	return meaningOf(bytes.slice(2, index), bytes[index] ?? '', index + 1);
}

/** Returns the end of the sequence, or where it is interrupted; undefined while it is incomplete. */
function finalByte(bytes: string): number | undefined {
	for (let index = 2; index < bytes.length; index++) {
		const code = bytes.charCodeAt(index);
		const isRxvtShift = code === 0x24 && /^\d$/.test(bytes.slice(2, index));
		if (code < 0x20 || code >= 0x40 || isRxvtShift) return index;
	}
	return undefined;
}

function meaningOf(parameters: string, final: string, length: number): Token {
	if (final === '~' && parameters === '200') return {kind: 'paste start', length};
	if (final === 'u') return coded(parameters, 0, length);
	if (final === '~' && parameters.startsWith('27;')) return coded(parameters, 2, length);
	if (/[^\d;:]/.test(parameters)) return dropped(length);
	if (final === 'Z') return {kind: 'key', name: 'backtab', length};
	const [number = '', modifier] = parameters.split(';');
	if (/[~^$@]/.test(final)) return named(number, length);
	return named(modifier === undefined && number !== '' ? '' : final, length);
}

/** Parses SS3: the keypad and F1 to F4. */
function singleShift(bytes: string): Token | undefined {
	const match = /^\u001BO[\d;]*(.)?/s.exec(bytes);
	const final = match?.[1];
	if (match === null || final === undefined) return bytes.length > 16 ? dropped(bytes.length) : undefined;
	if (final < '@' || final > '~') return dropped(match[0].length - 1);
	return named(final === 'M' ? 'enter' : final, match[0].length);
}

/** Parses OSC, DCS, APC, PM, SOS: responses of the terminal, until BEL or ST. */
function controlString(bytes: string): Token | undefined {
	const end = /[\u0003\u0007\u0018\u001A\u001B\u009C]/.exec(bytes.slice(2));
	if (end === null) return bytes.length > maxString ? dropped(bytes.length) : undefined;
	const at = end.index + 2;
	if (end[0] === '\u0003') return dropped(at); // Ctrl-C is never part of a response
	if (end[0] !== esc) return dropped(at + 1);
	if (bytes.length === at + 1) return undefined;
	return dropped(bytes[at + 1] === '\\' ? at + 2 : at);
}

const names: Readonly<Record<string, string>> = {
	A: 'up',
	B: 'down',
	C: 'right',
	D: 'left',
	H: 'home',
	F: 'end',
	a: 'up',
	b: 'down',
	c: 'right',
	d: 'left',
	P: 'f1',
	Q: 'f2',
	'[A': 'f1',
	'[B': 'f2',
	'[E': 'f5',
	'1': 'home',
	'3': 'delete',
	'4': 'end',
	'5': 'pageup',
	'6': 'pagedown',
	'7': 'home',
	'8': 'end',
	'11': 'f1',
	'12': 'f2',
	'15': 'f5',
	enter: 'enter',
};

function named(code: string, length: number): Token {
	const name = Object.hasOwn(names, code) ? names[code] : undefined;
	return name === undefined ? dropped(length) : {kind: 'key', name, length};
}

const codedNames: Readonly<Record<number, string>> = {
	9: 'tab',
	13: 'enter',
	27: 'escape',
	32: 'space',
	127: 'backspace',
};

/** Parses a key as a number with modifiers, a mode that an earlier program may have left enabled. */
function coded(parameters: string, at: number, length: number): Token {
	const fields = parameters.split(';');
	const code = Number.parseInt(fields[at] ?? '', 10);
	const [bits = '1', event = '1'] = (fields[1] ?? '').split(':');
	const modifiers = (Number.parseInt(bits, 10) || 1) - 1;
	if (Number.isNaN(code) || event === '3' || (modifiers & 2) !== 0) return dropped(length); // a release; Alt
	if ((modifiers & 4) !== 0)
		return code >= 97 && code <= 122
			? {kind: 'key', name: `ctrl-${String.fromCharCode(code)}`, length}
			: dropped(length);
	const name = codedNames[code];
	if (code === 9 && (modifiers & 1) !== 0) return {kind: 'key', name: 'backtab', length};
	if (name !== undefined)
		return name === 'space' ? {kind: 'character', text: ' ', length} : {kind: 'key', name, length};
	if (code < 32 || code > 126) return dropped(length);
	const character = String.fromCharCode(code);
	return {kind: 'character', text: (modifiers & 1) !== 0 ? character.toUpperCase() : character, length};
}
