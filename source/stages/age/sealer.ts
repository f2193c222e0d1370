import type {KeyObject} from 'node:crypto';
import {chunkSize, createNonces, sealChunk} from './stream.js';

/** One file's header (with the payload's nonce), and the key of its payload. */
export type Seal = {readonly header: Uint8Array; readonly key: KeyObject};

export type Sealer = {
	/**
	 * Takes plaintext (up to 1 MiB at a time keeps an event loop free) and returns ciphertext to be written in order, often
	 * none. `chunk` may be reused afterwards; the returned arrays are the caller's.
	 */
	readonly update: (chunk: Uint8Array) => Uint8Array[];
	/** The last bytes of the file. Without them it cannot be decrypted. */
	readonly final: () => Uint8Array[];
};

/**
 * Seals one payload, chunk by chunk. Not to be used after `final`, nor after an error.
 * @param pending A chunk's memory; whoever seals many files one after the other can give the same each time.
 */
export function createSealer(key: KeyObject, pending: Uint8Array = Buffer.allocUnsafeSlow(chunkSize)): Sealer {
	const nonces = createNonces();
	// The last chunk is sealed otherwise than the others, so a full one waits in `pending` until a byte follows it.
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
