/** The tables of one dump: what is known of them beforehand, what was observed, and what they weigh. Pure. */
import type {TableProgress} from '../core/events.js';
import {sum} from '../lib/sum.js';

/** A table that the dump will read. */
export type TableFacts = {
	readonly oid: number;
	/** `schema.name`. */
	readonly name: string;
	/** Including TOAST. */
	readonly bytes: number;
	readonly toastBytes: number;
	/** Absent if the table was never analyzed. */
	readonly rows?: number;
	readonly pages: number;
};

/** The cost of a table in the last good run. */
export type TablePast = {
	readonly seconds: number;
	/** The bytes of the table and its TOAST at that time. */
	readonly size: number;
	/** Bytes of its COPY. */
	readonly bytes: number;
	readonly rows: number;
};

/** The times of a database in the last good run, in seconds. */
export type JobPast = {
	readonly seconds: number;
	/** Before the first table. */
	readonly before: number;
	/** After the last table: checksums, upload. */
	readonly after: number;
	readonly table: (name: string) => TablePast | undefined;
};

/** The cost of each table in addition to its bytes, in bytes: the statements before its data. */
const overhead = 64 * 1024;
/** Bytes of COPY per byte in TOAST, where values are compressed, or binary and written as two digits per byte. */
const toastFactor = 2;
/** Seconds after which a table has a speed of its own. */
export const ownSpeedAfter = 1.5;

export type State = 'waiting' | 'running' | 'done';

/** What was read of a table, for the rates. */
export type Read = {readonly bytes: number; readonly toastBytes: number; readonly seconds: number};

export type Entry = {
	readonly facts: TableFacts;
	readonly index: number;
	/** Seconds if a previous run is known, else bytes. */
	readonly weight: number;
	readonly past: TablePast | undefined;
	state: State;
	/** Observed, instead of inferred from the order. */
	seen: boolean;
	pid: number;
	bytes: number;
	rows: number;
	/** Seconds of one worker. */
	seconds: number;
	/** Its part of the rates of tables without a speed of their own. */
	rest: Read | undefined;
};

/** The tables of one state, together. */
export class Tables {
	count = 0;
	weight = 0;
	bytes = 0;
	toastBytes = 0;

	add({weight, facts}: Entry, sign: 1 | -1 = 1): void {
		this.count += sign;
		// Weights are fractions: the sums may end slightly below zero.
		this.weight = Math.max(0, this.weight + sign * weight);
		this.bytes += sign * facts.bytes;
		this.toastBytes += sign * facts.toastBytes;
	}
}

/** Weight per second; undefined before it is known. */
export function ownSpeed(entry: Entry): number | undefined {
	const done = doneOf(entry);
	return entry.state === 'running' && entry.seconds >= ownSpeedAfter && done > 0 ? done / entry.seconds : undefined;
}

/** In units of weight. */
export function doneOf(entry: Entry): number {
	return entry.weight * shareOf(entry);
}

/** Returns 0 to 1 of a table: by rows, else by bytes, never complete while it runs. */
export function shareOf(entry: Entry): number {
	if (entry.state === 'done') return 1;
	if (entry.state === 'waiting') return 0;
	const {rows, bytes} = entry.facts;
	if (rows !== undefined && rows > 0 && entry.rows > 0) return Math.min(0.99, entry.rows / rows);
	if (entry.bytes === 0 || bytes === 0) return 0;
	// The text of a COPY is 0.7 to 1.9 times what is stored; the previous run has the ratio of this table.
	const {past} = entry;
	const perByte = past && past.size > 0 && past.bytes > 0 ? past.bytes / past.size : 0.9;
	return Math.min(0.99, entry.bytes / (bytes * perByte));
}

export function describeEntry(entry: Entry): TableProgress {
	const {facts, bytes, rows} = entry;
	const share = shareOf(entry);
	const counted = facts.rows !== undefined && facts.rows > 0;
	return {
		name: facts.name,
		bytes,
		rows,
		...((share > 0 || counted) && {fraction: share, ...(!counted && {estimated: true})}),
	};
}

export type TableWithPast = {readonly facts: TableFacts; readonly past: TablePast | undefined};

/** Returns the weight of each table: seconds of the previous run if there is one, scaled to its current size; else bytes. */
export function weigh(tables: readonly TableWithPast[], job: JobPast | undefined): readonly number[] {
	if (!job) return tables.map(({facts}) => facts.bytes + (toastFactor - 1) * facts.toastBytes + overhead);
	const known = tables.flatMap(({past}) => past ?? []);
	const knownSeconds = sum(known.map(one => one.seconds));
	const knownBytes = sum(known.map(one => one.size));
	const quickBytes = sum(tables.map(({facts, past}) => (past ? 0 : facts.bytes + overhead)));
	// Tables too quick to be observed share the time that the observed ones leave; new ones get the others' average per
	// byte.
	const rest = Math.max(0, job.seconds - job.before - job.after - knownSeconds);
	const perByte = knownBytes > 0 ? knownSeconds / knownBytes : 1e-8;
	const forQuick = quickBytes > 0 ? Math.max(Math.min(rest / quickBytes, perByte * 10), perByte / 10) : perByte;
	return tables.map(({facts, past}) => {
		if (!past) return (facts.bytes + overhead) * forQuick;
		const growth = past.size > 0 ? Math.min(5, Math.max(0.2, facts.bytes / past.size)) : 1;
		return Math.max(0.001, past.seconds * growth);
	});
}
