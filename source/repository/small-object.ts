/** Reads and writes small objects, with a size limit, because anyone with write permission may have created them; compares any. */
import {createHash} from 'node:crypto';
import {PgBackError} from '../core/errors.js';
import {releaseDisposable} from '../lib/release.js';
import {isMissing} from '../storage/errors.js';
import type {Storage} from '../storage/storage.js';

/** Returns the text of an object, undefined when there is none. Throws CORRUPT for more than `largest` bytes, and STORAGE. */
export async function readSmallObject(
	storage: Storage,
	key: string,
	signal: AbortSignal,
	largest: number,
): Promise<string | undefined> {
	const chunks: Buffer[] = [];
	let size = 0;
	try {
		for await (const chunk of storage.get(key, {signal})) {
			size += chunk.length;
			if (size > largest) throw new PgBackError('CORRUPT', `${key} is larger than ${largest} bytes`);
			chunks.push(Buffer.from(chunk));
		}
	} catch (error) {
		if (isMissing(error)) return undefined;
		throw error;
	}
	return Buffer.concat(chunks).toString();
}

/** Returns the SHA-256 of an object of any size, in lower-case hexadecimal; undefined when there is none. */
export async function sha256OfObject(storage: Storage, key: string, signal: AbortSignal): Promise<string | undefined> {
	const hash = createHash('sha256');
	try {
		for await (const chunk of storage.get(key, {signal})) {
			hash.update(chunk);
			releaseDisposable(chunk);
		}
	} catch (error) {
		if (isMissing(error)) return undefined;
		throw error;
	}
	return hash.digest('hex');
}

export type PutSmallOptions = {
	readonly signal: AbortSignal;
	/** Of several concurrent writers exactly one succeeds, or the error has the fault `unsupported` (storage.ts). */
	readonly atomic?: boolean;
};

/** Writes an object that must not exist yet. Returns false when it does. */
export async function createSmallObject(
	storage: Storage,
	key: string,
	text: string | Uint8Array,
	{signal, atomic}: PutSmallOptions,
): Promise<boolean> {
	const bytes = Buffer.from(text);
	const source = {
		size: bytes.length,
		async *read(offset: number) {
			if (offset < bytes.length) yield bytes.subarray(offset);
		},
	};
	try {
		await storage.put(key, source, {signal, ifAbsent: true, ...(atomic && {atomic})});
		return true;
	} catch (error) {
		if (error instanceof PgBackError && error.code === 'EXISTS') return false;
		throw error;
	}
}
