/** What a console asks the engine about whole runs: differences, the dumps with a table, and pins. */
import type {Secrets} from './secrets.js';

type Call = {readonly signal: AbortSignal; readonly secrets?: Secrets};

/** A table in a dump. */
export type TableSighting = {
	/** Milliseconds since the epoch. */
	readonly time: number;
	readonly database: string;
	/** For people: `schema.table`. */
	readonly table: string;
	/** If they were recorded. */
	readonly rows?: number;
	readonly bytes?: number;
	/** The key of its dump. */
	readonly key: string;
};

/** A run that files belong to. */
export type RunOfFiles = {
	readonly run: string;
	/** Milliseconds since the epoch. */
	readonly time: number;
	/** Who pinned it and why, for people. */
	readonly pinned?: string;
};

export type RunsHandle = {
	/** Returns the runs of these files, oldest first. */
	readonly runsOf: (location: string, keys: readonly string[], options: Call) => Promise<readonly RunOfFiles[]>;
	/**
	 * Returns lines for people: `-` was removed, `+` was added, `~` has changed. Without `before` it compares with the
	 * run before `after`. Rejects with WRONG_KEY without the key, and with NOTHING_TO_DO if there is no such run.
	 */
	readonly compareRuns: (
		location: string,
		runs: {readonly before?: string; readonly after: string},
		options: Call,
	) => Promise<readonly string[]>;
	/**
	 * Accepts patterns as for pg_dump -t; yields matches newest first, as they are found. Rejects with NOTHING_TO_DO if
	 * no dump contains it, and with WRONG_KEY if dumps are encrypted and no secret is known: empty secrets search the
	 * others.
	 */
	readonly findTable: (location: string, pattern: string, options: Call) => AsyncIterable<TableSighting>;
	/** Protects a run from every purge, locally and where it was uploaded to. */
	readonly pin: (location: string, run: string, reason: string) => Promise<void>;
	readonly unpin: (location: string, run: string) => Promise<void>;
};
