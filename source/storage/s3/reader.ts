import {createHash} from 'node:crypto';
import {crc32} from 'node:zlib';
import {wrongSize} from '../source.js';
import type {PutSource} from '../storage.js';

/** A source read once from its start to its end, part by part. */
export type PartReader = {
	/** Bytes until now. */
	readonly position: () => number;
	/** Fills `target`; fewer bytes come only at the end. Throws when the source fails or is not as long as it said. */
	readonly fill: (target: Uint8Array) => Promise<number>;
	/** Reads up to `length` bytes for their digests only. */
	readonly digest: (length: number, algorithms: readonly ('md5' | 'sha256')[]) => Promise<Digest>;
	/** True once the source has given all that it promised, or has ended; throws when it has more than it promised. */
	readonly ended: () => Promise<boolean>;
	readonly close: () => Promise<void>;
};

export type Digest = {
	readonly length: number;
	readonly crc32: number;
	/** Hexadecimal. */
	readonly hashes: {readonly md5?: string; readonly sha256?: string};
};

export function createPartReader(source: PutSource, signal: AbortSignal): PartReader {
	const read = source.readInto ? intoReader(source.readInto, signal) : chunkReader(source, signal);
	let position = 0;
	let ended = false;
	/** Up to `target.length` bytes, 0 at the end, and only as many as the source promised. */
	const next = async (target: Uint8Array): Promise<number> => {
		signal.throwIfAborted();
		if (ended || target.length === 0) return 0;
		const bytes = await read.next(target, position);
		signal.throwIfAborted();
		position += bytes;
		ended = bytes === 0;
		const {size} = source;
		if (size !== undefined && (position > size || (ended && position < size))) throw wrongSize(position, size);
		return bytes;
	};
	const fill = async (target: Uint8Array): Promise<number> => {
		let filled = 0;
		while (filled < target.length) {
			const bytes = await next(target.subarray(filled));
			if (bytes === 0) break;
			filled += bytes;
		}
		return filled;
	};
	return {
		position: () => position,
		fill,
		async digest(length, algorithms) {
			const buffer = Buffer.allocUnsafeSlow(Math.min(length, 1024 * 1024));
			const hashes = algorithms.map(name => ({name, hash: createHash(name)}));
			let done = 0;
			let crc = 0;
			while (done < length) {
				const bytes = await next(buffer.subarray(0, Math.min(buffer.length, length - done)));
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
		async ended() {
			if (!ended && source.size !== undefined && position === source.size) await next(Buffer.allocUnsafe(1));
			return ended;
		},
		close: read.close,
	};
}

type Reading = {
	readonly next: (target: Uint8Array, position: number) => Promise<number>;
	readonly close: () => Promise<void>;
};

function intoReader(readInto: NonNullable<PutSource['readInto']>, signal: AbortSignal): Reading {
	return {next: (target, position) => readInto(target, position, signal), close: () => Promise.resolve()};
}

function chunkReader(source: PutSource, signal: AbortSignal): Reading {
	const iterator = source.read(0, signal)[Symbol.asyncIterator]();
	let rest: Uint8Array = new Uint8Array();
	let running = false;
	return {
		async next(target) {
			while (rest.length === 0) {
				running = true;
				const chunk = await untilAborted(iterator.next(), signal);
				running = false;
				if (chunk.done) return 0;
				rest = chunk.value;
			}
			const bytes = Math.min(rest.length, target.length);
			target.set(rest.subarray(0, bytes));
			rest = rest.subarray(bytes);
			return bytes;
		},
		async close() {
			const ended = iterator.return?.();
			// One that still waits in next() would not answer.
			if (running) ended?.catch(() => undefined);
			else await ended;
		},
	};
}

/** A source that waits for bytes that never come does not hold up an abort. */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
	return new Promise<T>((resolve, reject) => {
		const onAbort = () => reject(signal.reason as Error);
		signal.addEventListener('abort', onAbort, {once: true});
		void work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
	});
}

/** `length` bytes of the source from `offset` on, for a part that is not in memory. */
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

/** Four bytes, big-endian, in base64: how S3 writes a CRC32. */
export function crcText(crc: number): string {
	const bytes = Buffer.alloc(4);
	bytes.writeUInt32BE(crc);
	return bytes.toString('base64');
}
