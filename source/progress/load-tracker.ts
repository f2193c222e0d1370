/**
 * The progress of restoring one database, from the output of pg_restore and the server's view of its sessions. Pure.
 */
import type {JobProgress, TableProgress} from '../core/events.js';
import type {LoadSession} from '../postgres/load-sample.js';
import type {StageSample} from '../runs/ticker.js';
import type {NewPast} from './history.js';
import type {JobPast, TablePast} from './tables.js';

/** The data of a table, or an index or a constraint that is built after the data. */
export type RestoreItem = {
	/** `schema.name`, for an index or a constraint with its kind from pg_restore: `INDEX public.i`. */
	readonly name: string;
	readonly isData: boolean;
	/** Bytes in the archive, an estimate for items without data. */
	readonly bytes: number;
	/** If they were counted at the time of the dump. */
	readonly rows?: number;
};

export type ExpectedRestore = {
	/** The id of the job. */
	readonly id: string;
	/** For the next restore or drill: the dumped database. */
	readonly name: string;
	/** The database that it is loaded into. */
	readonly database: string;
	/** Stored bytes of the dump. */
	readonly bytes: number;
	/** Empty for a plain dump. */
	readonly items: readonly RestoreItem[];
	/** The dump is downloaded before anything is loaded. */
	readonly fetches: boolean;
	/** Indexes are built while the data of other tables is loaded. */
	readonly buildsEarly: boolean;
};

type Entry = {
	readonly item: RestoreItem;
	/** Seconds if a previous restore is known, else bytes. */
	readonly weight: number;
	state: 'waiting' | 'running' | 'done';
	/** 0 to 1, while it runs. */
	share: number;
	rows: number;
	bytes: number;
	/** Stored bytes of its data that were read, if that is known. */
	read: number;
	startedAt: number;
	seconds: number;
};

/** The cost of each item in addition to its bytes, in bytes. */
const overhead = 64 * 1024;
/** The part of a dump's bytes that its download is worth, if no previous restore is known. */
const fetchShare = 0.1;
/** A smaller part of the weight is not enough to estimate the remaining time. */
const enough = 0.03;

export class LoadTracker {
	readonly job: ExpectedRestore;
	readonly #past: JobPast | undefined;
	readonly #startedAt: number;
	readonly #entries: readonly Entry[];
	readonly #byName: ReadonlyMap<string, Entry>;
	readonly #onData: () => void;
	#current: Entry | undefined;
	#loadedFrom: number | undefined;
	#itemsEnded: number | undefined;
	#activity: string | undefined;
	#tables: readonly TableProgress[] = [];
	#highest = 0;
	#isDataDone = false;
	/** Running at the last sample of the server. */
	#seen: ReadonlySet<Entry> = new Set();
	#onlyBuilding = 0;

