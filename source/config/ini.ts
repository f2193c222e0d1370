/**
 * The grammar of the config file, with the position of every entry. The package `ini` does not parse the file itself,
 * because it drops lines that it cannot parse, nests dotted sections, loses names like `__proto__`, supports neither
 * `:` nor multi-line values, truncates values at `;` without an error and decodes quotes as JSON. The text is first
 * rewritten into the subset of the format that `ini` parses exactly: encoded names, and values as JSON strings.
 */
import ini from 'ini';

export type IniEntry = {readonly value: string; readonly line: number};
export type IniFile = {
	/** By section, then by key. Keys before any section are in `DEFAULT`. */
	readonly sections: ReadonlyMap<string, ReadonlyMap<string, IniEntry>>;
	readonly problems: readonly {readonly line: number; readonly text: string}[];
};

export const globalSection = 'DEFAULT';

/** Repeated sections are merged; the last of repeated keys wins. */
export function parseIni(text: string): IniFile {
	const {assignments, problems} = scan(text.replace(/^\uFEFF/, ''));
	const lines = new Map(assignments.map(({section, key = '', line}) => [encodeName(section) + encodeName(key), line]));
	const sections = new Map<string, Map<string, IniEntry>>([[globalSection, new Map()]]);
	for (const [section, keys] of Object.entries(ini.parse(rewrite(assignments)))) {
		const entries = Object.entries(keys as Record<string, unknown>).map(
			([key, value]) => [decodeName(key), {value: String(value), line: lines.get(section + key) ?? 0}] as const,
		);
		sections.set(decodeName(section), new Map(entries));
	}
	return {sections: expandReferences(sections, problems), problems};
}

type Assignment = {readonly section: string; readonly key?: string; readonly value: string; readonly line: number};
type Problem = {readonly line: number; readonly text: string};

function rewrite(assignments: readonly Assignment[]): string {
	return assignments
		.map(({section, key, value}) => {
			const header = `[${encodeName(section)}]\n`;
			return key === undefined ? header : `${header}${encodeName(key)} = ${encodeValue(value)}\n`;
		})
		.join('');
}

// The prefix protects `__proto__`, numbers and `x[]` from special treatment by `ini` and objects.
function encodeName(name: string): string {
	return `@${encodeURIComponent(name.toWellFormed()).replaceAll('.', '%2E')}`;
}

function decodeName(name: string): string {
	return decodeURIComponent(name.slice(1));
}

function encodeValue(value: string): string {
	return JSON.stringify(value)
		.replaceAll('\u2028', String.raw`\u2028`)
		.replaceAll('\u2029', String.raw`\u2029`);
}

function scan(text: string): {assignments: Assignment[]; problems: Problem[]} {
	const lines = text.split('\n');
	const assignments: Assignment[] = [];
	const problems: Problem[] = [];
	let section = globalSection;
	for (let index = 0; index < lines.length;) {
		const number = index + 1;
		const raw = (lines[index++] ?? '').trimStart();
		const line = raw.trimEnd();
		if (line === '' || line.startsWith('#') || line.startsWith(';')) continue;
		if (line.startsWith('[')) {
			const end = line.lastIndexOf(']');
			if (end > 1) {
				section = line.slice(1, end).toWellFormed();
				assignments.push({section, value: '', line: number});
			} else {
				problems.push({line: number, text: end < 0 ? 'missing ] after a section name' : 'a section name is empty'});
			}
			continue;
		}
		const split = splitKey(raw);
		if (typeof split === 'string') {
			problems.push({line: number, text: split});
			continue;
		}
		const value = readRaw(split.rest, lines, index);
		index = value.next;
		if (value.text === undefined)
			problems.push({line: number, text: `the value of ${split.key} has an unterminated quote`});
		else assignments.push({section, key: split.key.toWellFormed(), value: value.text.toWellFormed(), line: number});
	}
	return {assignments, problems};
}

