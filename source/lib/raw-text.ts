/**
 * Text that may hold bytes that are not UTF-8, such as names and comments that all databases of a server share. Each
 * such byte is a lone surrogate, U+DC80 to U+DCFF, which no valid UTF-8 contains; both directions are exact.
 */
import {isUtf8} from 'node:buffer';

/** Without a high surrogate before it, which would make it a part of a character. */
const rawByte = /(?<![\uD800-\uDBFF])[\uDC80-\uDCFF]/g;

export function hasRawBytes(text: string): boolean {
	return text.search(rawByte) !== -1;
}

export function decodeRaw(bytes: Buffer): string {
	if (isUtf8(bytes)) return bytes.toString();
	const pieces: string[] = [];
	for (let at = 0; at < bytes.length;) {
		const length = validLength(bytes, at);
		pieces.push(
			length === 0 ? String.fromCharCode(0xdc_00 + (bytes[at] ?? 0)) : bytes.toString('utf8', at, at + length),
		);
		at += length || 1;
	}
	return pieces.join('');
}

/** Returns the bytes from `at` that are valid: a run of ASCII or one character; 0 if the first byte is not valid. */
function validLength(bytes: Buffer, at: number): number {
	let end = at;
	while ((bytes[end] ?? 0x80) < 0x80) end++;
	if (end > at) return end - at;
	const first = bytes[at] ?? 0;
	const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
	return at + length <= bytes.length && isUtf8(bytes.subarray(at, at + length)) ? length : 0;
}

export function encodeRaw(text: string): Buffer {
	if (!hasRawBytes(text)) return Buffer.from(text);
	const pieces: Buffer[] = [];
	let at = 0;
	for (const {index, 0: character} of text.matchAll(rawByte)) {
		pieces.push(Buffer.from(text.slice(at, index)), Buffer.from([character.charCodeAt(0) - 0xdc_00]));
		at = index + 1;
	}
	return Buffer.concat([...pieces, Buffer.from(text.slice(at))]);
}
