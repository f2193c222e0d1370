/**
 * The payload of an age file (C2SP age, "Payload"): chunks of 64 KiB, each sealed with ChaCha20-Poly1305. The nonce is
 * an 11-byte counter and a flag for the last chunk, so that no chunk can be moved, dropped or added.
 */
import {createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject} from 'node:crypto';

/** Bytes of plaintext in every chunk except the last. */
export const chunkSize = 65_536;
export const tagSize = 16;
export const sealedChunkSize = chunkSize + tagSize;
/** Bytes of the nonce between header and chunks. */
export const payloadNonceSize = 16;

const algorithm = 'chacha20-poly1305';
const options = {authTagLength: tagSize};

/**
 * Returns the key of one file's payload. A KeyObject, because node:crypto takes a third longer per chunk with raw
 * bytes.
 */
export function payloadKey(fileKey: Uint8Array, nonce: Uint8Array): KeyObject {
	return createSecretKey(Buffer.from(hkdfSync('sha256', fileKey, nonce, 'payload', 32)));
}

/** Creates the nonces of one file, in order. The buffer that `peek` returns is reused. */
export function createNonces() {
	const nonce = Buffer.alloc(12);
	let counter = 0;
	return {
		/** Returns the nonce of the next chunk, with or without the flag of the last one. */
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

/** Decrypts one sealed chunk; returns undefined, and no plaintext, when it is not authentic. */
export function openChunk(key: KeyObject, nonce: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
	const end = sealed.length - tagSize;
	const decipher = createDecipheriv(algorithm, key, nonce, options);
	decipher.setAuthTag(sealed.subarray(end));
	const plain = decipher.update(sealed.subarray(0, end));
	try {
		decipher.final();
	} catch {
		return undefined; // the only error that final() can throw: the tag does not match
	}
	return plain;
}

/** Returns the bytes of a payload (without header and nonce) of `plainSize` bytes. */
export function sealedSize(plainSize: number): number {
	return plainSize + tagSize * Math.max(1, Math.ceil(plainSize / chunkSize));
}
