/** Rules for the statements of a plain dump on their way to psql. */
export type ScannerRules = {
	/** For errors: `app_2026-11-22.sql`. */
	readonly what: string;
	/** Statements that begin with these words (lower case) are passed to `statement`; without this list, all are. */
	readonly words?: ReadonlySet<string>;
	/**
	 * Receives a complete statement without its semicolon, one character per byte, and its line number. Returns the text
	 * to pass on, or undefined to omit the statement. With `words`, a statement of more than 1 MiB is passed on without a
	 * call; otherwise it is rejected.
	 */
	readonly statement?: (text: string, line: number) => string | undefined;
	/** `\connect` is omitted instead of rejected. */
	readonly dropConnect?: boolean;
	/**
	 * After each statement the encoding and the string syntax are set again, because code in the dump may have changed
	 * them.
	 */
	readonly pin?: boolean;
};
