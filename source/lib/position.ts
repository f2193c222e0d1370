/** Returns `at character 5`: the position of the code unit `index` (from 0) in `text`, counted from 1. */
export function atCharacter(text: string, index: number): string {
	let count = 1;
	for (const character of text.slice(0, index)) if (character !== '') count++;
	return `at character ${count}`;
}
