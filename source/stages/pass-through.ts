/** The one pass over the bytes that come to this thread: source → [digest] → [age] → [digest] → files. */
import type {ChecksumAlgorithm} from '../core/formats.js';
import {releaseMemory} from '../lib/release.js';
import {createSealer, type Seal} from './age/sealer.js';
import {MultiHash, readSize, type Digests} from './hash.js';
import type {Sink} from './sink.js';

export type Passage = {
	readonly algorithms: readonly ChecksumAlgorithm[];
	/** Given: `cipher` gets the age file of the bytes. */
	readonly seal: Seal | undefined;
	readonly plain: Sink | undefined;
	readonly cipher: Sink | undefined;
	readonly signal: AbortSignal;
	/** Bytes since the last time, before and after encryption. */
	readonly onBytes: (plain: number, cipher: number) => void;
};

type Facts = {readonly size: number; readonly digests: Digests};

export type Passed = {readonly plain: Facts; readonly cipher: Facts};

/** Ends with the source; the sinks are to be flushed or discarded by the caller. */
export async function passThrough(source: AsyncIterable<Uint8Array>, passage: Passage): Promise<Passed> {
	const {algorithms, seal, plain, cipher, signal, onBytes} = passage;
	const [plainHash, cipherHash] = [new MultiHash(algorithms), new MultiHash(algorithms)];
	const sealer = seal && createSealer(seal.key);
	const write = async (pieces: readonly Uint8Array[], plainBytes: number) => {
		const before = cipherHash.bytes;
		for (const piece of pieces) cipherHash.update(piece);
		onBytes(plainBytes, cipherHash.bytes - before);
		await cipher?.write(pieces);
	};
	if (seal) await write([seal.header], 0);
	for await (const batch of batches(source, readSize)) {
		signal.throwIfAborted();
		const sealed: Uint8Array[] = [];
		const before = plainHash.bytes;
		for (const chunk of batch) {
			plainHash.update(chunk);
			if (sealer) sealed.push(...sealer.update(chunk));
		}
		const bytes = plainHash.bytes - before;
		if (plain) await plain.write(batch);
		else releaseMemory(batch);
		await write(sealed, bytes);
	}
	if (sealer) await write(sealer.final(), 0);
	return {plain: facts(plainHash), cipher: facts(cipherHash)};
}

export function facts(hash: MultiHash): Facts {
	return {size: hash.bytes, digests: hash.digests()};
}

/** Gathers small chunks, without copying, into arrays of about `size` bytes. */
async function* batches(source: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Uint8Array[]> {
	let batch: Uint8Array[] = [];
	let bytes = 0;
	for await (const chunk of source) {
		batch.push(chunk);
		bytes += chunk.byteLength;
		if (bytes >= size) {
			yield batch;
			batch = [];
			bytes = 0;
		}
	}
	if (bytes > 0) yield batch;
}
