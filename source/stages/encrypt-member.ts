/** Encrypts a small member of a directory dump in one piece: with thousands of large objects, starting a pipeline for each takes longest. */
import {constants} from 'node:fs';
import {type FileHandle, open} from 'node:fs/promises';
import {setMode} from '../lib/files.js';
import type {EncryptionKeys} from './age/recipients.js';
import {createSealer} from './age/sealer.js';
import {algorithmsOf, type Content, type OutputSettings} from './artifact.js';
import {MultiHash} from './hash.js';

/** Members up to this size, in bytes, are read whole. */
export const smallMember = 256 << 10;

export type MemberOptions = {
	readonly settings: OutputSettings;
	readonly keys: EncryptionKeys;
	readonly signal: AbortSignal;
};

/**
 * Writes `path`.age with the content of `source` (`size` bytes, at most `smallMember`). It is not flushed. Returns undefined if the source
 * has another size. Throws system errors; the caller removes the directory then.
 */
export async function encryptSmallMember(
	path: string,
	source: FileHandle,
	size: number,
	{settings, keys, signal}: MemberOptions,
): Promise<Omit<Content, 'name'> | undefined> {
	const plain = Buffer.allocUnsafe(size + 1); // one more, to see that it has ended
	if ((await readFully(source, plain)) !== size) return undefined;
	const bytes = plain.subarray(0, size);
	const {createSeal} = await import('./age/encrypt.js');
	const seal = await createSeal(keys, signal);
	const sealer = createSealer(seal.key);
	const sealed = [seal.header, ...sealer.update(bytes), ...sealer.final()];
	const [plainHash, cipherHash] = [new MultiHash(algorithmsOf(settings)), new MultiHash(algorithmsOf(settings))];
	plainHash.update(bytes);
	const cipher = Buffer.concat(sealed);
	cipherHash.update(cipher);
	await writeNew(`${path}.age`, cipher, settings.mode);
	return {
		plainSize: size,
		plainDigests: plainHash.digests(),
		cipherSize: cipher.length,
		cipherDigests: cipherHash.digests(),
	};
}

/** Returns how much of `buffer` there was. */
async function readFully(source: FileHandle, buffer: Buffer): Promise<number> {
	let length = 0;
	while (length < buffer.length) {
		const {bytesRead} = await source.read(buffer, length, buffer.length - length, length);
		if (bytesRead === 0) break;
		length += bytesRead;
	}
	return length;
}

async function writeNew(path: string, bytes: Buffer, mode: number | undefined): Promise<void> {
	const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
	const handle = await open(path, flags, mode === undefined ? 0o666 : mode & 0o600);
	try {
		if (mode !== undefined) await setMode(path, mode & 0o777, {handle});
		await handle.writeFile(bytes);
	} finally {
		await handle.close();
	}
}
