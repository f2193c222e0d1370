import {type Clock, systemClock} from '../clock.js';
import type {Storage} from '../storage.js';

/** The limit of the transfers of one or several storages. */
export type Bandwidth = {
	readonly bytesPerSecond: number;
	/** Resolves when `bytes` more may pass. */
	readonly take: (bytes: number, signal: AbortSignal) => Promise<void>;
};

/**
 * Limits all transfers of `storage` together to `limit`, in bytes per second on average over a fraction of a second, or
 * to what several storages share.
 */
export function withBandwidth(storage: Storage, limit: number | Bandwidth, clock: Clock = systemClock): Storage {
	const {bytesPerSecond, take} = typeof limit === 'number' ? createBandwidth(limit, clock) : limit;
	const piece = Math.min(65_536, Math.max(1024, Math.floor(bytesPerSecond / 10)));
	async function* slowly(chunks: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
		for await (const chunk of chunks) {
			for (let at = 0; at < chunk.length; at += piece) {
				const part = chunk.subarray(at, at + piece);
				await take(part.length, signal);
				yield part;
			}
		}
	}
	return {
		...storage,
		put(key, source, options) {
			const {readInto} = source;
			return storage.put(
				key,
				{
					...source,
					read: (offset, signal) => slowly(source.read(offset, signal), signal),
					readInto:
						readInto &&
						(async (target, offset, signal) => {
							const bytes = await readInto(target.subarray(0, piece), offset, signal);
							await take(bytes, signal);
							return bytes;
						}),
				},
				options,
			);
		},
		get: (key, options) => slowly(storage.get(key, options), options.signal),
	};
}

export function createBandwidth(bytesPerSecond: number, clock: Clock = systemClock): Bandwidth {
	return {bytesPerSecond, take: createBucket(bytesPerSecond, clock)};
}

/** Creates a token bucket that holds a tenth of a second. Resolves when `bytes` more may pass. */
export function createBucket(
	bytesPerSecond: number,
	clock: Clock,
): (bytes: number, signal: AbortSignal) => Promise<void> {
	const burst = 100;
	let freeAt = clock.now();
	return async (bytes, signal) => {
		const now = clock.now();
		freeAt = Math.max(freeAt, now - burst) + (bytes / bytesPerSecond) * 1000;
		if (freeAt > now) await clock.sleep(freeAt - now, signal);
	};
}
