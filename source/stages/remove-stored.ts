/** Removes objects from the remote: what is stored of a dump that failed, and uploads that are damaged. */
import {messageOf} from '../core/errors.js';
import type {Storage} from '../storage/storage.js';

/** Milliseconds to wait for requests that are being sent when the dump has failed. */
export const abandonGrace = 5000;
/** Milliseconds for the removal, also in a canceled run; what remains then is reported. */
const removalTime = 30_000;

type Remaining = {
	readonly key: string;
	/** For people: `is still` or `may still be`. */
	readonly state: string;
	readonly why: string;
};

/** Removes objects, and returns those that are not known to be gone. */
export async function removeStored(storage: Storage, keys: readonly string[]): Promise<Remaining[]> {
	if (keys.length === 0) return [];
	try {
		const results = await storage.remove(keys, {signal: AbortSignal.timeout(removalTime)});
		return results.flatMap(({key, error, kept, unchecked}) => {
			if (error === undefined && kept === undefined) return [];
			return [{key, state: unchecked === undefined ? 'is still' : 'may still be', why: kept ?? messageOf(error)}];
		});
	} catch (error) {
		return keys.map(key => ({key, state: 'may still be', why: messageOf(error)}));
	}
}
