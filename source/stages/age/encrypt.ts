import {randomBytes, type KeyObject} from 'node:crypto';
import {Encrypter} from 'age-encryption';
import {chunkSize, createNonces, payloadKey, payloadNonceSize, sealChunk, sealedSize, tagSize} from './stream.js';
import {scryptRecipient} from './scrypt.js';
import type {EncryptionKeys} from './recipients.js';

/** Encrypts one file. Not to be used after `final`, nor after an error. */
export type Encryptor = {
	/** The first bytes of the file: the age header and the payload's nonce. */
	readonly header: Uint8Array;
	/**
	 * Takes plaintext (up to 1 MiB at a time keeps the event loop free) and returns ciphertext to be written in order, often
	 * none. `chunk` may be reused afterwards; the returned arrays are the caller's.
	 */
	readonly update: (chunk: Uint8Array) => Uint8Array[];
	/** The last bytes of the file. Without them it cannot be decrypted. */
	readonly final: () => Uint8Array[];
	/** Bytes of the whole file, header included, for `plainSize` bytes of plaintext. */
	readonly encryptedSize: (plainSize: number) => number;
};

/** Makes a new file key and wraps it for `keys`: at once for public keys, after a second of scrypt for a passphrase. */
export async function createEncryptor(keys: EncryptionKeys, signal: AbortSignal): Promise<Encryptor> {
	signal.throwIfAborted();
	const {headerText, fileKey} = await createHeader(keys, signal);
	const nonce = randomBytes(payloadNonceSize);
	const key = payloadKey(fileKey, nonce);
	fileKey.fill(0);
	const header = Buffer.concat([headerText, nonce]);
	return {header, ...createSealer(key), encryptedSize: plainSize => header.length + sealedSize(plainSize)};
}

/** Seals a payload, chunk by chunk, as `Encryptor` says. */
export function createSealer(key: KeyObject): Pick<Encryptor, 'update' | 'final'> {
	const nonces = createNonces();
	// The last chunk is sealed otherwise than the others, so a full one waits until a byte follows it.
	const pending = Buffer.allocUnsafeSlow(chunkSize);
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

/**
 * The library writes the header; a recipient of ours that wraps nothing learns the file key, with which the payload is then
 * sealed by node:crypto, ten times faster. Encrypting no bytes gives header, nonce and one empty chunk, of which only the
 * header is used.
 */
async function createHeader(keys: EncryptionKeys, signal: AbortSignal) {
	const encrypter = new Encrypter();
	if (keys.passphrase) encrypter.addRecipient(scryptRecipient(keys.passphrase, signal));
	for (const recipient of keys.recipients) encrypter.addRecipient(recipient);
	let fileKey = new Uint8Array();
	encrypter.addRecipient({
		wrapFileKey(key) {
			fileKey = Uint8Array.from(key);
			return [];
		},
	});
	const file = await encrypter.encrypt(new Uint8Array());
	return {headerText: file.subarray(0, file.length - payloadNonceSize - tagSize), fileKey};
}

/** The age file of what `source` gives. Ends `source` when the reader stops early. */
export async function* encryptStream(
	source: AsyncIterable<Uint8Array>,
	keys: EncryptionKeys,
	signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
	const encryptor = await createEncryptor(keys, signal);
	yield encryptor.header;
	for await (const chunk of source) {
		signal.throwIfAborted();
		yield* encryptor.update(chunk);
	}
	yield* encryptor.final();
}
