import type {KeyObject} from 'node:crypto';
import {PgBackError} from '../../core/errors.js';
import {markDisposable, releaseDisposable} from '../../lib/release.js';
import {createDearmor, startsArmor} from './armor.js';
import {headerLength, openHeader} from './header.js';
import type {DecryptionKeys} from './identities.js';
import {chunkSize, createNonces, openChunk, payloadKey, payloadNonceSize, sealedChunkSize, tagSize} from './stream.js';

/**
 * Decrypts one file, binary or armored. Returned bytes are authenticated, but the file is complete only when `final`
 * has returned. Must not be used after `final` or after an error; calls must not overlap.
 *
 * Both throw PgBackError: WRONG_KEY when no key fits, CORRUPT when the file is not an age file, or is truncated,
 * changed or too long.
 */
export type Decryptor = {
	/**
	 * Accepts bytes of the file (at most 1 MiB at a time keeps the event loop responsive) and returns plaintext in order,
	 * often none. `chunk` may be reused afterwards; the caller owns the returned arrays.
	 */
	readonly push: (chunk: Uint8Array) => Promise<Uint8Array[]>;
	readonly final: () => Promise<Uint8Array[]>;
};

export function createDecryptor(keys: DecryptionKeys, signal: AbortSignal): Decryptor {
	let dearmor: ReturnType<typeof createDearmor> | undefined;
	let head = Buffer.alloc(0);
	let headLength: number | undefined;
	let started = false;
	let payload: ReturnType<typeof createPayload> | undefined;

	const takeHead = async (bytes: Uint8Array): Promise<Uint8Array[]> => {
		head = Buffer.concat([head, bytes]);
		headLength ??= headerLength(head);
		if (headLength === undefined || head.length < headLength + payloadNonceSize) return [];
		const fileKey = await openHeader(Uint8Array.from(head.subarray(0, headLength)), keys, signal);
		const start = headLength + payloadNonceSize;
		payload = createPayload(payloadKey(fileKey, head.subarray(headLength, start)), start);
		fileKey.fill(0);
		const rest = head.subarray(start);
		head = Buffer.alloc(0);
		return payload.push(rest);
	};
	const take = async (bytes: Uint8Array): Promise<Uint8Array[]> => (payload ? payload.push(bytes) : takeHead(bytes));
	return {
		async push(chunk) {
			signal.throwIfAborted();
			if (chunk.length === 0) return [];
			if (!started && startsArmor(chunk[0] ?? 0)) dearmor = createDearmor();
			started = true;
			return take(dearmor ? dearmor.push(chunk) : chunk);
		},
		async final() {
			signal.throwIfAborted();
			if (!started) throw new PgBackError('CORRUPT', 'not an age file: it is empty');
			const released = dearmor ? await take(dearmor.end()) : [];
			if (!payload) throw new PgBackError('CORRUPT', 'truncated within the age header');
			return [...released, payload.final()];
		},
	};
}

/** Decrypts the chunks after the header, which is `offset` bytes long. */
function createPayload(key: KeyObject, offset: number) {
	const nonces = createNonces();
	// Only the end of the file shows which chunk is the last, so a full one is held until a byte follows it.
	const pending = Buffer.allocUnsafeSlow(sealedChunkSize);
	let held = 0;
	const open = (sealed: Uint8Array): Uint8Array => {
		const plain = openChunk(key, nonces.peek(false), sealed);
		if (plain) {
			nonces.advance();
			return plain;
		}
		if (openChunk(key, nonces.peek(true), sealed))
			throw new PgBackError('CORRUPT', 'bytes after the end of the age file');
		const start = offset + nonces.index * sealedChunkSize;
		throw new PgBackError('CORRUPT', `damaged between byte ${start} and byte ${start + sealedChunkSize}`);
	};
	return {
		push(chunk: Uint8Array): Uint8Array[] {
			const output: Uint8Array[] = [];
			let start = 0;
			if (held > 0 && held + chunk.length > sealedChunkSize) {
				start = sealedChunkSize - held;
				pending.set(chunk.subarray(0, start), held);
				output.push(open(pending));
				held = 0;
			}
			while (chunk.length - start > sealedChunkSize && held === 0) {
				output.push(open(chunk.subarray(start, start + sealedChunkSize)));
				start += sealedChunkSize;
			}
			pending.set(chunk.subarray(start), held);
			held += chunk.length - start;
			return output;
		},
		final(): Uint8Array {
			const sealed = pending.subarray(0, held);
			const empty = held === tagSize;
			const plain = held < tagSize ? undefined : openChunk(key, nonces.peek(true), sealed);
			if (plain && (!empty || nonces.index === 0)) return plain;
			const whole = held === chunkSize + tagSize && openChunk(key, nonces.peek(false), sealed) !== undefined;
			const from = offset + nonces.index * sealedChunkSize;
			throw new PgBackError(
				'CORRUPT',
				whole || held < tagSize ? 'truncated: the end is missing' : `damaged or truncated after byte ${from}`,
			);
		},
	};
}

/**
 * Yields the plaintext of an age file as it is authenticated; it is complete only when the iteration ends. A reader that
 * has used an array calls `releaseDisposable`.
 */
export async function* decryptStream(
	source: AsyncIterable<Uint8Array>,
	keys: DecryptionKeys,
	signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
	const decryptor = createDecryptor(keys, signal);
	for await (const chunk of source) {
		const plains = await decryptor.push(chunk);
		releaseDisposable(chunk);
		for (const plain of plains) yield markDisposable(plain);
	}
	for (const plain of await decryptor.final()) yield markDisposable(plain);
}
