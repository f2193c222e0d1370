/** A command as a shell would take it, for logs. Nothing secret may be in it. */
export function shownCommand(words: readonly string[]): string {
	return words.map(shownWord).join(' ');
}

function shownWord(word: string): string {
	return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
