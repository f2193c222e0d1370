/** Reading a location into a table, with turns for others between. */
import {setImmediate} from 'node:timers/promises';
import type {EngineHandle, RunSummary} from '../../core/handle.js';
import type {FileTable} from './table.js';

/** Names between two looks at the clock, and milliseconds until others have their turn. */
const batch = 64;
const turn = 8;

/** Reads the names of a location into a table, and gives way to others now and then. Rejects when `signal` is aborted. */
export async function readListing(
	handle: Pick<EngineHandle, 'list'>,
	location: string,
	options: {
		readonly signal: AbortSignal;
		readonly table: FileTable;
		/** Called after each turn in which names have come. */
		readonly onProgress: () => void;
		/** Told why an attempt failed that is made again. */
		readonly onTrouble: (reason: string) => void;
	},
): Promise<void> {
	const {signal, table, onProgress, onTrouble} = options;
	let taken = 0;
	let since = performance.now();
	for await (const file of handle.list(location, {signal, onTrouble})) {
		signal.throwIfAborted();
		table.add(file);
		if (++taken % batch !== 0 || performance.now() - since < turn) continue;
		onProgress();
		await setImmediate();
		since = performance.now();
	}
}

/** Reads what the manifests say, by run, and puts the dumps of the table into their runs. Rejects when `signal` is aborted. */
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
