import {plural} from '../lib/format.js';
import type {RunResult, StoreContext} from '../runs/context.js';
import {resultOf} from '../runs/outcome.js';
import {openRemote, type Store} from './remote.js';

/** Milliseconds. Younger uploads may still be active. */
const graceful = 24 * 3_600_000;

/**
 * Aborts unfinished uploads below our prefix that are older than a day: they are never resumed, and they cost money.
 */
export async function cleanupRemote(run: StoreContext, store: Store): Promise<RunResult> {
	const remote = await openRemote(run, store);
	try {
		const {storage, prefix, location} = remote;
		if (!storage.cleanup) {
			run.emit({type: 'log', level: 'info', text: `${location} does not keep unfinished uploads`});
			return resultOf([], run.signal);
		}
		const keys = await storage.cleanup(prefix, {signal: run.signal, olderThan: run.now().getTime() - graceful});
		for (const key of keys) run.emit({type: 'file.removed', path: key, location, reason: 'unfinished upload'});
		run.emit({type: 'log', level: 'info', text: `aborted ${plural(keys.length, 'unfinished upload')} at ${location}`});
		return resultOf([], run.signal);
	} finally {
		await remote.close();
	}
}
