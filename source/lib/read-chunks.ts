import {markDisposable} from './release.js';

/** Bytes per chunk. */
const chunkSize = 1 << 20;

/** Fills `target` from byte `offset` on and returns the number of bytes: 0 only at the end. */
export type ReadInto = (target: Uint8Array, offset: number, signal: AbortSignal) => Promise<number>;

/**
 * Yields what `readInto` reads from `offset` to the end, in chunks that the reader owns. Throws its errors, and on
 * abort.
 */
export async function* readChunks(readInto: ReadInto, offset: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
	for (let at = offset; ;) {
		signal.throwIfAborted();
		const chunk = Buffer.allocUnsafeSlow(chunkSize);
		const bytes = await readInto(chunk, at, signal);
		if (bytes === 0) return;
		at += bytes;
		yield markDisposable(chunk.subarray(0, bytes));
	}
}
