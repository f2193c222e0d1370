import {type Parsed} from './parsed.js';

const spelling = /^([-+]?)(?:0x((?:_?[\da-f])+)|0o?((?:_?[0-7])+)|0b((?:_?[01])+)|(0|[1-9](?:_?\d)*))$/i;

/** Parses an integer in Go's base-0 syntax: `10`, `-1`, `0x1f`, `0o17`, `017`, `0b1`, `1_000`. */
export function parseInteger(text: string): Parsed<number> {
	const match = spelling.exec(text);
	if (!match) return {problem: `${JSON.stringify(text)} is not a whole number${likelyInteger(text)}`};
	const [, sign, hexadecimal, octal, binary, decimal] = match;
	const size = magnitude([hexadecimal, 16], [octal, 8], [binary, 2], [decimal, 10]);
	if (!Number.isSafeInteger(size)) return {problem: `${text} is too large a number`};
	return {value: sign === '-' && size !== 0 ? -size : size};
}

/** Suggests an integer for `08`, ` 4`, `1,000` and `2.0`. */
function likelyInteger(text: string): string {
	const octal = /^([-+]?)0+([1-9]\d{0,14})$/.exec(text);
	if (octal) return `, did you mean ${octal[1]}${octal[2]}? (a leading 0 means octal)`;
	const [, sign = '', digits = ''] = /^\s*([-+]?)(\d{1,3}(?:[ ,'\u2019]\d{3})*|\d{1,15})(?:\.0*)?\s*$/.exec(text) ?? [];
	return digits === '' ? '' : `, did you mean ${sign}${Number(digits.replaceAll(/\D/g, ''))}?`;
}

function magnitude(...forms: readonly (readonly [digits: string | undefined, base: number])[]): number {
	const [digits = '0', base] = forms.find(([text]) => text !== undefined) ?? ['0', 10];
	return Number.parseInt(digits.replaceAll('_', ''), base);
}

const sizes: Readonly<Record<string, number>> = {'': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40};

/** Parses bytes: `1048576`, `10M`, `1.5G`, `512KiB`. Binary units. */
export function parseBytes(text: string): Parsed<number> {
	const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(text.trim());
	if (!match) {
		const [, number, unit = ''] = /^\s*(\d+(?:\.\d+)?)\s*([kmgt]?)i?(?:b|bytes?|bit)?(?:ps|\/s)?\s*$/i.exec(text) ?? [];
		const suggestion = number === undefined ? '' : `, did you mean ${number}${unit.toUpperCase()}?`;
		return {problem: `${JSON.stringify(text)} is not a size in bytes, such as 1048576 or 10M${suggestion}`};
	}
	const value = Math.round(Number(match[1]) * (sizes[(match[2] ?? '').toLowerCase()] ?? 1));
	return Number.isSafeInteger(value) ? {value} : {problem: `${text} is too large a number`};
}
