/** What pg_restore says of a failure: how it ended, at which entry, and what to do. */
import {type ErrorDetails, PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {plural} from '../lib/format.js';
import type {ArchiveEntry, ArchiveToc} from '../postgres/archive-toc.js';
import {type ChildResult, describeEnd} from '../process/child.js';
import {isInformation} from '../progress/load-tracker.js';
import {skipOption} from './command-line.js';
import {entryName, failedEntry, skipPatterns} from './failed-entry.js';
import {skipPattern} from './skip.js';

/** A setting that pg_restore sends since 17, and older servers do not know. */
const knownFailure =
	/: error: could not execute query: ERROR: {2}unrecognized configuration parameter "transaction_timeout"$/;

export type RestoreLogOptions = {
	/** One setting that the server does not know is no failure. */
	readonly tolerant: boolean;
	readonly jobs: number;
	/** What is restored. */
	readonly entries: readonly ArchiveEntry[];
	/** A drill has no `--skip`. */
	readonly isDrill?: boolean;
};

/** Returns the entries of an archive that are restored; none for a plain dump. */
export function chosenEntries(
	toc: Pick<ArchiveToc, 'entries'> | undefined,
	chosen: readonly number[] | undefined,
): readonly ArchiveEntry[] {
	const ids = chosen && new Set(chosen);
	return toc?.entries.filter(({dumpId}) => ids?.has(dumpId) ?? true) ?? [];
}

/** Collects the lines of pg_restore, and determines from them how it ended. */
export class RestoreLog {
	readonly #options: RestoreLogOptions;
	readonly #onError: () => void;
	readonly #errors: string[] = [];
	#tolerated = 0;
	#isTolerated = false;
	#ignored = 0;
	#dumpId: number | undefined;
	#failedId: number | undefined;
	/** The statement of the first error. */
	readonly #command: string[] = [];
	readonly #more: string[] = [];

	constructor(options: RestoreLogOptions, onError: () => void) {
		this.#options = options;
		this.#onError = onError;
	}

	/** Returns true for a line of a tolerated failure. */
	add(line: string): boolean {
		const dumpId = /from TOC entry (\d+); /.exec(line)?.[1];
		if (dumpId !== undefined) this.#dumpId = Number(dumpId);
		const ignored = /errors ignored on restore: (\d+)/.exec(line)?.[1];
		const wasTolerated = this.#isTolerated;
		this.#isTolerated = this.#options.tolerant && knownFailure.test(line);
		if (this.#isTolerated) {
			this.#tolerated++;
			return true;
		}
		if (ignored !== undefined) {
			this.#ignored = Number(ignored);
			return this.#errors.length === 0 && this.#ignored <= this.#mostTolerated;
		}
		if (/: (?:error|fatal): /.test(line)) {
			if (this.#errors.length === 0) this.#failedId = this.#dumpId;
			this.#errors.push(line);
			this.#onError();
		} else if (this.#errors.length > 0) this.#addMore(line);
		return (
			(wasTolerated && line.startsWith('Command was: ')) ||
			(this.#options.tolerant && / while INITIALIZING:$/.test(line))
		);
	}

	#addMore(line: string): void {
		if (this.#more.length < 5) this.#more.push(line);
		// A statement has as many lines as it has.
		if (this.#errors.length === 1 && (line.startsWith('Command was: ') || this.#command.length > 0))
			this.#command.push(line.replace(/^Command was: /, ''));
	}

	/**
	 * pg_restore sends the setting once, with workers a second time when they have ended, and does not count what those
	 * send when they start. It counts everything else that fails, also if the lines of two processes mix.
	 */
	get #mostTolerated(): number {
		return this.#options.jobs > 1 ? 2 : 1;
	}

	/** Throws FAILED unless it ended as expected, CORRUPT where pg_restore could not read the dump. */
	check(what: string, result: ChildResult | undefined): void {
		const clean = result?.exitCode === 0 && this.#ignored === 0;
		const tolerated = result?.exitCode === 1 && this.#tolerated > 0 && this.#ignored <= this.#mostTolerated;
		if (this.#errors.length === 0 && (clean || tolerated)) return;
		const said =
			this.#errors[0] ??
			result?.stderr.findLast(line => !isInformation(line)) ??
			(result ? `pg_restore: ${describeEnd(result)}` : 'pg_restore was ended');
		const reason = said.replace(/^\S*pg_restore: (?:error: )?(?:could not execute query: )?/, '');
		const isDamaged = damage.test(reason);
		const {entries} = this.#options;
		const entry = failedEntry(entries, {dumpId: this.#failedId, message: said, command: this.#command.join('\n')});
		const at = entry === undefined ? '' : ` at ${display(entryName(entry))}`;
		const advice = isDamaged
			? {hint: 'the dump is damaged or incomplete: restore another run'}
			: this.#advice(said, entry);
		const more = this.#errors.length > 1 ? ` (and ${plural(this.#errors.length - 1, 'more error')})` : '';
		throw new PgBackError(isDamaged ? 'CORRUPT' : 'FAILED', `cannot restore ${what}${at}: ${display(reason)}${more}`, {
			output: [...this.#errors.slice(0, 50), ...this.#more],
			...advice,
		});
	}

	#advice(said: string, entry: ArchiveEntry | undefined): Pick<ErrorDetails, 'hint' | 'skip'> {
		const {entries, isDrill} = this.#options;
		const known = hintFor(`${said} ${this.#more.join(' ')}`);
		if (isDrill === true) return known === undefined ? {} : {hint: known};
		if (entry === undefined) return {hint: known ?? unnamedEntry};
		// A materialized view of a foreign table fails for reasons of another server.
		if (known !== undefined && entry.kind !== 'MATERIALIZED VIEW DATA') return {hint: known};
		const skip = skipPatterns(entries, entry);
		const out = skip
			? `add ${skipOption(skip)} to leave it out${skip.length > 1 ? ' with what depends on it' : ''}`
			: `use ${skipOption([skipPattern(entry)])} to leave it out, and --skip for each entry that depends on it`;
		return {hint: known === undefined ? out : `${known}; or ${out}`, ...(skip && {skip})};
	}
}

/**
 * What pg_restore says of bytes that pg_dump did not write, of a file that ends too early, and of a member that is not
 * there. A statement that fails is reported by another line, "could not execute query".
 */
const damage =
	/^(?:could not (?:uncompress data|decompress|find (?:block ID|entry for ID|file ".*" in archive|header for file))|could not read (?:from )?input file: (?!.*(?:Input\/output error|Permission denied))|could not (?:open|close) .*No such file or directory|did not find magic string|found unexpected block ID|unrecognized data block|corrupt tar header|entry ID -?\d+ out of range|invalid (?:compression code|line in large object TOC|OID for large object)|unexpected end of file)/;

const hints: readonly (readonly [RegExp, string])[] = [
	[/No space left on device/, 'free some space on the server, then try again'],
	[/attribute_version|pg_attver/, 'update the server: it is an older minor release than the dumped one'],
	[/could not access file|could not load library/, 'install the package of the extension on the server'],
	[/permission denied|must be (?:superuser|owner|able)/, 'restore as a superuser, or with --owner and --no-privileges'],
	[
		/unrecognized configuration parameter|syntax error/,
		'the target is older than the dump: restore into a newer server',
	],
	[
		/deadlock detected/,
		'sessions of pg_restore waited for each other: try again, with --restore-jobs 1 if that happens again',
	],
	[
		/terminating connection|server closed the connection|Connection reset by peer|Broken pipe|could not (?:receive data from|send data to) server|no connection to the server/,
		'the connection was lost: check the server log',
	],
];

/** The hint for an error whose entry is not known. */
export const unnamedEntry = "use --skip 'KIND SCHEMA.NAME' to leave an entry out";

/** Returns undefined for errors that are about one entry. */
export function hintFor(text: string): string | undefined {
	return hints.find(([pattern]) => pattern.test(text))?.[1];
}
