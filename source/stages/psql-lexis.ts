/** The bytes and words that psql's lexer distinguishes, and the forms in which pg_dump writes what psql acts on. */

export const bytesOf = {
	newline: 0x0a,
	carriageReturn: 0x0d,
	backslash: 0x5c,
	dot: 0x2e,
	dollar: 0x24,
	quote: 0x27,
	doubleQuote: 0x22,
} as const;

export function isIdentifierStart(byte: number): boolean {
	return byte >= 0x80 || byte === 0x5f || ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a);
}

/** Returns true for bytes inside a word; digits may begin words that are numbers. */
export function isIdentifierByte(byte: number): boolean {
	return isIdentifierStart(byte) || (byte >= 0x30 && byte <= 0x39);
}

/** Returns the bytes of the word at `at`, including dollar signs in it; 0 when there is none. */
export function identifierLength(bytes: Buffer, at: number): number {
	let end = at;
	while (end < bytes.length) {
		const byte = bytes[end] ?? 0;
		if (!isIdentifierByte(byte) && (byte !== bytesOf.dollar || end === at)) break;
		end++;
	}
	return end - at;
}

/** The lexical context of the scanner. */
export type Mode = 'code' | 'string' | 'name' | 'dollar' | 'line comment' | 'block comment' | 'rows';

export const insideOf: Readonly<Record<Mode, string>> = {
	code: 'a statement',
	string: 'a string',
	name: 'a quoted name',
	dollar: 'a dollar-quoted string',
	'line comment': 'a comment',
	'block comment': 'a comment',
	rows: 'the rows of a table',
};

const name = String.raw`(?:"(?:[^"]|"")+"|[a-z_\x80-\xff][a-z0-9_$\x80-\xff]*)`;

/** pg_dump writes only this form, and only this form guarantees that rows follow. */
export const copyForm = new RegExp(
	String.raw`^copy\s+${name}(?:\.${name})?\s*(?:\(\s*(?:${name}(?:,\s*${name})*)?\s*\)\s*)?(?:with oids\s+)?from stdin$`,
	'i',
);

/** Settings that change how psql parses the following text. */
export const settingForm =
	/^set\s+(?:session\s+)?(client_encoding|standard_conforming_strings)(?:\s*=\s*|\s+to\s+)'?([\w-]+)'?$/i;

/** pg_dump's own guard against commands; ours replaces it. */
export const restrictForm = /^\\(?:un)?restrict [A-Za-z0-9]+$/;
export const connectForm = /^\\connect /;

/** Variables that psql sets itself, from names and messages that a dump can choose. */
export const psqlVariables: ReadonlySet<string> = new Set([
	...[
		'AUTOCOMMIT',
		'COMP_KEYWORD_CASE',
		'DBNAME',
		'ECHO',
		'ECHO_HIDDEN',
		'ENCODING',
		'ERROR',
		'FETCH_COUNT',
		'HIDE_TABLEAM',
	],
	...['HIDE_TOAST_COMPRESSION', 'HISTCONTROL', 'HISTFILE', 'HISTSIZE', 'HOST', 'IGNOREEOF', 'LAST_ERROR_MESSAGE'],
	...['LAST_ERROR_SQLSTATE', 'LASTOID', 'ON_ERROR_ROLLBACK', 'ON_ERROR_STOP', 'PORT', 'PROMPT1', 'PROMPT2', 'PROMPT3'],
	...['QUIET', 'ROW_COUNT', 'SERVER_VERSION_NAME', 'SERVER_VERSION_NUM', 'SERVICE', 'SERVICEFILE', 'SHELL_ERROR'],
	...[
		'SHELL_EXIT_CODE',
		'SHOW_ALL_RESULTS',
		'SHOW_CONTEXT',
		'SINGLELINE',
		'SINGLESTEP',
		'SQLSTATE',
		'USER',
		'VERBOSITY',
	],
	...['VERSION', 'VERSION_NAME', 'VERSION_NUM', 'WATCH_INTERVAL', 'PIPELINE_COMMAND_COUNT', 'PIPELINE_RESULT_COUNT'],
	...['PIPELINE_SYNC_COUNT'],
]);

/** Tracks the nesting level in a statement as psql does: a semicolon ends the statement only at the outermost level. */
export class StatementDepth {
	#parentheses = 0;
	#begins = 0;
	#count = 0;
	#first = '';

	get atTop(): boolean {
		return this.#parentheses === 0 && this.#begins === 0;
	}

	reset(): void {
		this.#parentheses = this.#begins = this.#count = 0;
		this.#first = '';
	}

	open(): void {
		this.#parentheses++;
	}

	close(): void {
		if (this.#parentheses > 0) this.#parentheses--;
	}

	/** Counts as psql does since 14: inside BEGIN ATOMIC … END of a function no semicolon ends the statement. */
	identifier(word: string): void {
		if (this.#count++ < 4)
			this.#first += ['create', 'function', 'procedure', 'or', 'replace'].includes(word) ? (word[0] ?? '') : '-';
		if (this.#parentheses > 0 || !/^c(?:[fp]|or[fp])/.test(this.#first)) return;
		if (word === 'begin' || (word === 'case' && this.#begins > 0)) this.#begins++;
		else if (word === 'end' && this.#begins > 0) this.#begins--;
	}
}
