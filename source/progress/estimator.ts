/** Estimates the progress of one dump from samples of what its sessions copy. Pure: no clock, no I/O. */
import type {TableProgress} from '../core/events.js';
import {RateWindow} from '../lib/rate.js';
import {sum} from '../lib/sum.js';
import {TableRates} from './rates.js';

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
	/** Its pg_table_size at that time. */
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

/** A table that is being copied at the time of the sample. */
export type Copying = {
	readonly pid: number;
	readonly oid?: number;
	readonly name?: string;
	readonly bytes?: number;
	readonly rows?: number;
	/** It was just copied: the session is between two tables. */
	readonly ended?: true;
};

export type EstimatorOptions = {
	/** In the order of pg_dump. */
	readonly tables: readonly TableFacts[];
	readonly past?: JobPast;
	readonly workers: number;
	/** Receives what was read here under `name`, and estimates waiting tables: those of the run, or this dump's own. */
	readonly rates?: TableRates;
	readonly name?: string;
};

export type Estimated = {
	/** Of the copying, 0 to 1: monotonic, 1 only when the dump has ended. */
	readonly fraction: number;
	/** False when every row is counted and the tables' seconds are known from a previous run. */
	readonly estimated: boolean;
	/**
	 * Estimated remaining seconds of the copying: at the pace of the previous run, or of this one; undefined when neither
	 * is known.
	 */
	readonly remaining?: number;
	/** Tables being copied. */
	readonly running: readonly TableProgress[];
	readonly done: number;
	readonly total: number;
	/** Bytes as the server stores them. */
	readonly read: number;
	readonly readTotal: number;
	/** Bytes per second. */
	readonly readRate?: number;
};

/** The cost of each table in addition to its bytes, in bytes: the statements before its data. */
const overhead = 64 * 1024;
/** Bytes of COPY per byte in TOAST, where values are compressed, or binary and written as two digits per byte. */
const toastFactor = 2;
/** Seconds after which a table has a speed of its own. */
const ownSpeedAfter = 1.5;
const windowMs = 10_000;

type Entry = {
	readonly facts: TableFacts;
	readonly index: number;
	/** Seconds if a previous run is known, else bytes. */
	readonly weight: number;
	readonly past: TablePast | undefined;
	state: 'waiting' | 'running' | 'done';
	/** Observed, instead of inferred from the order. */
	seen: boolean;
	pid: number;
	bytes: number;
	rows: number;
	/** Seconds of one worker. */
	seconds: number;
};

export class JobEstimator {
	readonly #entries: readonly Entry[];
	readonly #byOid: ReadonlyMap<number, Entry>;
	readonly #byName: ReadonlyMap<string, Entry>;
	readonly #total: number;
	readonly #options: EstimatorOptions;
	readonly #read = new RateWindow(windowMs);
	#time: number | undefined;
	#copySeconds = 0;
	#highest = 0;
	#frontier = -1;
	#ended = false;
	readonly #rates: TableRates;

