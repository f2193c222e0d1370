/** Converts text that was read one character per byte to the encoding of the archive. */
import {isUtf8} from 'node:buffer';
import {decodeRaw, encodeRaw, hasRawBytes} from '../lib/raw-text.js';

/** PostgreSQL's names of encodings that TextDecoder names differently. */
const labels: Readonly<Record<string, string>> = {
	UTF8: 'utf-8',
	SQL_ASCII: 'utf-8',
	WIN866: 'ibm866',
	WIN874: 'windows-874',
	KOI8R: 'koi8-r',
	KOI8U: 'koi8-u',
	EUC_JP: 'euc-jp',
	EUC_JIS_2004: 'euc-jp',
	EUC_KR: 'euc-kr',
	UHC: 'euc-kr',
	EUC_CN: 'gbk',
	GBK: 'gbk',
	GB18030: 'gb18030',
	BIG5: 'big5',
	SJIS: 'shift_jis',
	LATIN2: 'iso-8859-2',
	LATIN3: 'iso-8859-3',
	LATIN4: 'iso-8859-4',
	LATIN5: 'windows-1254',
	LATIN6: 'iso-8859-10',
	LATIN7: 'iso-8859-13',
	LATIN8: 'iso-8859-14',
	LATIN9: 'iso-8859-15',
	LATIN10: 'iso-8859-16',
	ISO_8859_5: 'iso-8859-5',
	ISO_8859_6: 'iso-8859-6',
	ISO_8859_7: 'iso-8859-7',
	ISO_8859_8: 'iso-8859-8',
};

function labelOf(encoding: string): string | undefined {
	return labels[encoding] ?? /^WIN(125\d)$/.exec(encoding)?.[1]?.replace(/^/, 'windows-');
}

/** Returns false for encodings that only PostgreSQL knows. In LATIN1 each byte is the character of that number. */
export function isDecodable(encoding: string): boolean {
	return encoding === 'LATIN1' || labelOf(encoding) !== undefined;
}

/** Returns a decoder. Text that is invalid in the encoding, or in an unknown encoding, stays one character per byte. */
export function decoderFor(encoding: string): (text: string) => string {
	const label = labelOf(encoding);
	if (label === undefined) return text => text;
	const decoder = new TextDecoder(label, {fatal: true, ignoreBOM: true});
	return text => {
		if (/^[\u0000-\u007F]*$/.test(text)) return text;
		try {
			return decoder.decode(Buffer.from(text, 'latin1'));
		} catch {
			return text; // invalid in the encoding
		}
	};
}

/**
 * Returns a function for names of roles, databases and tablespaces. All databases of a server share their bytes, which
 * are usually UTF-8, but pg_dump reads them in the encoding of its database: in a LATIN1 database the role `jörg` is
 * `jÃ¶rg`. Text that is not UTF-8 in this way is returned as it is.
 */
export function sharedTextDecoder(databaseEncoding: string): (text: string) => string {
	if (databaseEncoding === 'UTF8') return text => text;
	const bytesOf = singleBytes(databaseEncoding);
	return text => {
		if (/^[\u0000-\u007F]*$/.test(text)) return text;
		const original = bytesOf(text);
		return original && isUtf8(original) ? original.toString() : text;
	};
}

/** Returns a function that encodes text in an encoding of one byte for each character; undefined for any other. */
function singleBytes(encoding: string): (text: string) => Buffer | undefined {
	const decode = decoderFor(encoding);
	let bytes: ReadonlyMap<string, number> | undefined;
	return text => {
		bytes ??= new Map(Array.from({length: 256}, (_, byte) => [decode(String.fromCharCode(byte)), byte]));
		const original = Buffer.alloc(text.length);
		for (let index = 0; index < text.length; index++) {
			const byte = bytes.get(text.charAt(index));
			if (byte === undefined) return undefined;
			original[index] = byte;
		}
		return original;
	};
}

/**
 * Returns functions for the definition of the database itself, which is shared text too. `decode` keeps every byte, see
 * `decodeRaw`; its text is read one character per byte. Only when pg_dump has converted it from an encoding with longer
 * characters are the original bytes unknown: then it is the converted text. `legible` returns the name of a role as
 * `sharedTextDecoder` does.
 */
export function definitionDecoder(
	archiveEncoding: string,
	databaseEncoding: string,
): {readonly decode: (text: string) => string; readonly legible: (name: string) => string} {
	const decodeArchive = decoderFor(archiveEncoding);
	const decodeDatabase = decoderFor(databaseEncoding);
	const bytesOf = singleBytes(databaseEncoding);
	const isConverted =
		archiveEncoding !== databaseEncoding && ![archiveEncoding, databaseEncoding].includes('SQL_ASCII');
	return {
		decode(text) {
			if (!isConverted) return decodeRaw(Buffer.from(text, 'latin1'));
			const converted = decodeArchive(text);
			const original = bytesOf(converted);
			return original ? decodeRaw(original) : converted;
		},
		legible: name => (hasRawBytes(name) ? decodeDatabase(encodeRaw(name).toString('latin1')) : name),
	};
}

/**
 * Decodes the text of a script by the client encoding that it sets; text that is UTF-8 is taken for that. Bytes that are
 * invalid in the encoding stay as they are, see `decodeRaw`: one name or comment must not change how others are read.
 */
export function decodeScript(bytes: Buffer): string {
	if (isUtf8(bytes)) return bytes.toString();
	const text = bytes.toString('latin1');
	const encoding = /^SET client_encoding = '([^']+)'/m.exec(text)?.[1] ?? 'UTF8';
	const decoded = encoding === 'UTF8' || encoding === 'SQL_ASCII' ? text : decoderFor(encoding)(text);
	return decoded === text && encoding !== 'LATIN1' ? decodeRaw(bytes) : decoded;
}
