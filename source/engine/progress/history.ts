/**
 * What the last good dump of each database took, kept beside the dumps in a hidden file: the best forecast of the next. Names of
 * tables stand in it as digests only. A file that is missing, damaged or foreign is as good as none.
 */
import {createHash, randomBytes} from 'node:crypto';
import {readFile, rename, rm, stat, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {isSystemError} from '../../core/errors.js';
import type {JobPast, TablePast} from './estimator.js';

export const historyFile = '.pg_back-history.json';
const schema = 1;
const maxBytes = 8 * 1024 * 1024;
/** What lasts is worth a forecast: the databases that took longest. */
const maxDatabases = 500;
/** Milliseconds. What was not dumped for so long is gone, or another thing by now. */
const maxAge = 90 * 86_400_000;
/** In memory, of all databases together. */
const maxHeld = 100_000;
/** The slowest of a database. */
const maxTables = 1000;

/** Seconds, size, bytes, rows. */
type StoredTable = readonly [number, number, number, number];
export type StoredJob = {
	/** Milliseconds since the epoch. */
	readonly at: number;
	readonly seconds: number;
	readonly before: number;
	readonly after: number;
	/** The database's own size. */
	readonly bytes: number;
	readonly tables: Readonly<Record<string, StoredTable>>;
};

export type NewPast = Omit<StoredJob, 'tables'> & {
	readonly tables: readonly {readonly name: string; readonly past: TablePast}[];
};

export class History {
	#jobs: Map<string, StoredJob>;
	/** Tables in `#jobs`, but for those of a file that was read. */
	#held = 0;
	/** When the last was recorded: what has a later time (of a clock that was wrong) makes the others no older. */
	#latest = 0;

	constructor(jobs: ReadonlyMap<string, StoredJob> = new Map()) {
		this.#jobs = new Map(jobs);
	}

	/** `cluster` is the system identifier, or what else tells two servers apart. */
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
		// Now and then: a run of thousands of databases need not hold what it will not write.
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

	/** Those that fit. */
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

/** Never throws for what is in the file; a directory that cannot be read says so when the dumps go there. */
export async function readHistory(directory: string): Promise<History> {
	const path = join(directory, historyFile);
	try {
		const {size} = await stat(path);
		return size > maxBytes ? new History() : parseHistory(await readFile(path, 'utf8'));
	} catch (error) {
		if (isSystemError(error)) return new History();
		throw error;
	}
}

/** In one step: readers find the old file or the new one. The directory must exist. */
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
	return createHash('sha256').update(name).digest('base64url').slice(0, 16);
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
