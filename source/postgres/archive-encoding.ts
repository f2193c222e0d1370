/** Converts text that was read one character per byte to the encoding of the archive. */
import {isUtf8} from 'node:buffer';

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
 * Returns a function for names of roles, databases and tablespaces, and for comments and settings of databases. All
 * databases of a server share their bytes, which are usually UTF-8, but pg_dump reads them in the encoding of its
 * database: in a LATIN1 database the role `jörg` is `jÃ¶rg`. Text that is not UTF-8 in this way is returned as it is.
 */
export function sharedTextDecoder(databaseEncoding: string): (text: string) => string {
	if (databaseEncoding === 'UTF8') return text => text;
	const decode = decoderFor(databaseEncoding);
	let bytes: ReadonlyMap<string, number> | undefined;
	return text => {
		if (/^[\u0000-\u007F]*$/.test(text)) return text;
		bytes ??= new Map(Array.from({length: 256}, (_, byte) => [decode(String.fromCharCode(byte)), byte]));
		const original = Buffer.alloc(text.length);
		for (let index = 0; index < text.length; index++) {
			const byte = bytes.get(text.charAt(index));
			if (byte === undefined) return text;
			original[index] = byte;
		}
		return isUtf8(original) ? original.toString() : text;
	};
}

/** Decodes the text of a script by the client encoding that it sets; text that is UTF-8 is taken for that. */
export function decodeScript(bytes: Buffer): string {
	if (isUtf8(bytes)) return bytes.toString();
	const text = bytes.toString('latin1');
	return decoderFor(/^SET client_encoding = '([^']+)'/m.exec(text)?.[1] ?? 'UTF8')(text);
}
