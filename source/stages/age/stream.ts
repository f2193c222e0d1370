/**
 * The payload of an age file (C2SP age, "Payload"): chunks of 64 KiB, each sealed with ChaCha20-Poly1305 under a nonce of an
 * 11-byte counter and a flag that marks the last one, so that no chunk can be moved, dropped or added.
 */
import {createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject} from 'node:crypto';

/** Bytes of plaintext in every chunk but the last. */
export const chunkSize = 65_536;
export const tagSize = 16;
export const sealedChunkSize = chunkSize + tagSize;
/** Bytes of the nonce between header and chunks. */
export const payloadNonceSize = 16;

const algorithm = 'chacha20-poly1305';
const options = {authTagLength: tagSize};

/** The key of one file's payload. A KeyObject: node:crypto takes a third longer with raw bytes, once per chunk. */
export function payloadKey(fileKey: Uint8Array, nonce: Uint8Array): KeyObject {
	return createSecretKey(Buffer.from(hkdfSync('sha256', fileKey, nonce, 'payload', 32)));
}

/** The nonces of one file, in order. The buffer that `next` returns is reused. */
export function createNonces() {
	const nonce = Buffer.alloc(12);
	let counter = 0;
	return {
		/** The nonce of the chunk to come, flagged as the last or not. */
		peek(last: boolean): Buffer {
			nonce.writeUIntBE(counter, 5, 6);
			nonce[11] = last ? 1 : 0;
			return nonce;
		},
		advance(): void {
			counter++;
		},
		get index(): number {
			return counter;
		},
	};
}

/** Seals one chunk, given in pieces, and appends ciphertext and tag to `output`. */
export function sealChunk(
	key: KeyObject,
	nonce: Uint8Array,
	pieces: readonly Uint8Array[],
	output: Uint8Array[],
): void {
	const cipher = createCipheriv(algorithm, key, nonce, options);
	for (const piece of pieces) if (piece.length > 0) output.push(cipher.update(piece));
	cipher.final();
	output.push(cipher.getAuthTag());
}

/** Opens one sealed chunk; undefined when it is not authentic, and then nothing of it has left. */
export function openChunk(key: KeyObject, nonce: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
	const end = sealed.length - tagSize;
	const decipher = createDecipheriv(algorithm, key, nonce, options);
	decipher.setAuthTag(sealed.subarray(end));
	const plain = decipher.update(sealed.subarray(0, end));
	try {
		decipher.final();
	} catch {
		return undefined; // the only thing that final() has to say: the tag does not match
	}
	return plain;
}

/** Bytes of a payload (without header and nonce) of `plainSize` bytes. */
export function sealedSize(plainSize: number): number {
	return plainSize + tagSize * Math.max(1, Math.ceil(plainSize / chunkSize));
}
