/**
 * Gives the memory of `arrays` back at once, instead of at the next garbage collection: with 64 KiB ciphertexts by the gigabyte
 * that halves the processor time and keeps the next allocation in the cache. The arrays are empty afterwards. Call it only
 * when a write of them has *ended*, and nobody else holds them. Arrays that share their memory with others are left alone.
 */
export function releaseMemory(arrays: readonly Uint8Array[]): void {
	for (const {buffer, byteLength} of arrays) {
		if (byteLength >= smallest && buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
	}
}

/** Bytes; below it, detaching costs more than it gives. */
const smallest = 4096;
