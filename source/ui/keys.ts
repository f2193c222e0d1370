/** What came from the keyboard, as names that the keymap knows. */
import type {Key} from 'ink';

/** Longer than anybody types between two reads: a paste. */
const pasteLength = 16;

export type Typed =
	/** A key with a name: `up`, `ctrl-c`, `G`, `space`, `enter`. `text` is what it puts into a text field. */
	| {readonly kind: 'key'; readonly name: string; readonly text: string}
	/** Many characters at once, without control characters. `enter`: one line, and an Enter right behind it. */
	| {readonly kind: 'paste'; readonly text: string; readonly enter?: true};

export const enter: Typed = {kind: 'key', name: 'enter', text: ''};

const named: readonly (readonly [keyof Key, string])[] = [
	['upArrow', 'up'],
	['downArrow', 'down'],
	['leftArrow', 'left'],
	['rightArrow', 'right'],
	['pageUp', 'pageup'],
	['pageDown', 'pagedown'],
	['home', 'home'],
	['end', 'end'],
	['return', 'enter'],
	['escape', 'escape'],
	['backspace', 'backspace'],
	['delete', 'delete'],
];

/** Ink gives one key, or a run of characters that arrived together: fast typing, or a paste. */
export function readKeys(input: string, key: Key): readonly Typed[] {
	if (key.tab) return [pressed(key.shift ? 'backtab' : 'tab')];
	const name = named.find(([flag]) => key[flag] === true)?.[1];
	if (name !== undefined) return [pressed(name)];
	if (key.ctrl) return [pressed(`ctrl-${input}`)];
	// Alt with a key is no key of ours; as a plain letter it could do harm.
	if (key.meta || input === '') return [];
	if (input.length > pasteLength) {
		const text = input.replaceAll(/[\u0000-\u001F\u007F]+/g, ' ').trim();
		return [{kind: 'paste', text, ...(/^[^\r\n]*(?:\r\n?|\n)$/.test(input) && {enter: true})}];
	}
	return Array.from(input, character => fromCharacter(character));
}

function pressed(name: string): Typed {
	return {kind: 'key', name, text: ''};
}

const controls: Readonly<Record<string, string>> = {
	'\r': 'enter',
	'\n': 'enter',
	'\t': 'tab',
	'\u001B': 'escape',
	' ': 'space',
	'\u007F': 'backspace',
	'\b': 'backspace',
};

function fromCharacter(character: string): Typed {
	const name = controls[character];
	if (name !== undefined) return {kind: 'key', name, text: name === 'space' ? ' ' : ''};
	const code = character.codePointAt(0) ?? 0;
	if (code < 32) return pressed(`ctrl-${String.fromCharCode(code + 96)}`);
	return {kind: 'key', name: character, text: character};
}
