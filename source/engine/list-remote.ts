import type {StorageObject} from '../storage/storage.js';
import type {RunContext} from './context.js';
import {selector} from './patterns.js';
import {impatient, openRemote, type Store} from './remote.js';

/** The objects of a store that the patterns select, as they arrive. Directories of SFTP are left out. */
export async function* listRemote(run: RunContext, store: Store): AsyncGenerator<StorageObject> {
	const remote = await openRemote(run, store, impatient);
	try {
		const select = selector(run.configuration.arguments, remote.prefix);
		for await (const object of remote.list(run.signal)) if (!object.directory && select(object.key)) yield object;
	} finally {
		await remote.close();
	}
}
