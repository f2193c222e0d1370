/** What the console shows before any work: the age of the dumps, the last runs, and what a backup would do. */
import {messageOf} from '../core/errors.js';
import type {DatabaseAge, EngineHandle, PlanPreview, RunElsewhere, RunSummary} from '../core/handle.js';

export type Home = {
	/** The labels of all locations. */
	readonly places?: readonly string[];
	/** Active runs of other processes in the backup directory. */
	readonly elsewhere?: readonly RunElsewhere[];
	readonly plan?: PlanPreview;
	/** Why there is no plan: usually because the server cannot be reached. */
	readonly planProblem?: string;
	/** Newest first. */
	readonly runs?: readonly RunSummary[];
	/** Over all locations; the oldest first, after those without a good dump. */
	readonly ages?: readonly DatabaseAge[];
	/** Errors of reading the dumps, by location. */
	readonly problems?: readonly string[];
};

export type HomeStore = {
	readonly home: () => Home;
	/** Reads everything that is not being read already. */
	readonly load: () => void;
	/**
	 * Like `load` at the first call; then reads again what has failed, or is older than a minute. A remote location only
	 * if it was never read.
	 */
	readonly refresh: () => void;
	/** Ends what is being read: what is not shown must not slow down what is. */
	readonly pause: () => void;
	readonly close: () => void;
};

const shownRuns = 8;
/** Milliseconds. */
const freshFor = 60_000;

export type HomeHandle = Pick<EngineHandle, 'preview' | 'runs' | 'locations' | 'ages' | 'runsElsewhere'>;

export function createHomeStore(handle: HomeHandle, onChange: () => void): HomeStore {
	let home: Home = {};
	let isClosed = false;
	const put = (patch: Home) => {
		home = {...home, ...patch};
		if (!isClosed) onChange();
	};
	const {read, isOld, wasRead, stop} = createReadings();
	const ages = new Map<string, readonly DatabaseAge[]>();
	const problems = new Map<string, string>();

	function readPlan(): void {
		read(
			'plan',
			async () => put({plan: await handle.preview([], {listRemote: false}), planProblem: undefined}),
			planProblem => put({planProblem}),
		);
	}

	function readElsewhere(): void {
		// Errors of reading the directory are reported by the other reads.
		read(
			'elsewhere',
			async () => put({elsewhere: await handle.runsElsewhere()}),
			() => put({elsewhere: []}),
		);
	}

	function readRuns(): void {
		const [first] = handle.locations();
		if (first === undefined) return put({runs: []});
		const work = async (signal: AbortSignal) => put({runs: await newestRuns(handle.runs(first.id, {signal}))});
		read('runs', work, message => put({runs: home.runs ?? [], problems: [message]}));
	}

	function readAges(isDue: (what: string, remote: boolean) => boolean): void {
		for (const {id, label, remote} of handle.locations()) {
			const what = `ages ${id}`;
			if (!isDue(what, remote)) continue;
			const show = () => put({ages: mergeAges([...ages.values()].flat()), problems: [...problems.values()]});
			read(
				what,
				async signal => {
					ages.set(id, await handle.ages(id, {signal}));
					problems.delete(id);
					show();
				},
				message => {
					problems.set(id, `${label}: ${message}`);
					show();
				},
			);
		}
	}

	function load(): void {
		put({places: handle.locations().map(location => location.label)});
		readElsewhere();
		readPlan();
		readRuns();
		readAges(() => true);
	}

	return {
		home: () => home,
		load,
		refresh() {
			if (home.places === undefined) return load();
			readElsewhere();
			if (home.planProblem !== undefined || isOld('plan')) readPlan();
			if (isOld('runs')) readRuns();
			readAges((what, remote) => (remote ? !wasRead(what) : isOld(what)));
		},
		pause: stop,
		close() {
			isClosed = true;
			stop();
		},
	};
}

async function newestRuns(all: AsyncIterable<RunSummary>): Promise<readonly RunSummary[]> {
	let runs: RunSummary[] = [];
	for await (const run of all) runs = [...runs, run].toSorted((a, b) => b.time - a.time).slice(0, shownRuns);
	return runs;
}

type Readings = {
	/** Does nothing while the same is being read. */
	readonly read: (
		what: string,
		work: (signal: AbortSignal) => Promise<void>,
		onFailure: (message: string) => void,
	) => void;
	readonly isOld: (what: string) => boolean;
	readonly wasRead: (what: string) => boolean;
	/** Aborts what is being read, as if it had not begun. */
	readonly stop: () => void;
};

/** Allows one read of each kind at a time, and remembers when the last one ended. */
function createReadings(): Readings {
	const reading = new Set<string>();
	/** Monotonic milliseconds. */
	const readAt = new Map<string, number>();
	let running = new AbortController();
	return {
		read(what, work, onFailure) {
			if (reading.has(what)) return;
			reading.add(what);
			const {signal} = running;
			work(signal)
				.catch((error: unknown) => {
					if (!signal.aborted) onFailure(messageOf(error));
				})
				.finally(() => {
					reading.delete(what);
					if (!signal.aborted) readAt.set(what, performance.now());
				});
		},
		isOld: what => performance.now() - (readAt.get(what) ?? -Infinity) > freshFor,
		wasRead: what => readAt.has(what),
		stop() {
			running.abort();
			running = new AbortController();
		},
	};
}

/** Returns one entry per database, with its newest values; the oldest first. */
export function mergeAges(found: readonly DatabaseAge[]): readonly DatabaseAge[] {
	const merged = new Map<string, DatabaseAge>();
	const later = (a: number | undefined, b: number | undefined) =>
		a === undefined || b === undefined ? (a ?? b) : Math.max(a, b);
	for (const one of found) {
		const other = merged.get(one.database);
		merged.set(one.database, {
			database: one.database,
			newest: later(one.newest, other?.newest),
			proven: later(one.proven, other?.proven),
			restored: later(one.restored, other?.restored),
		});
	}
	return [...merged.values()].toSorted(
		(a, b) => (a.newest ?? 0) - (b.newest ?? 0) || (a.database < b.database ? -1 : 1),
	);
}
