import {compareUtf8} from '../../lib/compare-utf8.js';
import {StorageError} from '../errors.js';
import {createRetrier, retrying, type RetryOptions} from '../retrying.js';
import type {GetOptions, Storage} from '../storage.js';

export type RetrySettings = Pick<RetryOptions, 'clock' | 'budget' | 'firstDelay'> & {
	readonly onRetry?: (error: unknown, delay: number, attempt: number) => void;
};

/** Bytes that count as progress: less, such as a byte for each connection, must not go on for ever. */
const progressBytes = 256 * 1024;

/**
 * Retries transient failures: a listing after its last key (if it has an order), a download at its offset, an upload with
 * its journal. The budget counts from the last progress.
 */
export function withRetry(storage: Storage, settings: RetrySettings = {}): Storage {
	const {isPermanent} = storage;
	const retrier = (signal: AbortSignal) => createRetrier({...settings, signal, isPermanent});
	return {
		...storage,
		async *list(prefix, options) {
			const {failed, progressed} = retrier(options.signal);
			let before = '';
			let isSorted = true;
			for (let {after} = options; ;) {
				try {
					for await (const object of storage.list(prefix, {...options, after})) {
						after = object.key;
						const place = object.directory ? `${after}/` : after;
						isSorted &&= compareUtf8(place, before) >= 0;
						before = place;
						progressed();
						yield object;
					}
					return;
				} catch (error) {
					// Resumed at its last key, a listing without an order would lack the smaller ones.
					if (!isSorted) throw error;
					await failed(error);
				}
			}
		},
		get: (key, options) => getResumed(storage, key, options, retrier(options.signal)),
		async put(key, source, options) {
			const {failed, progressed} = retrier(options.signal);
			const {onJournal, onProgress} = options;
			let {journal} = options;
			const count = inSteps(progressed);
			for (;;) {
				try {
					return await storage.put(key, source, {
						...options,
						journal,
						onJournal:
							onJournal &&
							(state => {
								journal = state;
								onJournal(state);
							}),
						onProgress(bytes) {
							count(bytes);
							onProgress?.(bytes);
						},
					});
				} catch (error) {
					if (source.canRestart?.() === false) throw error;
					await failed(error);
				}
			}
		},
		stat: (key, options) =>
			retrying(() => storage.stat(key, options), {...settings, signal: options.signal, isPermanent}),
		remove: (keys, options) =>
			retrying(() => storage.remove(keys, options), {...settings, signal: options.signal, isPermanent}),
	};
}

/** Returns a function to call with the bytes so far, from the beginning of the file. */
function inSteps(progressed: () => void, from = 0): (bytes: number) => void {
	let counted = from;
	return bytes => {
		if (bytes < counted + progressBytes) return;
		counted = bytes;
		progressed();
	};
}

/** Requests the rest after each failure, in the same version of the object. */
async function* getResumed(
	storage: Storage,
	key: string,
	options: GetOptions,
	{failed, progressed}: ReturnType<typeof createRetrier>,
): AsyncGenerator<Uint8Array> {
	const {onVersion} = options;
	let {version} = options;
	const count = inSteps(progressed, options.offset);
	for (let {offset = 0} = options; ;) {
		try {
			const attempt = {
				...options,
				offset,
				version,
				onVersion(found: string | undefined) {
					version = found;
					onVersion?.(found);
				},
			};
			for await (const chunk of storage.get(key, attempt)) {
				offset += chunk.length;
				count(offset);
				yield chunk;
			}
			return;
		} catch (error) {
			// Bytes that were yielded cannot be taken back: requesting the rest would hide the damage.
			if (offset > 0 && error instanceof StorageError && error.fault === 'corrupt') throw error;
			await failed(error);
		}
	}
}
