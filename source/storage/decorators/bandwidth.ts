import {systemClock, type Clock} from '../clock.js';
import type {Storage} from '../storage.js';

/** The bytes of all transfers of `storage` together stay under `bytesPerSecond`, on average over a fraction of a second. */
export function withBandwidth(storage: Storage, bytesPerSecond: number, clock: Clock = systemClock): Storage {
	const take = createBucket(bytesPerSecond, clock);
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
					size: source.size,
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

/** A token bucket that holds a tenth of a second: resolves when `bytes` more may pass. */
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
