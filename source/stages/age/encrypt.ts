import {randomBytes} from 'node:crypto';
import {Encrypter} from 'age-encryption';
import {emptyFile} from './empty-file.js';
import type {EncryptionKeys} from './recipients.js';
import {scryptRecipient} from './scrypt.js';
import {createSealer, type Seal, type Sealer} from './sealer.js';
import {payloadKey, payloadNonceSize, sealedSize, tagSize} from './stream.js';
import {type FileHeader, x25519Header} from './x25519.js';

/** Encrypts one file. Must not be used after `final` or after an error. */
export type Encryptor = Sealer & {
	/** The first bytes of the file: the age header and the payload's nonce. */
	readonly header: Uint8Array;
	/** Returns the bytes of the whole file, including the header, for `plainSize` bytes of plaintext. */
	readonly encryptedSize: (plainSize: number) => number;
};

/**
 * Creates a file key and wraps it for `keys`: immediately for public keys, after a second of scrypt for a passphrase.
 */
export async function createEncryptor(keys: EncryptionKeys, signal: AbortSignal): Promise<Encryptor> {
	const {header, key} = await createSeal(keys, signal);
	return {header, ...createSealer(key), encryptedSize: plainSize => header.length + sealedSize(plainSize)};
}

/** Creates the first bytes of one encrypted file and the key of its payload, for one `createSealer`. */
export async function createSeal(keys: EncryptionKeys, signal: AbortSignal): Promise<Seal> {
	signal.throwIfAborted();
	const {headerText, fileKey} = await createHeader(keys, signal);
	const nonce = randomBytes(payloadNonceSize);
	const key = payloadKey(fileKey, nonce);
	fileKey.fill(0);
	// Allocated outside Buffer's pool: a message to a worker with a slice of the pool copies all 64 KiB of it.
	return {header: new Uint8Array(Buffer.concat([headerText, nonce])), key};
}

/**
 * Creates the header: with node:crypto for X25519 keys, otherwise with the library. In that case a recipient of ours
 * that wraps nothing captures the file key, so that node:crypto can encrypt the payload, ten times faster.
 */
async function createHeader(keys: EncryptionKeys, signal: AbortSignal): Promise<FileHeader> {
	const header = keys.passphrase ? undefined : x25519Header(keys.recipients);
	if (header) return header;
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
	const file = await emptyFile(encrypter);
	return {headerText: file.subarray(0, file.length - payloadNonceSize - tagSize), fileKey};
}

/** Yields the age file of the bytes of `source`. Closes `source` when the reader stops early. */
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
