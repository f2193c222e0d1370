import {randomBytes} from 'node:crypto';
import {generateHybridIdentity, generateX25519Identity, identityToRecipient} from 'age-encryption';
import {type ErrorCode, PgBackError} from '../../../source/core/errors.js';
import {createDecryptor} from '../../../source/stages/age/decrypt.js';
import {createEncryptor} from '../../../source/stages/age/encrypt.js';
import type {DecryptionKeys, EncryptionKeys} from '../../../source/stages/age/load-keys.js';

export const neverAborted = new AbortController().signal;

export type Pair = {readonly identity: string; readonly recipient: string};

export async function newPair(kind: 'classic' | 'post-quantum' = 'classic'): Promise<Pair> {
	const identity = await (kind === 'classic' ? generateX25519Identity() : generateHybridIdentity());
	return {identity, recipient: await identityToRecipient(identity)};
}

export const identityKeys = (...identities: readonly string[]): DecryptionKeys => ({identities, passphrases: []});

export const passphraseKeys = (...passphrases: readonly string[]): DecryptionKeys => ({
	identities: [],
	passphrases: passphrases.map(one => Buffer.from(one)),
});

/** `bytes` in pieces of `size` bytes. */
export function* pieces(bytes: Uint8Array, size: number): Generator<Uint8Array> {
	for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}

export async function encryptAll(plain: Uint8Array, keys: EncryptionKeys, size = 1 << 20): Promise<Buffer> {
	const encryptor = await createEncryptor(keys, neverAborted);
	const output = [encryptor.header];
	for (const piece of pieces(plain, size)) output.push(...encryptor.update(piece));
	output.push(...encryptor.final());
	return Buffer.concat(output);
}

export async function decryptAll(file: Uint8Array, keys: DecryptionKeys, size = 1 << 20): Promise<Buffer> {
	const decryptor = createDecryptor(keys, neverAborted);
	const output: Uint8Array[] = [];
	for (const piece of pieces(file, size)) output.push(...(await decryptor.push(piece)));
	output.push(...(await decryptor.final()));
	return Buffer.concat(output);
}

/** For assert.rejects and assert.throws. */
export function refusedAs(code: ErrorCode, message: RegExp = /./) {
	return (error: unknown): boolean =>
		error instanceof PgBackError && error.code === code && message.test(error.message);
}

export const randomData = (size: number): Buffer => randomBytes(size);
