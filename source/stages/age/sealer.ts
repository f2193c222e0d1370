import type {KeyObject} from 'node:crypto';
import {chunkSize, createNonces, sealChunk} from './stream.js';

/** The header of one file (with the payload's nonce), and the key of its payload. */
export type Seal = {readonly header: Uint8Array; readonly key: KeyObject};

export type Sealer = {
	/**
	 * Accepts plaintext (at most 1 MiB at a time keeps the event loop responsive) and returns ciphertext to be written in
	 * order, often none. `chunk` may be reused afterwards; the caller owns the returned arrays.
	 */
	readonly update: (chunk: Uint8Array) => Uint8Array[];
	/** Returns the last bytes of the file. Without them it cannot be decrypted. */
	readonly final: () => Uint8Array[];
};

/**
 * Creates a sealer, which encrypts one payload, chunk by chunk. Must not be used after `final` or after an error.
 * @param pending Memory for one chunk; can be reused for files that are sealed one after the other.
 */
export function createSealer(key: KeyObject, pending: Uint8Array = Buffer.allocUnsafeSlow(chunkSize)): Sealer {
	const nonces = createNonces();
	// The last chunk is sealed with another flag, so a full one is held in `pending` until a byte follows it.
	let held = 0;
	return {
		update(chunk) {
			const output: Uint8Array[] = [];
			let start = 0;
			while (held + chunk.length - start > chunkSize) {
				const end = start + chunkSize - held;
				sealChunk(key, nonces.peek(false), [pending.subarray(0, held), chunk.subarray(start, end)], output);
				nonces.advance();
				start = end;
				held = 0;
			}
			pending.set(chunk.subarray(start), held);
			held += chunk.length - start;
			return output;
		},
		final() {
			const output: Uint8Array[] = [];
			sealChunk(key, nonces.peek(true), [pending.subarray(0, held)], output);
			return output;
		},
	};
}
