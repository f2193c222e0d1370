/** Converts text that was read one character per byte to the encoding of the archive. */

/** PostgreSQL's names of encodings that TextDecoder names differently. */
const labels: Readonly<Record<string, string>> = {
	UTF8: 'utf-8',
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

/** Returns a decoder. Text that is invalid in the encoding, or in an unknown encoding, stays one character per byte. */
export function decoderFor(encoding: string): (text: string) => string {
	const label = labels[encoding] ?? /^WIN(125\d)$/.exec(encoding)?.[1]?.replace(/^/, 'windows-');
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
