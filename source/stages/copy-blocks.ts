/** Reads the output of a COPY in a worker, with calls that block. */
import {readSync} from 'node:fs';
import {type CopyState, findState, longestState} from '../postgres/copy-state.js';

/** Bytes of what is compressed at once. A block is many times as large as the window of gzip, which each one fills again. */
export const blockSize = 1 << 20;

/** Allocated for the first COPY: one is read at a time. */
let memory: Buffer | undefined;

/**
 * Yields the data in blocks, each valid until the next. Returns the state after the COPY; undefined when the output has
 * ended before. Throws system errors.
 */
export function* copyBlocks(descriptor: number, mark: string): Generator<Buffer, CopyState | undefined> {
	const block = (memory ??= Buffer.allocUnsafeSlow(blockSize + longestState));
	for (let length = 0; ;) {
		const bytes = readSync(descriptor, block, length, block.length - length, null);
		if (bytes === 0) return undefined;
		length += bytes;
		const found = findState(block.subarray(0, length), mark);
		if (found) {
			if (found.start > 0) yield block.subarray(0, found.start);
			return found.state;
		}
		if (length < block.length) continue;
		// The end may be the beginning of the line with the state.
		yield block.subarray(0, blockSize);
		block.copyWithin(0, blockSize);
		length -= blockSize;
	}
}
