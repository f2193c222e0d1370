/** Estimates the progress of one dump from samples of what its sessions copy. Pure: no clock, no I/O. */
import type {TableProgress} from '../core/events.js';
import {RateWindow} from '../lib/rate.js';
import {sum} from '../lib/sum.js';
import {TableRates} from './rates.js';
import {
	describeEntry,
	doneOf,
	type Entry,
	type JobPast,
	ownSpeed,
	ownSpeedAfter,
	type Read,
	shareOf,
	type State,
	type TableFacts,
	type TablePast,
	Tables,
	weigh,
} from './tables.js';

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

const windowMs = 10_000;

/** A sample costs as much as tables are touched by it, not as there are: a database may have many thousands. */
export class JobEstimator {
	readonly #entries: readonly Entry[];
	readonly #byOid: ReadonlyMap<number, Entry>;
	/** Made when it is needed: servers since 14 report the table that is copied by its oid. */
	#byName: ReadonlyMap<string, Entry> | undefined;
	readonly #by: Readonly<Record<State, Tables>> = {waiting: new Tables(), running: new Tables(), done: new Tables()};
	readonly #running = new Set<Entry>();
	readonly #total: number;
	readonly #totalBytes: number;
	readonly #isEstimated: boolean;
	readonly #options: EstimatorOptions;
	readonly #read = new RateWindow(windowMs);
	#time: number | undefined;
	#copySeconds = 0;
	#highest = 0;
	/** The last table in pg_dump's order that was observed, and the first that may be waiting. */
	#frontier = -1;
	#firstWaiting = 0;
	#ended = false;
	readonly #rates: TableRates;
	#rest: Read = {bytes: 0, toastBytes: 0, seconds: 0};

