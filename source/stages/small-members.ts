/**
 * Processes small members of a directory dump in the worker, with calls that block: a dump may have thousands of large
 * objects, and each asynchronous call to the file system costs several switches between threads.
 */
import {closeSync, constants, fchmodSync, fsyncSync, openSync, unlinkSync} from 'node:fs';
import type {ChecksumAlgorithm} from '../core/formats.js';
import {readFully, writeFully} from '../lib/blocking-files.js';
import {refusesModes} from '../lib/files.js';
import {createSealer, type Seal} from './age/sealer.js';
import {type Digests, MultiHash} from './hash.js';

/** Members up to this size, in bytes, are read whole. */
export const smallMember = 256 << 10;

export type SmallMember = {
	/** Absolute. */
	readonly path: string;
	/** Bytes, at most `smallMember`. */
	readonly size: number;
	/** Present if the dump is encrypted: what is written to `path`.age. */
	readonly seal: Seal | undefined;
};

export type SmallMemberSettings = {
	readonly algorithms: readonly ChecksumAlgorithm[];
	/** The permission bits; undefined: determined by the umask. */
	readonly mode: number | undefined;
	/** Keeps the plain file next to the encrypted one. */
	readonly keepSource: boolean;
};

export type SmallMemberResult = {
	readonly plainSize: number;
	readonly plainDigests: Digests;
	readonly cipherSize?: number;
	readonly cipherDigests?: Digests;
	/** The file system rejected the mode. */
	readonly modeRefused?: true;
};

/** Memory for one member, and one byte more, to see that it has ended. Allocated for the first. */
let content: Buffer | undefined;

/**
 * Hashes the member, encrypts it if it has a seal, and then removes the plain file, unless it is kept. Nothing is
 * flushed. Returns 'changed' if it has another size. Throws system errors.
 * @param pending Memory for the sealer.
 */
export function processSmallMember(
	{path, size, seal}: SmallMember,
	{algorithms, mode, keepSource}: SmallMemberSettings,
	pending: Uint8Array,
): SmallMemberResult | 'changed' {
	let modeRefused = false;
	const setMode = (descriptor: number) => {
		if (mode !== undefined) modeRefused = !chmod(descriptor, mode & 0o777) || modeRefused;
	};
	const bytes = withFile(path, constants.O_RDONLY | constants.O_NOFOLLOW, 0, descriptor => {
		setMode(descriptor);
		content ??= Buffer.allocUnsafeSlow(smallMember + 1);
		return readFully(descriptor, content);
	});
	if (bytes.length !== size) return 'changed';
	const plain = new MultiHash(algorithms);
	plain.update(bytes);
	const refusal = () => (modeRefused ? {modeRefused: true as const} : {});
	if (!seal) return {plainSize: size, plainDigests: plain.digests(), ...refusal()};
	const sealer = createSealer(seal.key, pending);
	const sealed = [seal.header, ...sealer.update(bytes), ...sealer.final()];
	const cipher = new MultiHash(algorithms);
	for (const piece of sealed) cipher.update(piece);
	const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
	withFile(`${path}.age`, flags, mode === undefined ? 0o666 : mode & 0o600, descriptor => {
		setMode(descriptor);
		writeFully(descriptor, sealed);
	});
	if (!keepSource) unlinkSync(path);
	return {
		plainSize: size,
		plainDigests: plain.digests(),
		cipherSize: cipher.bytes,
		cipherDigests: cipher.digests(),
		...refusal(),
	};
}

/** Flushes the content of a file to disk. Throws system errors. */
export function flushFile(path: string): void {
	withFile(path, constants.O_RDONLY | constants.O_NOFOLLOW, 0, fsyncSync);
}

function withFile<T>(path: string, flags: number, mode: number, use: (descriptor: number) => T): T {
	const descriptor = openSync(path, flags, mode);
	try {
		return use(descriptor);
	} finally {
		closeSync(descriptor);
	}
}

/** Returns false where the file system has no modes. */
function chmod(descriptor: number, mode: number): boolean {
	try {
		fchmodSync(descriptor, mode);
		return true;
	} catch (error) {
		if (!refusesModes(error)) throw error;
		return false;
	}
}