	constructor(options: EstimatorOptions) {
		this.#options = options;
		this.#rates = options.rates ?? new TableRates();
		const weigh = createWeights(options);
		this.#entries = options.tables.map((facts, index) => ({
			facts,
			index,
			weight: weigh(facts),
			past: options.past?.table(facts.name),
			state: 'waiting',
			seen: false,
			pid: 0,
			bytes: 0,
			rows: 0,
			seconds: 0,
		}));
		this.#byOid = new Map(this.#entries.filter(entry => entry.facts.oid > 0).map(entry => [entry.facts.oid, entry]));
		this.#byName = new Map(this.#entries.map(entry => [entry.facts.name, entry]));
		this.#total = sum(this.#entries.map(entry => entry.weight));
	}

	/** Adds a sample. `time` is in milliseconds. `copying`: the tables being copied; empty between two tables. */
	add(time: number, copying: readonly Copying[]): void {
		const seconds = this.#time === undefined ? 0 : (time - this.#time) / 1000;
		this.#time = time;
		const before = this.#entries.map(doneOf);
		const was = new Set(this.#entries.filter(entry => entry.state === 'running'));
		const now = new Set<Entry>();
		const ended = new Set<Entry>();
		for (const copy of copying) {
			const entry = this.#find(copy);
			if (!entry) continue;
			(copy.ended ? ended : now).add(entry);
			entry.seen = true;
			entry.pid = copy.pid;
			entry.bytes = Math.max(entry.bytes, copy.bytes ?? 0);
			entry.rows = Math.max(entry.rows, copy.rows ?? 0);
		}
		for (const entry of [...was, ...ended]) entry.state = 'done';
		for (const entry of now) entry.state = 'running';
		if (was.size > 0 || now.size > 0 || ended.size > 0) this.#copySeconds += seconds;
		this.#markUnobserved([...now, ...ended]);
		this.#attribute(seconds, was, now, before);
		this.#reportRates();
		this.#read.add(time, this.#readBytes());
	}

	/**
	 * Attributes the time since the last sample to the tables copied in it. A table that runs in both samples had a
	 * worker for itself; those that began or ended in between, even unseen, share the other workers by what was read of
	 * each.
	 */
	#attribute(seconds: number, was: ReadonlySet<Entry>, now: ReadonlySet<Entry>, before: readonly number[]): void {
		const continuing = [...now].filter(entry => was.has(entry));
		for (const entry of continuing) entry.seconds += seconds;
		const others = this.#entries.flatMap((entry, index) => {
			const gained = doneOf(entry) - (before[index] ?? 0);
			return gained > 0 && !continuing.includes(entry) ? [{entry, gained}] : [];
		});
		const workers = Math.max(was.size, now.size, 1) - continuing.length;
		const all = sum(others.map(({gained}) => gained));
		for (const {entry, gained} of others) entry.seconds += (seconds * workers * gained) / all;
	}

	/** Reports what was read so far, for estimates of waiting tables here and in other jobs. */
	#reportRates(): void {
		const name = this.#options.name ?? '';
		const rest = {bytes: 0, toastBytes: 0, seconds: 0};
		for (const entry of this.#entries) {
			const {facts, seconds} = entry;
			const share = shareOf(entry);
			if (share === 0) continue;
			const read = {bytes: facts.bytes * share, toastBytes: facts.toastBytes * share, seconds};
			if (seconds >= ownSpeedAfter) this.#rates.set(`${name} ${facts.name}`, read);
			else {
				rest.bytes += read.bytes;
				rest.toastBytes += read.toastBytes;
				rest.seconds += seconds;
			}
		}
		this.#rates.set(name, rest);
	}

	/** Ends the copying: pg_dump has exited successfully. */
	end(): void {
		this.#ended = true;
		for (const entry of this.#entries) entry.state = 'done';
	}

	estimate(): Estimated {
		const done = this.#doneWeight();
		const share = this.#ended ? 1 : Math.min(0.995, this.#total > 0 ? done / this.#total : 0);
		this.#highest = Math.max(this.#highest, share);
		const running = this.#entries.filter(entry => entry.state === 'running');
		return {
			fraction: this.#highest,
			estimated:
				this.#options.past === undefined ||
				this.#entries.some(entry => entry.facts.rows === undefined && entry.weight > this.#total / 100),
			...optional('remaining', this.#ended ? 0 : this.#remaining()),
			running: running.map(describeEntry),
			done: this.#entries.filter(entry => entry.state === 'done').length,
			total: this.#entries.length,
			read: this.#readBytes(),
			readTotal: sum(this.#entries.map(entry => entry.facts.bytes)),
			...optional('readRate', this.#ended ? undefined : this.#read.perSecond),
		};
	}

	/** Returns the tables that were observed, or read between two samples, for the next run. */
	seen(): readonly {readonly name: string; readonly past: TablePast}[] {
		return this.#entries
			.filter(entry => entry.seen || entry.seconds > 0)
			.map(({facts, seconds, bytes, rows}) => ({name: facts.name, past: {seconds, size: facts.bytes, bytes, rows}}));
	}

	#find(copy: Copying): Entry | undefined {
		const byOid = copy.oid === undefined ? undefined : this.#byOid.get(copy.oid);
		return byOid ?? (copy.name === undefined ? undefined : this.#byName.get(copy.name));
	}

	/** Marks tables before a running one in pg_dump's order as done: they were too quick to be observed. */
	#markUnobserved(now: readonly Entry[]): void {
		const parallel = this.#options.workers > 1;
		for (const entry of now) this.#frontier = Math.max(this.#frontier, entry.index);
		const frontier = this.#entries[this.#frontier];
		if (!frontier) return;
		for (const entry of this.#entries.slice(0, this.#frontier)) {
			// Workers take equal tables in an unknown order.
			if (entry.state === 'waiting' && (!parallel || entry.facts.pages > frontier.facts.pages)) entry.state = 'done';
		}
	}

	#doneWeight(): number {
		return sum(this.#entries.map(doneOf));
	}

	#readBytes(): number {
		return sum(this.#entries.map(entry => entry.facts.bytes * shareOf(entry)));
	}

	#remaining(): number | undefined {
		const {past, workers} = this.#options;
		const left = this.#entries.map(entry => entry.weight * (1 - shareOf(entry)));
		// The workers share what is left, but two of them never share a table.
		if (past) return Math.max(sum(left) / workers, largest(left));
		const done = this.#doneWeight();
		if (done <= 0 || this.#copySeconds <= 0) return undefined;
		const seconds = this.#entries.map((entry, index) => {
			const own = ownSpeed(entry);
			if (own !== undefined) return (left[index] ?? 0) / own;
			return (
				(1 - shareOf(entry)) * (this.#rates.seconds(entry.facts) ?? (entry.weight * this.#copySeconds * workers) / done)
			);
		});
		return Math.max(sum(seconds) / workers, largest(seconds));
	}
}

/** Weight per second; undefined before it is known. */
function ownSpeed(entry: Entry): number | undefined {
	const done = doneOf(entry);
	return entry.state === 'running' && entry.seconds >= ownSpeedAfter && done > 0 ? done / entry.seconds : undefined;
}

/** In units of weight. */
function doneOf(entry: Entry): number {
	return entry.weight * shareOf(entry);
}

/** Returns 0 to 1 of a table: by rows, else by bytes, never complete while it runs. */
function shareOf(entry: Entry): number {
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

function describeEntry(entry: Entry): TableProgress {
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

/** Creates weights: seconds of the previous run if there is one, scaled to the table's current size; else bytes. */
function createWeights({past, tables}: EstimatorOptions): (table: TableFacts) => number {
	if (!past) return table => table.bytes + (toastFactor - 1) * table.toastBytes + overhead;
	const known = tables.flatMap(table => past.table(table.name) ?? []);
	const knownSeconds = sum(known.map(one => one.seconds));
	const knownBytes = sum(known.map(one => one.size));
	const quick = tables.filter(table => !past.table(table.name));
	const quickBytes = sum(quick.map(table => table.bytes + overhead));
	// Tables too quick to be observed share the time that the observed ones leave; new ones get the others' average per
	// byte.
	const rest = Math.max(0, past.seconds - past.before - past.after - knownSeconds);
	const perByte = knownBytes > 0 ? knownSeconds / knownBytes : 1e-8;
	const forQuick = quickBytes > 0 ? Math.max(Math.min(rest / quickBytes, perByte * 10), perByte / 10) : perByte;
	return table => {
		const before = past.table(table.name);
		if (!before) return (table.bytes + overhead) * forQuick;
		const growth = before.size > 0 ? Math.min(5, Math.max(0.2, table.bytes / before.size)) : 1;
		return Math.max(0.001, before.seconds * growth);
	};
}

function largest(values: readonly number[]): number {
	return values.reduce((most, value) => Math.max(most, value), 0);
}

function optional<K extends string>(key: K, value: number | undefined): {readonly [P in K]?: number} {
	return (value === undefined ? {} : {[key]: value}) as {readonly [P in K]?: number};
}