function splitKey(line: string): {key: string; rest: string} | string {
	const quote = /^(?:"""|"|`)/.exec(line)?.[0] ?? '';
	const end = quote === '' ? 0 : line.indexOf(quote, quote.length);
	if (end < 0) return 'unterminated quote in a key';
	const delimiter = line.slice(end).search(/[=:]/);
	if (delimiter < 0) return `expected "key = value" or "[section]", found ${JSON.stringify(shorten(line.trimEnd()))}`;
	const key = quote === '' ? line.slice(0, delimiter) : line.slice(quote.length, end);
	if (key.trim() === '') return 'missing key before the delimiter';
	return {key: key.trim(), rest: line.slice(end + delimiter + 1).trimStart()};
}

// The line may be a secret without its key.
function shorten(line: string): string {
	return line.length > 12 ? `${line.slice(0, 8)}…` : line;
}

/**
 * Reads the value that begins with `start` and may continue in `lines` from `next`. Literal text keeps spaces at the
 * end of a line.
 */
function readRaw(start: string, lines: readonly string[], next: number): {text: string | undefined; next: number} {
	const rest = start.trimEnd();
	// Three quotes at the very end of the file open nothing: there is no line that could close them.
	const opens = rest.startsWith('"""') && (start.length > 3 || next < lines.length);
	const quote = opens ? '"""' : rest.startsWith('`') ? '`' : '';
	if (quote !== '') return readLiteral(start.slice(quote.length).replace(/\r$/, ''), quote, lines, next);
	if (rest.endsWith('\\')) return readContinued(rest.slice(0, -1), lines, next);
	return {text: unquote(withoutComment(rest)), next};
}

function readLiteral(first: string, quote: string, lines: readonly string[], start: number) {
	const end = first.lastIndexOf(quote);
	if (end >= 0) return {text: first.slice(0, end), next: start};
	let text = first;
	for (let next = start; next < lines.length; next++) {
		const line = (lines[next] ?? '').replace(/\r$/, '');
		const close = line.lastIndexOf(quote);
		text += `\n${close < 0 ? line : line.slice(0, close)}`;
		if (close >= 0) return {text, next: next + 1};
	}
	return {text: undefined, next: start};
}

function readContinued(first: string, lines: readonly string[], start: number) {
	let text = first;
	let next = start;
	while (next < lines.length) {
		const line = (lines[next++] ?? '').trim();
		text += line;
		if (!line.endsWith('\\')) break;
		text = text.slice(0, -1);
	}
	return {text: unquote(text.trim()), next};
}

/**
 * Removes everything from the first `#` or `;` outside quotes. A quote only opens at the start of a word: `it's` has
 * none.
 */
function withoutComment(value: string): string {
	const unclosed = new Set<string>();
	for (let index = 0; index < value.length; index++) {
		const character = value.charAt(index);
		if (character === '#' || character === ';') return value.slice(0, index).trim();
		const isQuote = (character === "'" || character === '"') && !unclosed.has(character);
		if (!isQuote || (index > 0 && !/[\s=,('"]/.test(value.charAt(index - 1)))) continue;
		const end = closingQuote(value, index);
		if (end === undefined) unclosed.add(character);
		else index = end;
	}
	return value;
}

function closingQuote(value: string, open: number): number | undefined {
	const quote = value.charAt(open);
	for (let index = open + 1; index < value.length; index++) {
		if (value.charAt(index) === quote) return index;
		if (quote === '"' && value.charAt(index) === '\\') index++;
	}
	return undefined;
}

/** Removes one pair of quotes around the whole value, if there is no other such quote inside. */
function unquote(value: string): string {
	const quote = value.charAt(0);
	const surrounded =
		(quote === '"' || quote === "'") && value.length > 1 && value.indexOf(quote, 1) === value.length - 1;
	return surrounded ? value.slice(1, -1) : value;
}

const maxReferences = 999;
const maxExpandedLength = 16_384;

/** Replaces `%(other)s` by the value of that key in the section, else in the global one; unknown names are kept. */
function expandReferences(sections: IniFile['sections'], problems: Problem[]): IniFile['sections'] {
	const globals = sections.get(globalSection);
	const expand = (entries: ReadonlyMap<string, IniEntry>, key: string, entry: IniEntry): IniEntry => {
		let references = 0;
		let length = 0;
		const resolve = (name: string, text: string): string =>
			text.replaceAll(/%\(([^()]+)\)s/g, (reference: string, other: string) => {
				const found = other === name ? globals?.get(other) : (entries.get(other) ?? globals?.get(other));
				if (found === undefined || references > maxReferences || length > maxExpandedLength) return reference;
				references++;
				length += found.value.length;
				return resolve(other, found.value);
			});
		const value = resolve(key, entry.value);
		if (references <= maxReferences && length <= maxExpandedLength) return {...entry, value};
		problems.push({line: entry.line, text: `${key} refers to itself through %(…)s, or expands to too much text`});
		return entry;
	};
	return new Map(
		[...sections].map(([name, entries]) => [
			name,
			new Map([...entries].map(([key, entry]) => [key, expand(entries, key, entry)])),
		]),
	);
}
