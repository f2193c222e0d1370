/**
 * The history of the last good dump of each database, stored next to the dumps in a hidden file: the best forecast for
 * the next run. Names of tables are stored only as checksums. A missing, damaged or foreign file is ignored.
 */
import {hash, randomBytes} from 'node:crypto';
import {rename, rm, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {isSystemError} from '../core/errors.js';
import {readOwnText, UnsafeFileError} from '../lib/own-file.js';
import type {JobPast, TablePast} from './tables.js';

export const historyFile = '.pg_back-history.json';
const schema = 1;
const maxBytes = 8 * 1024 * 1024;
/** Forecasts matter for long dumps: the databases that took longest are kept. */
const maxDatabases = 500;
/** Milliseconds. A database that was not dumped for this long no longer exists, or has changed. */
const maxAge = 90 * 86_400_000;
/** Maximum entries in memory, for all databases. */
const maxHeld = 100_000;
/** The slowest tables of a database. */
const maxTables = 1000;

/** Seconds, size, bytes, rows. */
type StoredTable = readonly [number, number, number, number];
export type StoredJob = {
	/** Milliseconds since the epoch. */
	readonly at: number;
	readonly seconds: number;
	readonly before: number;
	readonly after: number;
	/** The size of the database. */
	readonly bytes: number;
	readonly tables: Readonly<Record<string, StoredTable>>;
};

export type NewPast = Omit<StoredJob, 'tables'> & {
	readonly tables: readonly {readonly name: string; readonly past: TablePast}[];
};

export class History {
	#jobs: Map<string, StoredJob>;
	/** Tables in `#jobs`, except those that were read from a file. */
	#held = 0;
	/** When the last entry was recorded: an entry with a later time (from a wrong clock) must not age the others. */
	#latest = 0;

	constructor(jobs: ReadonlyMap<string, StoredJob> = new Map()) {
		this.#jobs = new Map(jobs);
	}

	/** `cluster` is the system identifier, or another value that distinguishes servers. */
	past(cluster: string, database: string): (JobPast & {readonly bytes: number}) | undefined {
		const stored = this.#jobs.get(keyOf(cluster, database));
		if (!stored) return undefined;
		const {seconds, before, after, bytes, tables} = stored;
		return {
			seconds,
			before,
			after,
			bytes,
			table(name) {
				const found = tables[tableKey(name)];
				return found && {seconds: found[0], size: found[1], bytes: found[2], rows: found[3]};
			},
		};
	}

	record(cluster: string, database: string, past: NewPast): void {
		const slowest = past.tables.toSorted((a, b) => b.past.seconds - a.past.seconds).slice(0, maxTables);
		const tables = slowest.map(
			({name, past: {seconds, size, bytes, rows}}) => [tableKey(name), [rounded(seconds), size, bytes, rows]] as const,
		);
		const {at, seconds, before, after, bytes} = past;
		const key = keyOf(cluster, database);
		this.#jobs.delete(key);
		this.#jobs.set(key, {
			at,
			seconds: rounded(seconds),
			before: rounded(before),
			after: rounded(after),
			bytes,
			tables: Object.fromEntries(tables),
		});
		this.#latest = at;
		this.#held += tables.length;
		// From time to time: a run of thousands of databases need not hold what it will not write.
		if (this.#jobs.size > 2 * maxDatabases || this.#held > maxHeld) this.#trim();
	}

	#trim(): void {
		const recent = [...this.#jobs].filter(([, job]) => job.at > this.#latest - maxAge);
		this.#held = 0;
		const kept: typeof recent = [];
		for (const [key, job] of recent.toSorted(([, a], [, b]) => b.seconds - a.seconds).slice(0, maxDatabases)) {
			const tables = Object.keys(job.tables).length;
			if (this.#held + tables > maxHeld / 2) continue;
			this.#held += tables;
			kept.push([key, job]);
		}
		this.#jobs = new Map(kept);
	}

	/** Prints the entries that fit. */
	print(): string {
		this.#trim();
		return `${JSON.stringify({schema, databases: Object.fromEntries(this.#jobs)})}\n`;
	}
}

export function parseHistory(text: string): History {
	let parsed: unknown;
	try {
		parsed = JSON.parse(text);
	} catch {
		return new History();
	}
	if (!isRecord(parsed) || parsed['schema'] !== schema || !isRecord(parsed['databases'])) return new History();
	return new History(
		new Map(
			Object.entries(parsed['databases']).flatMap(([key, job]) => (isStoredJob(job) ? [[key, job] as const] : [])),
		),
	);
}

/** Never throws for the file's content; an unreadable directory is reported when the dumps are written there. */
export async function readHistory(directory: string): Promise<History> {
	const path = join(directory, historyFile);
	try {
		return parseHistory(await readOwnText(path, maxBytes));
	} catch (error) {
		if (isSystemError(error) || error instanceof UnsafeFileError) return new History();
		throw error;
	}
}

/** Replaces the file atomically. The directory must exist. */
export async function writeHistory(directory: string, history: History): Promise<void> {
	const partial = join(directory, `${historyFile}.${randomBytes(4).toString('hex')}`);
	try {
		await writeFile(partial, history.print(), {mode: 0o600, flag: 'wx'});
		await rename(partial, join(directory, historyFile));
	} catch (error) {
		await rm(partial, {force: true});
		throw error;
	}
}

function keyOf(cluster: string, database: string): string {
	return `${cluster}/${database}`;
}

function tableKey(name: string): string {
	return hash('sha256', name, 'base64url').slice(0, 16);
}

function rounded(seconds: number): number {
	return Math.round(seconds * 1000) / 1000;
}

function isRecord(value: unknown): value is Record<string, unknown> {
	return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isAmount(value: unknown): value is number {
	return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

function isStoredJob(value: unknown): value is StoredJob {
	if (!isRecord(value) || !isRecord(value['tables'])) return false;
	if (!['at', 'seconds', 'before', 'after', 'bytes'].every(name => isAmount(value[name]))) return false;
	return Object.values(value['tables']).every(
		table => Array.isArray(table) && table.length === 4 && table.every(isAmount),
	);
}
