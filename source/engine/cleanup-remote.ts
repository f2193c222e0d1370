import {plural} from '../lib/format.js';
import type {RunContext, RunResult} from './context.js';
import {resultOf} from './outcome.js';
import {openRemote, type Store} from './remote.js';

/** What is younger may still be under way. */
const graceful = 24 * 3_600_000;

/** Aborts the unfinished uploads below our prefix that are older than a day: nobody will finish them, and they cost money. */
export async function cleanupRemote(run: RunContext, store: Store): Promise<RunResult> {
	const remote = await openRemote(run, store);
	try {
		const {storage, prefix, location} = remote;
		if (!storage.cleanup) {
			run.emit({type: 'log', level: 'info', text: `${location} keeps no unfinished uploads`});
			return resultOf([], run.signal);
		}
		const keys = await storage.cleanup(prefix, {signal: run.signal, olderThan: run.now().getTime() - graceful});
		for (const key of keys)
			run.emit({type: 'file.removed', path: key, location, reason: 'its upload was never finished'});
		run.emit({type: 'log', level: 'info', text: `aborted ${plural(keys.length, 'unfinished upload')} at ${location}`});
		return resultOf([], run.signal);
	} finally {
		await remote.close();
	}
}
