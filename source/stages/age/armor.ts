import {PgBackError} from '../../core/errors.js';

const begin = '-----BEGIN AGE ENCRYPTED FILE-----';
const end = '-----END AGE ENCRYPTED FILE-----';
const lineLength = 64;
/** Bytes of white space allowed before the first line, as in age(1). */
const mostLeadingSpace = 1024;

const damaged = (what: string) => new PgBackError('CORRUPT', `damaged age armor: ${what}`);

/**
 * Returns true when a file with this first byte can only be armored: a binary file starts with `age-encryption.org`.
 */
export function startsArmor(first: number): boolean {
	return first === 0x2d || isSpace(first);
}

function isSpace(byte: number): boolean {
	return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}

/**
 * Creates a decoder of ASCII armor (strict PEM) that accepts an age file in pieces. Throws CORRUPT at the first invalid
 * byte. `end` must be called, because the last line may have no newline.
 */
export function createDearmor() {
	let rest = '';
	let place: 'before' | 'body' | 'lastLine' | 'after' = 'before';
	let encoded = '';

	const takeLine = (line: string) => {
		if (place === 'before') {
			if (line !== begin) throw new PgBackError('CORRUPT', 'not an age file', {hint: notAgeHint});
			place = 'body';
		} else if (place === 'after') {
			if (line.trim() !== '') throw damaged('text after the last line');
		} else if (line.trimEnd() === end) place = 'after';
		else if (place === 'lastLine') throw damaged('a short line before the end');
		else if (line.length === 0 || line.length > lineLength) throw damaged('a line with the wrong length');
		else {
			if (line.length < lineLength || line.endsWith('=')) place = 'lastLine';
			encoded += line;
		}
	};
	const takeEncoded = (): Uint8Array => {
		const bytes = Buffer.from(encoded, 'base64');
		if (bytes.toString('base64') !== encoded) throw damaged('invalid base64');
		encoded = '';
		return bytes;
	};
	return {
		push(chunk: Uint8Array): Uint8Array {
			rest += Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('latin1');
			if (place === 'before') rest = withoutLeadingSpace(rest);
			const lines = rest.split('\n');
			rest = lines.pop() ?? '';
			for (const line of lines) takeLine(line.endsWith('\r') ? line.slice(0, -1) : line);
			if (rest.length > mostLeadingSpace) takeLine(rest); // rejects it before it grows
			return takeEncoded();
		},
		end(): Uint8Array {
			if (rest !== '') takeLine(rest);
			if (place !== 'after') throw damaged('truncated before its last line');
			return takeEncoded();
		},
	};
}

function withoutLeadingSpace(text: string): string {
	const start = text.search(/[^ \t-\r]/);
	if (start > mostLeadingSpace || (start < 0 && text.length > mostLeadingSpace))
		throw damaged('too much whitespace before it');
	return start <= 0 ? text : text.slice(start);
}

export const notAgeHint = 'an age file starts with age-encryption.org/v1';
