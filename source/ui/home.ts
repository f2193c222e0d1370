/** What the console shows before anything was started: what a backup would do, and the last runs. Read once, when needed. */
import {messageOf} from '../core/errors.js';
import type {EngineHandle, PlanPreview, RunSummary} from '../core/handle.js';

export type Home = {
	readonly plan?: PlanPreview;
	readonly problem?: string;
	/** The newest first. */
	readonly runs?: readonly RunSummary[];
};

export type HomeStore = {
	readonly home: () => Home;
	/** Reads again. */
	readonly load: () => void;
	readonly close: () => void;
};

const shownRuns = 8;

export function createHomeStore(
	handle: Pick<EngineHandle, 'preview' | 'runs' | 'locations'>,
	onChange: () => void,
): HomeStore {
	let home: Home = {};
	const stop = new AbortController();
	const {signal} = stop;
	const put = (patch: Home) => {
		home = {...home, ...patch};
		onChange();
	};

	async function readRuns(): Promise<void> {
		let runs: RunSummary[] = [];
		const [first] = handle.locations();
		if (first === undefined) return put({runs});
		for await (const run of handle.runs(first.id, {signal})) {
			runs = [...runs, run].toSorted((a, b) => b.time - a.time).slice(0, shownRuns);
		}
		put({runs});
	}

	return {
		home: () => home,
		load() {
			const fail = (error: unknown) => {
				if (!signal.aborted) put({problem: messageOf(error)});
			};
			handle.preview([]).then(plan => put({plan}), fail);
			readRuns().catch(fail);
		},
		close: () => stop.abort(),
	};
}