	constructor(options: EstimatorOptions) {
		this.#options = options;
		this.#rates = options.rates ?? new TableRates();
		const tables = options.tables.map(facts => ({facts, past: options.past?.table(facts.name)}));
		const weights = weigh(tables, options.past);
		this.#entries = tables.map(({facts, past}, index) => ({
			facts,
			index,
			weight: weights[index] ?? 0,
			past,
			state: 'waiting',
			seen: false,
			pid: 0,
			bytes: 0,
			rows: 0,
			seconds: 0,
			rest: undefined,
		}));
		const byOid = new Map<number, Entry>();
		for (const entry of this.#entries) if (entry.facts.oid > 0) byOid.set(entry.facts.oid, entry);
		this.#byOid = byOid;
		for (const entry of this.#entries) this.#by.waiting.add(entry);
		const {weight: total, bytes} = this.#by.waiting;
		this.#total = total;
		this.#totalBytes = bytes;
		this.#isEstimated =
			options.past === undefined ||
			this.#entries.some(entry => entry.facts.rows === undefined && entry.weight > total / 100);
	}

	/** Adds a sample. `time` is in milliseconds. `copying`: the tables being copied; empty between two tables. */
	add(time: number, copying: readonly Copying[]): void {
		const seconds = this.#time === undefined ? 0 : (time - this.#time) / 1000;
		this.#time = time;
		const was = new Set(this.#running);
		/** The tables that this sample touches, with what was done of them before. */
		const before = new Map<Entry, number>([...was].map(entry => [entry, doneOf(entry)]));
		const now = new Set<Entry>();
		const ended = new Set<Entry>();
		for (const copy of copying) {
			const entry = this.#find(copy);
			if (!entry) continue;
			if (!before.has(entry)) before.set(entry, doneOf(entry));
			(copy.ended ? ended : now).add(entry);
			entry.seen = true;
			entry.pid = copy.pid;
			entry.bytes = Math.max(entry.bytes, copy.bytes ?? 0);
			entry.rows = Math.max(entry.rows, copy.rows ?? 0);
		}
		for (const entry of [...was, ...ended]) this.#move(entry, 'done');
		for (const entry of now) this.#move(entry, 'running');
		if (was.size > 0 || now.size > 0 || ended.size > 0) this.#copySeconds += seconds;
		for (const entry of this.#markUnobserved([...now, ...ended])) before.set(entry, 0);
		this.#attribute(seconds, was, now, before);
		this.#reportRates(before.keys());
		this.#read.add(time, this.#readBytes());
	}

	#move(entry: Entry, to: State): void {
		this.#by[entry.state].add(entry, -1);
		this.#by[to].add(entry);
		entry.state = to;
		if (to === 'running') this.#running.add(entry);
		else this.#running.delete(entry);
	}

	/**
	 * Attributes the time since the last sample to the tables copied in it. A table that runs in both samples had a
	 * worker for itself; those that began or ended in between, even unseen, share the other workers by what was read of
	 * each.
	 */
	#attribute(
		seconds: number,
		was: ReadonlySet<Entry>,
		now: ReadonlySet<Entry>,
		before: ReadonlyMap<Entry, number>,
	): void {
		const continuing = new Set([...now].filter(entry => was.has(entry)));
		for (const entry of continuing) entry.seconds += seconds;
		const others = [...before].flatMap(([entry, wasDone]) => {
			const gained = doneOf(entry) - wasDone;
			return gained > 0 && !continuing.has(entry) ? [{entry, gained}] : [];
		});
		const workers = Math.max(was.size, now.size, 1) - continuing.size;
		const all = sum(others.map(({gained}) => gained));
		for (const {entry, gained} of others) entry.seconds += (seconds * workers * gained) / all;
	}

	/** Reports what was read so far, for estimates of waiting tables here and in other jobs. */
	#reportRates(touched: Iterable<Entry>): void {
		const name = this.#options.name ?? '';
		for (const entry of touched) {
			const {facts, seconds} = entry;
			if (entry.rest) this.#rest = sumOf(this.#rest, entry.rest, -1);
			entry.rest = undefined;
			const share = shareOf(entry);
			if (share === 0) continue;
			const read = {bytes: facts.bytes * share, toastBytes: facts.toastBytes * share, seconds};
			if (seconds >= ownSpeedAfter) this.#rates.set(`${name} ${facts.name}`, read);
			else {
				entry.rest = read;
				this.#rest = sumOf(this.#rest, read, 1);
			}
		}
		this.#rates.set(name, this.#rest);
	}

	/** Ends the copying: pg_dump has exited successfully. */
	end(): void {
		this.#ended = true;
		for (const entry of this.#entries) this.#move(entry, 'done');
	}

	estimate(): Estimated {
		const done = this.#doneWeight();
		const share = this.#ended ? 1 : Math.min(0.995, this.#total > 0 ? done / this.#total : 0);
		this.#highest = Math.max(this.#highest, share);
		return {
			fraction: this.#highest,
			estimated: this.#isEstimated,
			...optional('remaining', this.#ended ? 0 : this.#remaining()),
			running: [...this.#running].toSorted((a, b) => a.index - b.index).map(describeEntry),
			done: this.#by.done.count,
			total: this.#entries.length,
			read: this.#readBytes(),
			readTotal: this.#totalBytes,
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
		if (byOid || copy.name === undefined) return byOid;
		this.#byName ??= new Map(this.#entries.map(entry => [entry.facts.name, entry]));
		return this.#byName.get(copy.name);
	}

	/**
	 * Marks tables before a running one in pg_dump's order as done: they were too quick to be observed. Returns them.
	 */
	#markUnobserved(now: readonly Entry[]): readonly Entry[] {
		const parallel = this.#options.workers > 1;
		for (const entry of now) this.#frontier = Math.max(this.#frontier, entry.index);
		const frontier = this.#entries[this.#frontier];
		if (!frontier) return [];
		// Workers take equal tables in an unknown order.
		const marked = this.#entries
			.slice(this.#firstWaiting, this.#frontier)
			.filter(({state, facts}) => state === 'waiting' && (!parallel || facts.pages > frontier.facts.pages));
		for (const entry of marked) this.#move(entry, 'done');
		while (this.#firstWaiting < this.#frontier && this.#entries[this.#firstWaiting]?.state !== 'waiting')
			this.#firstWaiting++;
		return marked;
	}

	#doneWeight(): number {
		return this.#by.done.weight + sum([...this.#running].map(doneOf));
	}

	#readBytes(): number {
		return this.#by.done.bytes + sum([...this.#running].map(entry => entry.facts.bytes * shareOf(entry)));
	}

	/** The workers share what is left, but two of them never share a table. */
	#remaining(): number | undefined {
		const {past, workers} = this.#options;
		const {waiting} = this.#by;
		const leftOf = (entry: Entry) => entry.weight * (1 - shareOf(entry));
		if (past) return this.#shared(waiting.weight, entry => entry.weight, leftOf);
		const done = this.#doneWeight();
		if (done <= 0 || this.#copySeconds <= 0) return undefined;
		const perWeight = (this.#copySeconds * workers) / done;
		const secondsOf = ({weight, facts}: Pick<Entry, 'weight' | 'facts'>) =>
			this.#rates.seconds(facts) ?? weight * perWeight;
		const running = (entry: Entry) => {
			const own = ownSpeed(entry);
			return own === undefined ? (1 - shareOf(entry)) * secondsOf(entry) : leftOf(entry) / own;
		};
		// The rates are per byte: the seconds of all are those of their bytes together.
		return this.#shared(this.#rates.seconds(waiting) ?? waiting.weight * perWeight, secondsOf, running);
	}

	/** `all`: the seconds of all waiting tables. */
	#shared(all: number, waiting: (entry: Entry) => number, running: (entry: Entry) => number): number {
		const {workers} = this.#options;
		const left = [...this.#running].map(running);
		const even = (all + sum(left)) / workers;
		if (workers === 1) return even;
		const alone = this.#entries.reduce(
			(most, entry) => (entry.state === 'waiting' ? Math.max(most, waiting(entry)) : most),
			0,
		);
		return Math.max(even, alone, largest(left));
	}
}

function sumOf(a: Read, b: Read, sign: 1 | -1): Read {
	return {
		bytes: a.bytes + sign * b.bytes,
		toastBytes: a.toastBytes + sign * b.toastBytes,
		seconds: a.seconds + sign * b.seconds,
	};
}

function largest(values: readonly number[]): number {
	return values.reduce((most, value) => Math.max(most, value), 0);
}

function optional<K extends string>(key: K, value: number | undefined): {readonly [P in K]?: number} {
	return (value === undefined ? {} : {[key]: value}) as {readonly [P in K]?: number};
}
