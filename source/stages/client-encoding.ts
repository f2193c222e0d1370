/**
 * Client encodings in which the second byte of a character may equal a quote, a backslash or a semicolon. psql masks
 * such bytes before it parses a line, and so does pg_back.
 */

/** Returns the bytes of the character that begins with this byte; 0 when the next byte decides. */
type Width = (first: number) => number;

const pairs: Width = first => (first >= 0x80 ? 2 : 1);
const johab: Width = first => (first === 0x8f ? 3 : pairs(first));
const shiftJis: Width = first => (first >= 0xa1 && first <= 0xdf ? 1 : pairs(first));
const gb18030: Width = first => (first >= 0x80 ? 0 : 1);

/** Keyed by the encoding's name as PostgreSQL compares names: only letters and digits, in lower case. */
const widths: ReadonlyMap<string, Width> = new Map([
	...['big5', 'win950', 'windows950', 'gbk', 'win936', 'windows936', 'uhc', 'win949', 'windows949'].map(
		name => [name, pairs] as const,
	),
	...['sjis', 'shiftjis', 'mskanji', 'win932', 'windows932', 'shiftjis2004'].map(name => [name, shiftJis] as const),
	['johab', johab],
	['gb18030', gb18030],
]);

/** Returns a mask for an encoding that needs one. */
function encodingMask(name: string): EncodingMask | undefined {
	const width = widths.get(name.toLowerCase().replaceAll(/[^a-z0-9]/g, ''));
	return width && new EncodingMask(width);
}

const newline = 0x0a;

/** Masks all bytes of characters after their first. Accepts text in pieces. */
class EncodingMask {
	readonly #width: Width;
	/** Bytes of the current character that are still missing; -1 when the next one decides. */
	#left = 0;

	constructor(width: Width) {
		this.#width = width;
	}

	/** Returns a masked copy of the same length. */
	apply(bytes: Buffer): Buffer {
		const masked = Buffer.from(bytes);
		for (const [at, byte] of bytes.entries()) {
			if (byte === newline) this.#left = 0;
			else if (this.#left === 0) this.#left = this.#width(byte) - 1;
			else {
				masked[at] = 0xff;
				this.#left = this.#left < 0 ? (byte >= 0x30 && byte <= 0x39 ? 2 : 0) : this.#left - 1;
			}
		}
		return masked;
	}
}

/** Tracks settings in the text that change how psql parses it. */
export class TextSettings {
	standardStrings = true;
	mask: EncodingMask | undefined;
	#encoding = 'UTF8';

	/** Handles `SET name = value` for `client_encoding` or `standard_conforming_strings`. */
	set(name: string, value: string): void {
		if (name.toLowerCase() === 'standard_conforming_strings') {
			this.standardStrings = !/^(?:of|off|f|fa|fal|fals|false|n|no|0)$/i.test(value);
			return;
		}
		this.#encoding = value;
		this.mask = encodingMask(value);
	}

	/** Returns statements that restore the settings, to be inserted between two statements. */
	statements(): string {
		return `\nSET standard_conforming_strings = ${this.standardStrings ? 'on' : 'off'};\nSET client_encoding = '${this.#encoding}';\n`;
	}
}
