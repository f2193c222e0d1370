/** Statements that options of pg_dump add to a plain dump. Pure. */
import {PgBackError} from '../core/errors.js';

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

/** White space and comments between words. */
const gap = String.raw`(?:\s|--[^\n]*\n|/\*(?:[^*]|\*(?!/))*\*/)`;
/** `alter role` is also written by `pg_dump --create`, and left out. */
const aboutServer = new RegExp(
	String.raw`^${gap}*(alter${gap}+system|(?:create|alter)${gap}+(?:group|tablespace|user(?!${gap}+mapping))|create${gap}+role)${gap}`,
	'i',
);

/**
 * Throws CORRUPT for a statement that changes the whole server (`ALTER SYSTEM`), which pg_dump never writes: its effect
 * would outlast a failed restore, and a drill. The text has one character per byte; `where` is for the error.
 */
export function refuseServerStatement(text: string, where: string): void {
	const found = aboutServer.exec(`${text} `)?.[1];
	if (found === undefined) return;
	const words = found.replaceAll(new RegExp(`${gap}+`, 'g'), ' ').toUpperCase();
	throw new PgBackError('CORRUPT', `${where}: ${words} changes the whole server, and pg_dump does not write it`, {
		hint: 'look at the file before anything of this run is restored',
	});
}

/**
 * Returns true for statements about the database itself, which must not run in a server that others use, and for those
 * that remove what a new database does not have. The text has one character per byte.
 */
export function isForOtherDatabase(text: string): boolean {
	return aboutDatabases.test(text) || removal.test(`${text} `);
}
