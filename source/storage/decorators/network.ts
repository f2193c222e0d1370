import {readChunks} from '../../lib/read-chunks.js';
import {isPermanentError} from '../errors.js';
import type {NetworkWatch} from '../network-watch.js';
import type {PutSource, Storage} from '../storage.js';

type Transfer = ReturnType<NetworkWatch['begin']>;

/** Tells `watch` of every transfer, and of each attempt that fails. Stands inside of the retries. */
export function withNetworkWatch(storage: Storage, watch: NetworkWatch): Storage {
	const failed = (error: unknown, signal: AbortSignal): unknown => {
		if (!signal.aborted && !isPermanentError(error)) watch.failed(error);
		return error;
	};
	return {
		...storage,
		async put(key, source, options) {
			const transfer = watch.begin();
			try {
				const result = await storage.put(key, pausing(source, transfer), {
					...options,
					onProgress(bytes) {
						if (bytes > 0) watch.moved();
						options.onProgress?.(bytes);
					},
				});
				watch.moved();
				return result;
			} catch (error) {
				throw failed(error, options.signal);
			} finally {
				transfer.end();
			}
		},
		async *get(key, options) {
			const transfer = watch.begin();
			try {
				for await (const chunk of storage.get(key, options)) {
					watch.moved();
					transfer.pause();
					yield chunk;
					transfer.resume();
				}
			} catch (error) {
				throw failed(error, options.signal);
			} finally {
				transfer.end();
			}
		},
	};
}

/** While our own source is waited for, the network has nothing to take. */
function pausing(source: PutSource, transfer: Transfer): PutSource {
	const {read, readInto} = source;
	const ours = async <T>(work: () => Promise<T>): Promise<T> => {
		transfer.pause();
		try {
			return await work();
		} finally {
			transfer.resume();
		}
	};
	if (readInto) {
		const timed: typeof readInto = (target, offset, signal) => ours(() => readInto(target, offset, signal));
		return {...source, read: (offset, signal) => readChunks(timed, offset, signal), readInto: timed};
	}
	return {
		...source,
		async *read(offset, signal) {
			const iterator = read(offset, signal)[Symbol.asyncIterator]();
			try {
				for (;;) {
					const next = await ours(() => iterator.next());
					if (next.done) return;
					yield next.value;
				}
			} finally {
				await iterator.return?.();
			}
		},
	};
}
