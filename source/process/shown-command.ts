/** Returns a command in shell syntax, for logs. It must not contain a secret. */
export function shownCommand(words: readonly string[]): string {
	return words.map(shownWord).join(' ');
}

function shownWord(word: string): string {
	return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
