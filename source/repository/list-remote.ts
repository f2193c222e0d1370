import type {StoreContext} from '../runs/context.js';
import type {StorageObject} from '../storage/storage.js';
import {openRemote, shortRetries, type Store} from './remote.js';
import {nothingMatches, Selection} from './selection.js';

/**
 * Yields the objects of a store that match the patterns, as they arrive. SFTP directories and hidden names are omitted.
 * Throws NOTHING_TO_DO at the end for a pattern that matched nothing.
 */
export async function* listRemote(run: StoreContext, store: Store): AsyncGenerator<StorageObject> {
	const remote = await openRemote(run, store, shortRetries);
	try {
		const {prefix, location} = remote;
		const selection = new Selection(run.configuration.arguments, {prefix, databases: 'all', keep: false});
		for await (const object of remote.list(run.signal)) {
			const {key, size} = object;
			if (!object.directory && selection.add({path: key.slice(prefix.length), size})) yield object;
		}
		const [unmatched] = selection.result().unmatched;
		if (unmatched !== undefined) throw nothingMatches(unmatched, location, selection.seen);
	} finally {
		await remote.close();
	}
}
