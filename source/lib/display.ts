const hidden =
	/[\u0000-\u001F\u007F-\u009F\u00AD\u034F\u061C\u115F\u1160\u180E\u200B-\u200F\u2028-\u202E\u2060-\u206F\u3164\uFEFF\uFFA0\uFFF0-\uFFFB]|\uDB40[\uDC00-\uDFFF]|[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g;

/**
 * Escapes outside text (names, server messages, remote keys) for a terminal and a log: control characters, bidi
 * controls, invisible characters and lone surrogates become `\xNN` or `\u{N}`. One line stays one line (CWE-150).
 */
export function display(text: string): string {
	return text.replaceAll(hidden, character => {
		const point = character.codePointAt(0) ?? 0;
		const code = point >= 0xdc_80 && point <= 0xdc_ff ? point - 0xdc_00 : point; // a byte that is not UTF-8, see raw-text.ts
		return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
	});
}
