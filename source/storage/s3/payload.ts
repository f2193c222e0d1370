import {createHash} from 'node:crypto';
import {Readable} from 'node:stream';
import {crc32} from 'node:zlib';
import type {PutSource} from '../storage.js';
import type {Bucket} from './client.js';
import type {Dialect} from './dialect.js';
import {largestBuffer} from './parts.js';
import {crcText, type Digest, type PartReader, readRange} from './reader.js';

/** The bytes of one request, in memory or to be read again from the source, with their checksums. */
export type Payload = Digest & {
	readonly bytes?: Uint8Array;
	/** The offset in the source. */
	readonly offset: number;
};

/**
 * Reads the next `size` bytes: into the bucket's memory if they fit or cannot be read twice, otherwise only for their
 * checksums. The caller calls `giveBack` after sending.
 */
export async function takePayload(reader: PartReader, size: number, bucket: Bucket): Promise<Payload> {
	const offset = reader.position();
	if (size <= largestBuffer || reader.isReadOnce) {
		const whole = bucket.memory.take(size);
		const bytes = whole.subarray(0, await reader.fill(whole));
		return {bytes, offset, length: bytes.length, crc32: crc32(bytes), hashes: {}};
	}
	// The ETag is compared with it if the service does not confirm the CRC32.
	const md5 = offset === 0 || !bucket.dialect.confirmsCrc || bucket.dialect.current.checksums !== 'crc32';
	const digest = await reader.digest(size, [
		...(md5 ? (['md5'] as const) : []),
		...(bucket.secure ? [] : (['sha256'] as const)),
	]);
	return {...digest, offset};
}

/** Releases the payload; no request may be using it. */
export function giveBack(bucket: Bucket, {bytes}: Payload): void {
	if (bytes) bucket.memory.give(Buffer.from(bytes.buffer));
}

const md5s = new WeakMap<Payload, string>();

/** Computed at the first call, from bytes in memory. */
export function md5Of(payload: Payload): string | undefined {
	if (!payload.bytes) return payload.hashes.md5;
	const md5 = md5s.get(payload) ?? createHash('md5').update(payload.bytes).digest('hex');
	md5s.set(payload, md5);
	return md5;
}

/** Returns the checksum parameters: CRC32, MD5 for a service that does not support CRC32, or none. */
export function checksumParams(payload: Payload, {checksums}: Dialect): {ChecksumCRC32?: string; ContentMD5?: string} {
	if (checksums === 'crc32') return {ChecksumCRC32: crcText(payload.crc32)};
	const md5 = checksums === 'md5' ? md5Of(payload) : undefined;
	return md5 === undefined ? {} : {ContentMD5: Buffer.from(md5, 'hex').toString('base64')};
}

type Stack = {
	readonly middlewareStack: {
		readonly add: (
			middleware: (next: (args: BuildArgs) => Promise<never>) => (args: BuildArgs) => Promise<never>,
			options: {readonly step: 'build'; readonly name: string},
		) => void;
	};
};
type BuildArgs = {readonly request: unknown};

/**
 * Sets what is signed for the payload. Over https nothing of it: TLS and the checksum protect it, and another hash
 * would cost more CPU than everything else. Over http its SHA-256, which the SDK computes itself for bytes in memory.
 */
export function signPayload(command: unknown, payload: Payload, bucket: Bucket): void {
	const value = bucket.secure ? 'UNSIGNED-PAYLOAD' : payload.hashes.sha256;
	if (value === undefined) return;
	(command as Stack).middlewareStack.add(
		next => args => {
			(args.request as {headers: Record<string, string>}).headers['x-amz-content-sha256'] = value;
			return next(args);
		},
		{step: 'build', name: 'payloadSignature'},
	);
}

/** Runs a request with the payload as its body; an error of the source takes precedence. */
export async function withBody<T>(
	payload: Payload,
	source: PutSource,
	signal: AbortSignal,
	run: (body: Uint8Array | Readable, signal: AbortSignal) => Promise<T>,
): Promise<T> {
	if (payload.bytes) return run(payload.bytes, signal);
	const failed = new AbortController();
	const body = Readable.from(readRange(source, payload.offset, payload.length, signal), {objectMode: false});
	body.once('error', error => failed.abort(error));
	try {
		return await run(body, AbortSignal.any([signal, failed.signal]));
	} catch (error) {
		signal.throwIfAborted();
		throw failed.signal.aborted ? failed.signal.reason : error;
	} finally {
		body.destroy();
	}
}
