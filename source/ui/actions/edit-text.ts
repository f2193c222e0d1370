import {graphemes} from '../text.js';
import type {Typed} from '../typed-keys.js';

/** Returns `text` after one key or paste, at most `limit` characters. */
export function editText(text: string, typed: Typed, limit: number): string {
	if (typed.kind === 'key') {
		if (typed.name === 'backspace' || typed.name === 'delete') return graphemes(text).slice(0, -1).join('');
		if (typed.name === 'ctrl-u') return '';
	}
	return graphemes(text + (typed.kind === 'paste' ? oneLine(typed.text) : typed.text))
		.slice(0, limit)
		.join('');
}

/**
 * Replaces line breaks and other control characters of a paste by spaces. Surrounding spaces are kept: they may belong
 * to a passphrase.
 */
function oneLine(text: string): string {
	return text.replaceAll(/[\u0000-\u001F\u007F]+/g, ' ');
}
