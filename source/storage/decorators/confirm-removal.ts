import {messageOf} from '../../core/errors.js';
import {type Clock, systemClock} from '../clock.js';
import {isPermanentError, StorageError, storageError} from '../errors.js';
import {removalWaits, stillThere} from '../removal-check.js';
import type {RemoveResult, Storage} from '../storage.js';

/** Keys that a store removes in one call; longer calls would exceed the idle timeout. */
const batchSize = 1000;
/** Up to this many keys are inspected one by one; more are looked for in a listing. */
const fewKeys = 32;
/** Concurrent requests. */
const width = 8;

/**
 * Checks after each removal that the keys are gone: a service or a proxy may confirm a removal and remove nothing.
 * Those that still exist get an error. Few keys are inspected; many cost one listing of what their names have in
 * common. Of a service with versions, it is sufficient that the current one is removed.
 */
export function withConfirmedRemoval(storage: Storage, clock: Clock = systemClock): Storage {
	// After a removal that had no effect, waiting again would only take long.
	let waits = removalWaits;
	return {
		...storage,
		async remove(keys, {signal}) {
			const results = await removeInBatches(storage, keys, signal);
			let open: readonly RemoveResult[] = results.filter(({error, kept}) => error === undefined && kept === undefined);
			for (const wait of [0, ...waits]) {
				if (open.length === 0) break;
				if (wait > 0) await clock.sleep(wait, signal);
				open = await remaining(storage, open, signal);
			}
			if (open.length === 0) return results;
			waits = [];
			const keysLeft = new Set(open.map(({key}) => key));
			return results.map(result =>
				keysLeft.has(result.key) ? {...result, error: notRemoved(storage, result)} : result,
			);
		},
	};
}

function notRemoved({location}: Storage, {key}: RemoveResult): StorageError {
	return storageError('server', {operation: 'remove', location, key}, stillThere, {
		hint: 'check what answers for the remote location (a proxy, a gateway, its permissions), then remove the file by hand',
	});
}

/** Throws only if the first batch fails as a whole; otherwise the error is the result of the remaining keys. */
async function removeInBatches(
	storage: Storage,
	keys: readonly string[],
	signal: AbortSignal,
): Promise<readonly RemoveResult[]> {
	if (keys.length <= batchSize) return storage.remove(keys, {signal});
	const results: RemoveResult[] = [];
	for (let at = 0; at < keys.length; at += batchSize) {
		try {
			for (const result of await storage.remove(keys.slice(at, at + batchSize), {signal})) results.push(result);
		} catch (error) {
			signal.throwIfAborted();
			if (at === 0 || !(error instanceof Error)) throw error;
			for (const key of keys.slice(at)) results.push({key, error});
			break;
		}
	}
	return results;
}

/** Returns those of the removed keys that still exist. */
async function remaining(
	storage: Storage,
	removed: readonly RemoveResult[],
	signal: AbortSignal,
): Promise<readonly RemoveResult[]> {
	if (removed.length <= fewKeys) return inspectAll(storage, removed, signal);
	const listed = await findListed(storage, removed, signal);
	// A listing does not tell an older version, which the removal has uncovered.
	const versioned = listed.filter(({version}) => version !== undefined);
	const others = listed.filter(({version}) => version === undefined);
	return [...others, ...(await inspectAll(storage, versioned, signal))];
}

async function inspectAll(
	storage: Storage,
	removed: readonly RemoveResult[],
	signal: AbortSignal,
): Promise<readonly RemoveResult[]> {
	const there: RemoveResult[] = [];
	const unclear: RemoveResult[] = [];
	const queue = removed.values();
	const inspect = async () => {
		for (const one of queue) {
			try {
				const found = await storage.stat(one.key, {signal});
				if (found && (one.version === undefined || found.version === one.version)) there.push(one);
			} catch (error) {
				signal.throwIfAborted();
				// Without read permission, or of a key that the service cannot have, a listing tells.
				if (!(error instanceof StorageError) || !isPermanentError(error) || error.exhausted)
					throw unconfirmed(storage, error);
				unclear.push(one);
			}
		}
	};
	await Promise.all(Array.from({length: Math.min(width, removed.length)}, inspect));
	return unclear.length === 0 ? there : [...there, ...(await findListed(storage, unclear, signal))];
}

async function findListed(
	storage: Storage,
	removed: readonly RemoveResult[],
	signal: AbortSignal,
): Promise<readonly RemoveResult[]> {
	const wanted = new Map(removed.map(one => [one.key, one]));
	const found: RemoveResult[] = [];
	try {
		for await (const {key} of storage.list(commonPrefix([...wanted.keys()]), {signal})) {
			const one = wanted.get(key);
			if (one) found.push(one);
		}
	} catch (error) {
		signal.throwIfAborted();
		throw unconfirmed(storage, error);
	}
	return found;
}

/** One error for all keys: the next request would fail in the same way. */
function unconfirmed({location}: Storage, error: unknown): unknown {
	if (!(error instanceof StorageError)) return error;
	const reason = `what was removed cannot be confirmed: ${messageOf(error)}`;
	return new StorageError(error.fault, `could not check the removal from ${location}: ${reason}`, {
		hint: error.hint,
		cause: error,
		exhausted: true,
	});
}

function commonPrefix(keys: readonly string[]): string {
	let common = keys[0] ?? '';
	for (const key of keys) while (!key.startsWith(common)) common = common.slice(0, -1);
	return common.isWellFormed() ? common : common.slice(0, -1);
}
