import {randomBytes} from 'node:crypto';
import {Encrypter} from 'age-encryption';
import {emptyFile} from './empty-file.js';
import {createSealer, type Seal, type Sealer} from './sealer.js';
import {scryptRecipient} from './scrypt.js';
import {payloadKey, payloadNonceSize, sealedSize, tagSize} from './stream.js';
import type {EncryptionKeys} from './recipients.js';

/** Encrypts one file. Not to be used after `final`, nor after an error. */
export type Encryptor = Sealer & {
	/** The first bytes of the file: the age header and the payload's nonce. */
	readonly header: Uint8Array;
	/** Bytes of the whole file, header included, for `plainSize` bytes of plaintext. */
	readonly encryptedSize: (plainSize: number) => number;
};

/** Makes a new file key and wraps it for `keys`: at once for public keys, after a second of scrypt for a passphrase. */
export async function createEncryptor(keys: EncryptionKeys, signal: AbortSignal): Promise<Encryptor> {
	const {header, key} = await createSeal(keys, signal);
	return {header, ...createSealer(key), encryptedSize: plainSize => header.length + sealedSize(plainSize)};
}

/** What the encryption of one file begins with: its first bytes, and the key of what follows, for one `createSealer`. */
export async function createSeal(keys: EncryptionKeys, signal: AbortSignal): Promise<Seal> {
	signal.throwIfAborted();
	const {headerText, fileKey} = await createHeader(keys, signal);
	const nonce = randomBytes(payloadNonceSize);
	const key = payloadKey(fileKey, nonce);
	fileKey.fill(0);
	// In memory of its own: with a piece of Buffer's pool a message to a thread copies the whole pool, 64 KiB.
	return {header: new Uint8Array(Buffer.concat([headerText, nonce])), key};
}

/**
 * The library writes the header; a recipient of ours that wraps nothing learns the file key, with which the payload is then
 * sealed by node:crypto, ten times faster.
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
	const file = await emptyFile(encrypter);
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
