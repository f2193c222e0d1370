import {messageOf} from '../../core/errors.js';
import {compareUtf8} from '../../lib/compare-utf8.js';
import {display} from '../../lib/display.js';
import {createCollector} from '../../lib/memory.js';
import {type Clock, systemClock} from '../clock.js';
import {isPermanentError, StorageError, storageError} from '../errors.js';
import {removalWaits, stillThere} from '../removal-check.js';
import type {RemoveOptions, RemoveResult, Storage} from '../storage.js';

/** Keys that a store removes in one call; longer calls would exceed the idle timeout. */
const batchSize = 1000;
/** Up to this many keys are inspected one by one; more are looked for in a listing. */
const fewKeys = 32;
/** Concurrent requests. */
const width = 8;

/**
 * Checks after each removal that the keys are gone: a service or a proxy may confirm a removal and remove nothing.
 * Those that still exist get an error. Few keys are inspected; many cost one listing of what their names have in
 * common, from the first to the last. Of a service with versions, it is sufficient that the current one is removed.
 * Throws only when no removal was confirmed; otherwise each key has a result, also when it was canceled, or when the
 * check failed.
 */
export function withConfirmedRemoval(storage: Storage, clock: Clock = systemClock): Storage {
	// After a removal that had no effect, waiting again would only take long.
	let waits = removalWaits;
	// Requests of a thousand keys make much garbage.
	const collect = createCollector(10_000);
	/** Returns the keys that still exist after all waits. */
	const stillThereOf = async (removed: readonly RemoveResult[], signal: AbortSignal) => {
		let open = removed;
		for (const wait of [0, ...waits]) {
			if (open.length === 0) break;
			if (wait > 0) await clock.sleep(wait, signal);
			open = await remaining(storage, open, signal);
		}
		if (open.length > 0) waits = [];
		return new Set(open.map(({key}) => key));
	};
	return {
		...storage,
		async remove(keys, options) {
			const results = await removeInBatches(storage, keys, options);
			collect(keys.length);
			const removed = results.filter(({error, kept}) => error === undefined && kept === undefined);
			try {
				const left = await stillThereOf(removed, options.signal);
				return results.map(result => (left.has(result.key) ? {...result, error: notRemoved(storage, result)} : result));
			} catch (error) {
				const unknown = new Set(removed);
				return results.map(result => (unknown.has(result) ? unchecked(storage, result, error) : result));
			}
		},
	};
}

function notRemoved({location}: Storage, {key}: RemoveResult): StorageError {
	return storageError('server', {operation: 'remove', location, key}, stillThere, {
		hint: 'check what answers for the remote location (a proxy, a gateway, its permissions), then remove the file by hand',
	});
}

/** The service confirmed the removal, but the check has failed. */
function unchecked({location}: Storage, result: RemoveResult, cause: unknown): RemoveResult {
	const known = cause instanceof StorageError ? cause : undefined;
	const text = `could not check the removal of ${display(result.key)} from ${display(location)}`;
	const error = new StorageError(
		known?.fault ?? 'network',
		`${text}: the service confirmed it, but whether the file is gone is not known: ${messageOf(cause)}`,
		{cause, hint: known?.hint},
	);
	return {...result, error, unchecked: 'confirmed'};
}

/** Throws when nothing was removed; otherwise what ended it is the error of the remaining keys. */
async function removeInBatches(
	storage: Storage,
	keys: readonly string[],
	options: RemoveOptions,
): Promise<readonly RemoveResult[]> {
	const {signal, stop} = options;
	signal.throwIfAborted();
	const results: RemoveResult[] = [];
	const confirmed = new Map<string, RemoveResult>();
	const onRemoved = (result: RemoveResult) => {
		confirmed.set(result.key, result);
		options.onRemoved?.(result);
	};
	for (let at = 0; at < keys.length; at += batchSize) {
		const batch = keys.slice(at, at + batchSize);
		try {
			stop?.throwIfAborted();
			for (const result of await storage.remove(batch, {...options, onRemoved})) results.push(result);
		} catch (error) {
			if (!(error instanceof Error) || (at === 0 && confirmed.size === 0 && !signal.aborted)) throw error;
			for (const key of batch) results.push(confirmed.get(key) ?? ended(storage, key, error, signal));
			for (const key of keys.slice(at + batchSize)) results.push({key, error});
			break;
		}
	}
	return results;
}

/** The result of a key in a request that was aborted or has failed. */
function ended({location}: Storage, key: string, error: Error, signal: AbortSignal): RemoveResult {
	if (!signal.aborted) return {key, error};
	const reason = `canceled, and whether the file is gone is not known`;
	const failure = storageError('network', {operation: 'remove', location, key}, reason, {cause: error});
	return {key, error: failure, unchecked: 'requested'};
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
				if (!(error instanceof StorageError) || !isPermanentError(error) || error.exhausted) throw error;
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
	const {prefix, after, last} = rangeOf([...wanted.keys()]);
	const isRange = storage.listsRanges === true;
	const isPast = createEnd(last);
	for await (const {key} of storage.list(prefix, {signal, ...(isRange && after !== '' && {after})})) {
		if (isRange && isPast(key)) break;
		const one = wanted.get(key);
		if (one) found.push(one);
	}
	return found;
}

/** Keys beyond the last one that are read before a listing counts as sorted: one page. */
const sortedKeys = 1000;

/**
 * Returns a function that returns true once no key up to `last` can follow. A service may list without an order: then
 * it never does, so that the whole listing is read.
 */
function createEnd(last: string): (key: string) => boolean {
	let before = '';
	let beyond = 0;
	let isSorted = true;
	return key => {
		isSorted &&= compareUtf8(key, before) >= 0;
		before = key;
		if (compareUtf8(key, last) > 0) beyond++;
		return isSorted && beyond > sortedKeys;
	};
}

/** Returns the prefix that the keys have in common, a text before all of them (or nothing), and the last of them. */
function rangeOf(keys: readonly string[]): {readonly prefix: string; readonly after: string; readonly last: string} {
	let common = keys[0] ?? '';
	let [first, last] = [common, common];
	for (const key of keys) {
		while (!key.startsWith(common)) common = common.slice(0, -1);
		if (compareUtf8(key, first) < 0) first = key;
		if (compareUtf8(key, last) > 0) last = key;
	}
	return {prefix: wellFormed(common), after: wellFormed(first.slice(0, -1)), last};
}

function wellFormed(text: string): string {
	return text.isWellFormed() ? text : text.slice(0, -1);
}
