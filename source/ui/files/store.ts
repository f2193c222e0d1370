/** The listing of one location as it arrives, and the order in which it is shown. Never blocks for long. */
import {messageOf} from '../../core/errors.js';
import type {EngineHandle, RunSummary} from '../../core/handle.js';
import type {Location} from '../../core/location.js';
import {createArranger} from './arranger.js';
import type {FileOrder, OrderOptions} from './order.js';
import {readListing, readRuns} from './read-listing.js';
import {createFileTable, type FileTable} from './table.js';

/** `stopped`: the user has stopped it; what arrived before is kept. */
export type ListingState = 'idle' | 'listing' | 'done' | 'failed' | 'stopped';

export type FilesStore = {
	/** All configured locations, and the last visited one of another server. */
	readonly locations: () => readonly Location[];
	/** Adds the location of another server, replacing an earlier one. Returns its index. */
	readonly visit: (location: Location) => number;
	readonly table: () => FileTable;
	readonly location: () => Location | undefined;
	readonly state: () => ListingState;
	/** Why the listing failed, or is being retried; what arrived before is kept. */
	readonly problem: () => string | undefined;
	/** Milliseconds since the listing began. */
	readonly elapsed: () => number;
	/** Returns the facts of a run's manifest, if it has been read. */
	readonly summary: (run: string) => RunSummary | undefined;
	/** Returns the latest finished order; undefined before the first. */
	readonly order: () => FileOrder | undefined;
	/** Increases with every visible change. */
	readonly version: () => number;
	/** Lists a location again, and discards the previous one. */
	readonly open: (location: Location, options: OrderOptions) => void;
	/** Filters and sorts again; the old order is shown until the new one is finished. */
	readonly arrange: (options: OrderOptions) => void;
	/** Stops the active listing. */
	readonly stop: () => void;
	/** Stops everything that is active. */
	readonly close: () => void;
};

type Listing = {
	readonly location: Location | undefined;
	readonly table: FileTable;
	readonly summaries: Map<string, RunSummary>;
	readonly stop: AbortController;
	/** Monotonic milliseconds. */
	readonly since: number;
	state: ListingState;
	problem?: string | undefined;
};

const newListing = (location: Location | undefined): Listing => ({
	location,
	table: createFileTable(),
	summaries: new Map(),
	stop: new AbortController(),
	since: performance.now(),
	state: location === undefined ? 'idle' : 'listing',
});

function createLocations({
	locations: configured,
}: Pick<EngineHandle, 'locations'>): Pick<FilesStore, 'locations' | 'visit'> {
	let visited: Location | undefined;
	return {
		locations: () => [...configured(), ...(visited ? [visited] : [])],
		visit(location) {
			const own = configured().findIndex(({id}) => id === location.id);
			if (own >= 0) return own;
			visited = location;
			return configured().length;
		},
	};
}

export function createFilesStore(
	handle: Pick<EngineHandle, 'list' | 'runs' | 'locations'>,
	onChange: () => void,
): FilesStore {
	let version = 0;
	let current = newListing(undefined);
	const changed = () => {
		version++;
		onChange();
	};
	const arranger = createArranger({
		table: () => current.table,
		onMade: changed,
		onFailed(error) {
			current.problem = messageOf(error);
			changed();
		},
	});

	/** Reads the names, then the manifests. */
	async function list(listing: Listing, id: string): Promise<void> {
		const {stop, table, summaries} = listing;
		try {
			await readListing(handle, id, {
				signal: stop.signal,
				table,
				onTrouble(problem) {
					listing.problem = problem;
					changed();
				},
				onProgress() {
					listing.problem = undefined;
					version++;
					arranger.refresh();
				},
			});
			Object.assign(listing, {state: 'done', problem: undefined});
			arranger.arrange();
			changed();
			await readRuns(handle, id, {signal: stop.signal, table, summaries, onProgress: () => version++});
		} catch (error) {
			if (stop.signal.aborted) return;
			listing.problem = messageOf(error);
			if (listing.state === 'listing') listing.state = 'failed';
		}
		arranger.arrange();
		changed();
	}

	return {
		...createLocations(handle),
		table: () => current.table,
		location: () => current.location,
		state: () => current.state,
		problem: () => current.problem,
		elapsed: () => performance.now() - current.since,
		summary: run => current.summaries.get(run),
		order: arranger.order,
		version: () => version,
		open(location, options) {
			current.stop.abort();
			current = newListing(location);
			arranger.restart(options);
			void list(current, location.id);
			changed();
		},
		arrange: arranger.arrange,
		stop() {
			if (current.state !== 'listing') return;
			current.state = 'stopped';
			current.stop.abort();
			arranger.arrange();
			changed();
		},
		close() {
			current.stop.abort();
			arranger.close();
		},
	};
}
