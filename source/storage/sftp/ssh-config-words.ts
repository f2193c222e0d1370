/** Splits lines of ssh's configuration as OpenSSH does (readconf.c and argv_split of misc.c). */

/** Returns the keyword in lower case, empty for a blank line or a comment, and the rest of the line unchanged. */
export function splitLine(line: string): {readonly keyword: string; readonly rest: string} {
	const text = line.replace(/^[ \t\r\f]+/, '').replace(/[ \t\r\f]+$/, '');
	if (text === '' || text.startsWith('#')) return {keyword: '', rest: ''};
	const [, keyword = '', rest = ''] = /^([^\s="]+)(?:[ \t]*=[ \t]*|[ \t]+|$)(.*)$/s.exec(text) ?? [];
	return {keyword: keyword.toLowerCase(), rest};
}

/**
 * Returns the words of a line: quotes and backslashes are interpreted, a word that begins with `#` ends it. Undefined:
 * a quote is not closed.
 */
export function splitWords(text: string): string[] | undefined {
	const words: string[] = [];
	for (let at = 0; ;) {
		while (isBlank(text[at])) at++;
		if (at >= text.length || text[at] === '#') return words;
		let word = '';
		let quote: string | undefined;
		for (; at < text.length; at++) {
			const char = text[at] ?? '';
			const next = text[at + 1] ?? '';
			if (char === '\\' && isEscapable(next, quote)) word += text[++at] ?? '';
			else if (quote === undefined && isBlank(char)) break;
			else if (quote === undefined && (char === '"' || char === "'")) quote = char;
			else if (char === quote) quote = undefined;
			else word += char;
		}
		if (quote !== undefined) return undefined;
		words.push(word);
	}
}

function isBlank(char: string | undefined): boolean {
	return char === ' ' || char === '\t';
}

/** Returns whether a backslash before `next` is removed. */
function isEscapable(next: string, quote: string | undefined): boolean {
	return ['\\', '"', "'"].includes(next) || (next === ' ' && quote === undefined);
}
