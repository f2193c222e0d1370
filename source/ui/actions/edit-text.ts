import type {Typed} from '../keys.js';
import {graphemes} from '../text.js';

/** `text` after one key or paste, at most `limit` characters. */
export function editText(text: string, typed: Typed, limit: number): string {
	if (typed.kind === 'key') {
		if (typed.name === 'backspace' || typed.name === 'delete') return graphemes(text).slice(0, -1).join('');
		if (typed.name === 'ctrl-u') return '';
	}
	return graphemes(text + typed.text)
		.slice(0, limit)
		.join('');
}
