import {createHash, type Hash} from 'node:crypto';
import type {FileHandle} from 'node:fs/promises';
import type {ChecksumAlgorithm} from '../core/formats.js';

/** Lower-case hexadecimal, by algorithm. */
export type Digests = {readonly [A in ChecksumAlgorithm]?: string};

/** Computes several checksums of the same bytes in one pass, and counts the bytes. */
export class MultiHash {
	bytes = 0;
	readonly #hashes: readonly (readonly [ChecksumAlgorithm, Hash])[];
	#digests: Digests | undefined;

	constructor(algorithms: readonly ChecksumAlgorithm[]) {
		this.#hashes = [...new Set(algorithms)].map(algorithm => [algorithm, createHash(algorithm)] as const);
	}

	update(chunk: Uint8Array): void {
		this.bytes += chunk.byteLength;
		for (const [, hash] of this.#hashes) hash.update(chunk);
	}

	/** Returns the checksums of all bytes; there must be no more. */
	digests(): Digests {
		return (this.#digests ??= Object.fromEntries(
			this.#hashes.map(([algorithm, hash]) => [algorithm, hash.digest('hex')]),
		));
	}

	/** Returns the SHA-256, which must be one of the algorithms, of the bytes so far. */
	sha256SoFar(): string {
		if (this.#digests) return this.#digests.sha256 ?? '';
		const hash = this.#hashes.find(([algorithm]) => algorithm === 'sha256')?.[1];
		return hash?.copy().digest('hex') ?? '';
	}
}

/** Bytes per read; the event loop runs between two reads (1 MiB of SHA-256 takes under a millisecond). */
export const readSize = 1 << 20;

/**
 * Yields all bytes of an open file from `position` on, in pieces of up to 1 MiB. Each piece is valid until the next is
 * requested.
 */
export async function* readHandle(
	handle: FileHandle,
	signal: AbortSignal,
	position = 0,
	buffer: Buffer = Buffer.allocUnsafe(readSize),
): AsyncGenerator<Uint8Array> {
	for (;;) {
		signal.throwIfAborted();
		const {bytesRead} = await handle.read(buffer, 0, readSize, position);
		if (bytesRead === 0) return;
		position += bytesRead;
		yield buffer.subarray(0, bytesRead);
	}
}

/** Reused buffers: a new one for each of many small files would be most of the garbage collector's work. */
const spare: Buffer[] = [];

/** Hashes an open file from its beginning; throws on any read error. A piece is only valid while `onChunk` is called. */
export async function hashHandle(
	handle: FileHandle,
	algorithms: readonly ChecksumAlgorithm[],
	signal: AbortSignal,
	onChunk?: (chunk: Uint8Array) => void,
): Promise<{readonly size: number; readonly digests: Digests}> {
	const hash = new MultiHash(algorithms);
	if (algorithms.length === 0) return {size: (await handle.stat()).size, digests: {}};
	const buffer = spare.pop() ?? Buffer.allocUnsafeSlow(readSize);
	try {
		for await (const chunk of readHandle(handle, signal, 0, buffer)) {
			hash.update(chunk);
			onChunk?.(chunk);
		}
	} finally {
		spare.push(buffer);
	}
	return {size: hash.bytes, digests: hash.digests()};
}
