/** Keyboard input, as names that the keymap uses. */

/** Longer than anyone types between two reads: a paste, on a terminal that does not mark pastes. */
const pasteLength = 16;
/** Fewer different characters than this are held keys that arrived together after a stall. */
const pasteVariety = 4;

export type Typed =
	/** A key with a name: `up`, `ctrl-c`, `G`, `space`, `enter`. `text` is its text in a text field. */
	| {readonly kind: 'key'; readonly name: string; readonly text: string}
	/** Many characters at once. `enter`: one line of an unmarked paste, followed by an Enter. */
	| {readonly kind: 'paste'; readonly text: string; readonly enter?: true};

export const enter: Typed = {kind: 'key', name: 'enter', text: ''};

export function pressed(name: string): Typed {
	return {kind: 'key', name, text: ''};
}

/** Characters that arrived together without marks: typed keys, held keys, or a paste. */
export function keysOfRun(run: string): readonly Typed[] {
	// A key such as Ctrl-U that a program or a slow line sends together with a long text is still a key.
	const first = /^[\u0001-\u001A]/.test(run) && !/^\s/.test(run) ? run.charAt(0) : '';
	return [...(first === '' ? [] : [fromCharacter(first)]), ...keysOrPaste(run.slice(first.length))];
}

function keysOrPaste(run: string): readonly Typed[] {
	const characters = Array.from(run);
	if (characters.length > pasteLength && new Set(characters).size >= pasteVariety && !run.includes('\u0003')) {
		const line = /^([^\r\n]*)(?:\r\n?|\n)$/.exec(run)?.[1];
		return [line === undefined ? pasted(run) : {...pasted(line), enter: true}];
	}
	return characters.map(character => fromCharacter(character));
}

/** A marked paste: text, whatever it contains. A final line break is not part of the text. */
export function pasted(text: string): Typed & {readonly kind: 'paste'} {
	return {kind: 'paste', text: text.replaceAll(/\r\n?/g, '\n').replace(/\n$/, '')};
}

const controls: Readonly<Record<string, string>> = {
	'\r': 'enter',
	'\n': 'enter',
	'\t': 'tab',
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
