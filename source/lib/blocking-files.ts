/** Reads and writes descriptors with calls that block: only for a thread that has nothing else to do. */
import {readSync, writevSync} from 'node:fs';
import {afterBytes} from './chunk-list.js';

/** Fills `buffer` from the descriptor's position, and returns the part that was read: less at the end of the file. */
export function readFully(descriptor: number, buffer: Buffer): Uint8Array {
	let length = 0;
	while (length < buffer.length) {
		const bytes = readSync(descriptor, buffer, length, buffer.length - length, null);
		if (bytes === 0) break;
		length += bytes;
	}
	return buffer.subarray(0, length);
}

/** Writes all pieces at the descriptor's position. */
export function writeFully(descriptor: number, pieces: readonly Uint8Array[]): void {
	for (let rest = pieces; rest.length > 0;) rest = afterBytes(rest, writevSync(descriptor, rest));
}
