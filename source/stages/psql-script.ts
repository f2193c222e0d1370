/** Runs the script of a plain dump, or of the globals, through the guard into psql. */
import {PgBackError} from '../core/errors.js';
import {connectionAs} from '../postgres/account-secrets.js';
import type {ChildConnection} from '../postgres/connection.js';
import type {Tool} from '../postgres/tools.js';
import {type Account, accountOf, asAccount} from '../process/account.js';
import {type Child, describeEnd, firstError, startChild, writeInput} from '../process/child.js';
import {guardedPsql, guardedScript} from './psql-guard.js';
import type {ScannerRules} from './scanner-rules.js';

export type PsqlScript = {
	readonly psql: Tool;
	readonly connection: ChildConnection;
	/** The decrypted and decompressed text of the dump. */
	readonly source: AsyncIterable<Uint8Array>;
	readonly rules: Omit<ScannerRules, 'pin'>;
	readonly signal: AbortSignal;
	/** Called with each line that psql writes to stderr. */
	readonly onLine: (line: string) => void;
	/** The account that psql runs as when we are root; by default postgres, otherwise nobody. */
	readonly account?: Account | undefined;
};

/**
 * Returns the error lines of psql. It stops at the first error, so the server causes at most one. Empty: the whole
 * script was executed. Throws CORRUPT for anything that the guard rejects (psql is killed), and the errors of `source`.
 */
export async function runPsqlScript(script: PsqlScript): Promise<readonly string[]> {
	const {psql, signal, rules, source} = script;
	const account = script.account ?? (await accountOf(['postgres', 'nobody'], 'psql with the script of a dump'));
	const {connection, dispose} = await connectionAs(account, script.connection);
	const {args, pin} = guardedPsql(psql);
	const [command, words] = asAccount(account, psql.path, [...args, ...connection.args]);
	const errors: string[] = [];
	const inner = new AbortController();
	try {
		const child = startChild({
			command,
			args: words,
			// Applies to text before the dump sets its own encoding; createdb.sql sets none.
			env: {...connection.env, PGCLIENTENCODING: 'UTF8', LC_ALL: 'C'},
			stdin: 'pipe',
			stderr: 'messages',
			cwd: '/',
			signal: AbortSignal.any([signal, inner.signal]),
			onLine(line) {
				script.onLine(line);
				if (/(^|: )(ERROR|FATAL|PANIC|error|fatal): /.test(line)) errors.push(line);
			},
		});
		child.done.catch(() => undefined); // awaited below
		try {
			await feed(child, guardedScript(source, {...rules, pin}));
		} catch (error) {
			inner.abort(error);
			await child.done.catch(() => undefined); // killed on purpose
			throw error;
		}
		const result = await child.done;
		if (result.exitCode === 0 || errors.length > 0) return errors;
		return [firstError(result.stderr) ?? `psql ended without an error message (${describeEnd(result)})`];
	} finally {
		await dispose();
	}
}

/** Closes psql's standard input at the end of the text, but not when the text failed. */
async function feed(child: Child, source: AsyncIterable<Uint8Array>): Promise<void> {
	const {stdin} = child;
	if (!stdin) throw new PgBackError('BUG', 'psql has no standard input');
	stdin.on('error', () => undefined); // its exit status gives the reason
	for await (const chunk of source) {
		if (stdin.destroyed) break;
		await writeInput(stdin, chunk);
	}
	stdin.end();
}
