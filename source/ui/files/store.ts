/** The listing of one location while it streams in, and the order in which it is shown. Nothing here blocks for long. */
import {setImmediate} from 'node:timers/promises';
import {messageOf} from '../../core/errors.js';
import type {EngineHandle, Location, RunSummary} from '../../core/handle.js';
import {orderFiles, type FileOrder, type OrderOptions} from './order.js';
import {createFileTable, type FileTable} from './table.js';

export type ListingState = 'idle' | 'listing' | 'done' | 'failed';

export type FilesStore = {
	readonly table: () => FileTable;
	readonly location: () => Location | undefined;
	readonly state: () => ListingState;
	/** Why the listing failed; what had come until then stays. */
	readonly problem: () => string | undefined;
	/** What a run's manifest says, where it has been read. */
	readonly summary: (run: string) => RunSummary | undefined;
	/** The newest finished order; undefined before the first. */
	readonly order: () => FileOrder | undefined;
	/** Counts up with every change that is to be seen. */
	readonly version: () => number;
	/** Lists a location anew, and forgets the one before. */
	readonly open: (location: Location, options: OrderOptions) => void;
	/** Filters and sorts otherwise; the old order is shown until the new one is there. */
	readonly arrange: (options: OrderOptions) => void;
	/** Ends all that is under way. */
	readonly close: () => void;
};

/** Names between two looks at the clock, and milliseconds until others have their turn. */
const batch = 64;
const turn = 8;
/** An order of what has come so far is made this often, milliseconds at the least. */
const rearrangeEvery = 400;

export function createFilesStore(handle: Pick<EngineHandle, 'list' | 'runs'>, onChange: () => void): FilesStore {
	let table = createFileTable();
	let location: Location | undefined;
	let state: ListingState = 'idle';
	let problem: string | undefined;
	let order: FileOrder | undefined;
	let options: OrderOptions = {grouped: true, filter: '', sort: 'time', reverse: false};
	let version = 0;
	let summaries = new Map<string, RunSummary>();
	let listing = new AbortController();
	let arranging = new AbortController();
	/** An order is being made. What streams in does not start a second one: it would never come to an end. */
	let busy = false;
	let lastArranged = 0;

	const changed = () => {
		version++;
		onChange();
	};

	async function readNames(id: string, signal: AbortSignal, into: FileTable): Promise<void> {
		let taken = 0;
		let since = performance.now();
		for await (const file of handle.list(id, {signal})) {
			signal.throwIfAborted();
			into.add(file);
			if (++taken % batch !== 0 || performance.now() - since < turn) continue;
			if (!busy && performance.now() - lastArranged > rearrangeEvery) arrange();
			version++;
			await setImmediate();
			since = performance.now();
		}
	}

	async function readSummaries(id: string, signal: AbortSignal, into: Map<string, RunSummary>): Promise<void> {
		for await (const summary of handle.runs(id, {signal})) {
			signal.throwIfAborted();
			into.set(summary.run, summary);
			version++;
		}
	}

	/** Runs `work`; what it throws is shown, unless it was stopped by us. */
	async function watch(work: Promise<void>, signal: AbortSignal, onEnd: () => void): Promise<void> {
		try {
			await work;
			onEnd();
		} catch (error) {
			if (signal.aborted) return;
			problem = messageOf(error);
			state = 'failed';
		}
		arrange();
		changed();
	}

	function arrange(): void {
		busy = true;
		arranging.abort();
		arranging = new AbortController();
		const {signal} = arranging;
		const started = performance.now();
		orderFiles(table, options, signal).then(
			made => {
				busy = false;
				order = made;
				// A long order is not made anew at once, or there would be time for nothing else.
				lastArranged = performance.now() + 2 * (performance.now() - started);
				changed();
			},
			(error: unknown) => {
				if (signal.aborted) return;
				busy = false;
				problem = messageOf(error);
				changed();
			},
		);
	}

	return {
		table: () => table,
		location: () => location,
		state: () => state,
		problem: () => problem,
		summary: run => summaries.get(run),
		order: () => order,
		version: () => version,
		open(next, nextOptions) {
			listing.abort();
			listing = new AbortController();
			table = createFileTable();
			summaries = new Map();
			location = next;
			options = nextOptions;
			state = 'listing';
			problem = undefined;
			order = undefined;
			lastArranged = 0;
			busy = false;
			arranging.abort();
			const {signal} = listing;
			void watch(readNames(next.id, signal, table), signal, () => (state = 'done'));
			void watch(readSummaries(next.id, signal, summaries), signal, () => undefined);
			changed();
		},
		arrange(next) {
			options = next;
			arrange();
		},
		close() {
			listing.abort();
			arranging.abort();
		},
	};
}
