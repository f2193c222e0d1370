import {createHash} from 'node:crypto';
import {Readable} from 'node:stream';
import {crc32} from 'node:zlib';
import type {PutSource} from '../storage.js';
import type {Bucket} from './client.js';
import {largestBuffer} from './parts.js';
import {crcText, readRange, type Digest, type PartReader} from './reader.js';

/** The bytes of one request, in memory or to be read again from the source, with what is known of them. */
export type Payload = Digest & {
	readonly bytes?: Uint8Array;
	/** Where they begin in the source. */
	readonly offset: number;
};

/** Reads the next `size` bytes: into memory of the bucket's where they fit, otherwise for their digests alone. `giveBack` it once it is sent. */
export async function takePayload(reader: PartReader, size: number, bucket: Bucket): Promise<Payload> {
	const offset = reader.position();
	if (size <= largestBuffer) {
		const whole = bucket.memory.take(size);
		const bytes = whole.subarray(0, await reader.fill(whole));
		return {bytes, offset, length: bytes.length, crc32: crc32(bytes), hashes: {}};
	}
	// The first one may meet a service that wants an MD5 after all.
	const md5 = offset === 0 || bucket.service.checksums === 'md5';
	const digest = await reader.digest(size, [
		...(md5 ? (['md5'] as const) : []),
		...(bucket.secure ? [] : (['sha256'] as const)),
	]);
	return {...digest, offset};
}

/** The payload is not read any more: no request of it is on its way. */
export function giveBack(bucket: Bucket, {bytes}: Payload): void {
	if (bytes) bucket.memory.give(Buffer.from(bytes.buffer));
}

export function md5Of(payload: Payload): string | undefined {
	return payload.bytes ? createHash('md5').update(payload.bytes).digest('hex') : payload.hashes.md5;
}

/** The checksum that goes with the bytes: CRC32, or MD5 to a service that does not know the former. */
export function checksumParams(payload: Payload, bucket: Bucket): {ChecksumCRC32?: string; ContentMD5?: string} {
	if (bucket.service.checksums === 'crc32') return {ChecksumCRC32: crcText(payload.crc32)};
	const md5 = md5Of(payload);
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
 * What is signed for the payload. Over https nothing of it: TLS and the checksum protect it, and hashing it once more would cost
 * more CPU than all else. Over http its SHA-256, which the SDK takes by itself when the bytes are in memory.
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

/** Runs a request with the payload as its body; a source that fails meanwhile is the error. */
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