	/**
	 * `onData` is called once, when the data of all tables is loaded and indexes are still to be built. Times in
	 * milliseconds.
	 */
	constructor(job: ExpectedRestore, past: JobPast | undefined, startedAt: number, onData: () => void) {
		this.job = job;
		this.#past = past;
		this.#startedAt = startedAt;
		this.#onData = onData;
		this.#entries = job.items.map(item => ({
			item,
			weight: past ? (past.table(item.name)?.seconds ?? 0.001) : item.bytes + overhead,
			state: 'waiting',
			share: 0,
			rows: 0,
			bytes: 0,
			read: 0,
			startedAt: 0,
			seconds: 0,
		}));
		this.#byName = new Map(this.#entries.map(entry => [entry.item.name, entry]));
	}

	/**
	 * Parses a line of `pg_restore -v` without -j, where each item begins when the previous one has ended. Returns true
	 * for an informational line.
	 */
	note(line: string, time: number): boolean {
		const text = informationIn(line);
		if (text === undefined) return false;
		this.#loadedFrom ??= time;
		const table = tableBegunIn(line);
		const [, kind = '', name = ''] = /^creating ([A-Z ]+) "(.*)"$/s.exec(text) ?? [];
		if (table === undefined && kind === '') return true;
		this.#end(this.#current, time);
		this.#current = this.#byName.get(table ?? `${kind} ${name}`);
		// Indexes follow the data of all tables and large objects, about which nothing is printed.
		if (this.#current?.item.isData === false) this.dataEnded(time);
		this.#begin(this.#current, time);
		return true;
	}

	/** One of several processes has read `bytes` more of the data of a table: 0 when it begins. */
	dataRead(name: string, bytes: number, time: number): void {
		const entry = this.#byName.get(name);
		if (!entry?.item.isData || entry.state === 'done') return;
		this.#loadedFrom ??= time;
		this.#begin(entry, time);
		entry.read += bytes;
		entry.share = Math.max(entry.share, Math.min(0.99, entry.read / Math.max(1, entry.item.bytes)));
	}

	/** One of several processes has loaded the data of a table. */
	dataLoaded(name: string, time: number): void {
		const entry = this.#byName.get(name);
		if (entry?.item.isData) this.#end(entry, time);
	}

	/** All data is loaded: a first pg_restore, which loads only that, has ended. */
	dataEnded(time: number): void {
		for (const entry of this.#entries) if (entry.item.isData) this.#end(entry, time);
		this.#checkData();
	}

	/** pg_restore has exited successfully. */
	itemsEnded(time: number): void {
		for (const entry of this.#entries) this.#end(entry, time);
		this.#itemsEnded = time;
		this.#activity = undefined;
		this.#tables = [];
	}

	/** Adds the server's view of loading sessions, including this job's. */
	add(sessions: readonly LoadSession[], time: number): void {
		if (this.#itemsEnded !== undefined) return;
		const ours = sessions.filter(one => one.database === this.job.database);
		if (ours.length > 0) this.#loadedFrom ??= time;
		const seen = new Set<Entry>();
		this.#tables = ours.flatMap(({copy}) => {
			if (!copy) return [];
			const entry = this.#byName.get(copy.table);
			const {bytes = 0, rows = 0} = copy;
			if (entry) {
				seen.add(entry);
				this.#begin(entry, time);
				Object.assign(entry, {rows, bytes, share: Math.max(entry.share, dataShare(entry, rows))});
			}
			const fraction = entry && entry.share > 0 ? {fraction: entry.share} : {};
			return [{name: copy.table, bytes, rows, ...fraction}];
		});
		const building = ours.flatMap(({index}) => (index ? [index] : []));
		this.#activity = building.map(describeIndex).join(', ') || undefined;
		for (const {name, fraction = 0} of building) {
			const entry = this.#entries.find(({item}) => !item.isData && isNamed(item, name));
			if (!entry) continue;
			seen.add(entry);
			this.#begin(entry, time);
			entry.share = Math.max(entry.share, fraction);
		}
		for (const entry of this.#seen) if (!seen.has(entry) && entry !== this.#current) this.#end(entry, time);
		this.#seen = seen;
		// Between two tables nothing is copied either, so two samples are required.
		this.#onlyBuilding = building.length > 0 && this.#tables.length === 0 ? this.#onlyBuilding + 1 : 0;
		if (!this.job.buildsEarly && this.#onlyBuilding > 1) this.dataEnded(time);
	}

	progress(time: number, stages: StageSample): Omit<JobProgress, 'job' | 'stages'> {
		const data = this.#entries.filter(entry => entry.item.isData);
		const loaded = data.reduce((sum, entry) => sum + entry.item.bytes * shareOf(entry), 0);
		const fraction = this.#fraction(stages);
		const eta = this.#remaining(time, stages);
		return {
			...(fraction !== undefined && {fraction, estimated: true}),
			...(eta !== undefined && {eta}),
			...(this.#tables.length > 0 && {tables: this.#tables}),
			...(data.length > 0 && {
				tablesDone: data.filter(entry => entry.state === 'done').length,
				tablesTotal: data.length,
			}),
			...(loaded > 0 && {read: loaded, readTotal: data.reduce((sum, entry) => sum + entry.item.bytes, 0)}),
			...(this.#activity !== undefined && {activity: this.#activity}),
		};
	}

	/** Returns the data for the next restore, when the job has succeeded. */
	past(time: number): NewPast {
		const tables = this.#entries.map(({item, seconds, bytes, rows}) => ({
			name: item.name,
			past: {seconds, size: item.bytes, bytes, rows} satisfies TablePast,
		}));
		const ended = this.#itemsEnded ?? time;
		return {
			at: time,
			seconds: (time - this.#startedAt) / 1000,
			before: ((this.#loadedFrom ?? ended) - this.#startedAt) / 1000,
			after: (time - ended) / 1000,
			bytes: this.job.bytes,
			tables: tables.filter(one => one.past.seconds > 0),
		};
	}

	#begin(entry: Entry | undefined, time: number): void {
		if (!entry || entry.state !== 'waiting') return;
		entry.state = 'running';
		entry.startedAt = time;
	}

	#end(entry: Entry | undefined, time: number): void {
		if (!entry || entry.state === 'done') return;
		if (entry.state === 'running') entry.seconds = (time - entry.startedAt) / 1000;
		entry.state = 'done';
		this.#checkData();
	}

	#checkData(): void {
		if (this.#isDataDone || this.#entries.some(({item, state}) => item.isData && state !== 'done')) return;
		this.#isDataDone = true;
		if (this.#entries.some(({item, state}) => !item.isData && state !== 'done')) this.#onData();
	}

	#weights(): {readonly before: number; readonly items: number; readonly after: number} {
		const items = this.#entries.reduce((sum, entry) => sum + entry.weight, 0);
		if (this.#past) return {before: this.#past.before, items, after: this.#past.after};
		return {before: this.job.fetches ? this.job.bytes * fetchShare : 0, items, after: items * 0.02};
	}

	#done(stages: StageSample): number {
		const {before, items} = this.#weights();
		const fetched = stages.download ? Math.min(1, stages.download.bytesIn / Math.max(1, this.job.bytes)) : 0;
		const begun = this.#loadedFrom === undefined ? before * fetched : before;
		return (
			begun +
			Math.min(
				items,
				this.#entries.reduce((sum, entry) => sum + entry.weight * shareOf(entry), 0),
			)
		);
	}

	#fraction(stages: StageSample): number | undefined {
		// A plain dump is loaded while it is read.
		const share =
			this.#entries.length === 0
				? stages.download && this.job.bytes > 0
					? stages.download.bytesIn / this.job.bytes
					: undefined
				: this.#share(stages);
		if (share === undefined && this.#highest === 0) return undefined;
		this.#highest = Math.max(this.#highest, Math.min(0.995, share ?? 0));
		return this.#highest;
	}

	#share(stages: StageSample): number {
		const {before, items, after} = this.#weights();
		return this.#done(stages) / Math.max(1e-9, before + items + after);
	}

	/** At the pace of this restore so far; before it is known, at that of the previous one. */
	#remaining(time: number, stages: StageSample): number | undefined {
		const elapsed = (time - this.#startedAt) / 1000;
		const share = this.#entries.length === 0 ? this.#fraction(stages) : this.#share(stages);
		if (share !== undefined && share >= enough && share <= 1) return Math.max(0, (elapsed * (1 - share)) / share);
		return this.#past && Math.max(0, this.#past.seconds - elapsed);
	}
}

/** Returns the name of the table whose data `pg_restore -v` begins to load, as of an item. */
export function tableBegunIn(line: string): string | undefined {
	return /^processing data for table "(.*)"$/s.exec(informationIn(line) ?? '')?.[1];
}

/** Returns true for a line that pg_restore writes because of -v. */
export function isInformation(line: string): boolean {
	return informationIn(line) !== undefined;
}

function informationIn(line: string): string | undefined {
	return /^\S*pg_restore: (?!(?:error|warning|fatal|detail|hint): |while |from TOC |\[)(.*)$/s.exec(line)?.[1];
}

/** The server may show an index without its schema, and never its kind. */
function isNamed(item: RestoreItem, index: string): boolean {
	return item.name.endsWith(` ${index}`) || item.name.endsWith(`.${index}`);
}

function shareOf({state, share}: Entry): number {
	return state === 'done' ? 1 : state === 'running' ? share : 0;
}

function dataShare({item}: Entry, rows: number): number {
	return item.rows === undefined || item.rows === 0 ? 0 : Math.min(0.99, rows / item.rows);
}

function describeIndex({name, phase, fraction}: NonNullable<LoadSession['index']>): string {
	const part =
		phase === undefined ? '' : ` (${phase}${fraction === undefined ? '' : `, ${Math.floor(fraction * 100)} %`})`;
	return `index ${name}${part}`;
}
