/** Statements that options of pg_dump add to a plain dump. Pure. */

const name = String.raw`(?:"(?:[^"]|"")*"|[\w$\u0080-\u00ff]+)`;
/** Of `pg_dump --create`. */
const aboutDatabases =
	/^\s*(?:create|drop|alter|comment\s+on)\s+database\s|^\s*(?:grant|revoke)\s[^]+\son\s+database\s|^\s*alter\s+role\s/i;
/** Of `pg_dump --clean`. */
const removal = new RegExp(
	String.raw`^\s*(?:drop\s|alter\s+(?:table|domain|foreign\s+table)\s+(?:if\s+exists\s+)?(?:only\s+)?${name}(?:\.${name})?\s+` +
		String.raw`(?:drop\s+constraint|alter\s+column\s+${name}\s+drop\s+default)\s)`,
	'i',
);

/**
 * Returns true for statements about the database itself, which must not run in a server that others use, and for those
 * that remove what a new database does not have. The text has one character per byte.
 */
export function isForOtherDatabase(text: string): boolean {
	return aboutDatabases.test(text) || removal.test(`${text} `);
}
