import {createHash} from 'node:crypto';
import {crc32} from 'node:zlib';
import {wrongSize} from '../source.js';
import {createSourceReader, type SourceReader} from '../source-reader.js';
import type {PutSource} from '../storage.js';

/** Reads a source once from its start to its end, part by part. */
export type PartReader = SourceReader & {
	/** The source cannot be read again. */
	readonly isReadOnce: boolean;
	/** Reads up to `length` bytes only for their checksums. */
	readonly digest: (length: number, algorithms: readonly ('md5' | 'sha256')[]) => Promise<Digest>;
};

export type Digest = {
	readonly length: number;
	readonly crc32: number;
	/** Hexadecimal. */
	readonly hashes: {readonly md5?: string; readonly sha256?: string};
};

export function createPartReader(source: PutSource, signal: AbortSignal): PartReader {
	const filler = createSourceReader(source, 0, signal);
	return {
		...filler,
		isReadOnce: source.canRestart !== undefined,
		async digest(length, algorithms) {
			const buffer = Buffer.allocUnsafeSlow(Math.min(length, 1024 * 1024));
			const hashes = algorithms.map(name => ({name, hash: createHash(name)}));
			let done = 0;
			let crc = 0;
			while (done < length) {
				const bytes = await filler.fill(buffer.subarray(0, Math.min(buffer.length, length - done)));
				if (bytes === 0) break;
				const chunk = buffer.subarray(0, bytes);
				crc = crc32(chunk, crc);
				for (const {hash} of hashes) hash.update(chunk);
				done += bytes;
			}
			return {
				length: done,
				crc32: crc,
				hashes: Object.fromEntries(hashes.map(({name, hash}) => [name, hash.digest('hex')])),
			};
		},
	};
}

/** Yields `length` bytes of the source from `offset` on, for a part that is not in memory. */
export async function* readRange(
	source: PutSource,
	offset: number,
	length: number,
	signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
	let rest = length;
	for await (const chunk of source.read(offset, signal)) {
		signal.throwIfAborted();
		const wanted = chunk.subarray(0, rest);
		rest -= wanted.length;
		yield wanted;
		if (rest === 0) return;
	}
	throw wrongSize(offset + length - rest, offset + length);
}

/** Returns four bytes, big-endian, in base64: the form in which S3 writes a CRC32. */
export function crcText(crc: number): string {
	const bytes = Buffer.alloc(4);
	bytes.writeUInt32BE(crc);
	return bytes.toString('base64');
}
