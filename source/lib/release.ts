/**
 * Releases the memory of `arrays` immediately, instead of at the next garbage collection: for gigabytes of 64 KiB
 * ciphertexts this halves the processor time and keeps the next allocation in the cache. The arrays are empty
 * afterwards. Must only be called when writing them has *ended*, and nothing else uses them. Arrays that share their
 * memory with others are not released.
 */
export function releaseMemory(arrays: readonly Uint8Array[]): void {
	for (const {buffer, byteLength} of arrays) {
		if (byteLength >= smallest && buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
	}
}

/** Bytes; detaching a smaller array costs more than it saves. */
const smallest = 4096;
