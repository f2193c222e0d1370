/** Reads a location into a table, in slices, so that other work can run in between. */
import type {EngineHandle, RunSummary} from '../../core/handle.js';
import {createSlicer} from './slices.js';
import type {FileTable} from './table.js';

/** Names between two checks of the clock. */
const batch = 64;

/** Reads the names of a location into a table, and yields to other work regularly. Rejects when `signal` aborts. */
export async function readListing(
	handle: Pick<EngineHandle, 'list'>,
	location: string,
	options: {
		readonly signal: AbortSignal;
		readonly table: FileTable;
		/** Called after each slice in which names have arrived. */
		readonly onProgress: () => void;
		/** Called with the reason when an attempt has failed and is repeated. */
		readonly onTrouble: (reason: string) => void;
	},
): Promise<void> {
	const {signal, table, onProgress, onTrouble} = options;
	const slicer = createSlicer(signal);
	let taken = 0;
	for await (const file of handle.list(location, {signal, onTrouble})) {
		signal.throwIfAborted();
		table.add(file);
		const pause = ++taken % batch === 0 ? slicer.pause() : undefined;
		if (!pause) continue;
		onProgress();
		await pause;
	}
}

/** Reads the manifests, and assigns the dumps of the table to their runs. Rejects when `signal` aborts. */
export async function readRuns(
	handle: Pick<EngineHandle, 'runs'>,
	location: string,
	options: {
		readonly signal: AbortSignal;
		readonly table: FileTable;
		readonly summaries: Map<string, RunSummary>;
		readonly onProgress: () => void;
	},
): Promise<void> {
	const {signal, table, summaries, onProgress} = options;
	for await (const summary of handle.runs(location, {signal})) {
		signal.throwIfAborted();
		summaries.set(summary.run, summary);
		table.apply(summary);
		onProgress();
	}
	table.settle();
}
