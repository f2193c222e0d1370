/** Hashes and encrypts in one pass: source → [checksum] → [age] → [checksum] → files. */
import type {ChecksumAlgorithm} from '../core/formats.js';
import {releaseMemory} from '../lib/release.js';
import {createSealer, type Seal} from './age/sealer.js';
import {type Digests, MultiHash, readSize} from './hash.js';
import {OutputCheck} from './output-check.js';
import type {Sink} from './sink.js';

export type HashAndEncryptOptions = {
	readonly algorithms: readonly ChecksumAlgorithm[];
	/** If given, `cipher` receives the encrypted age file. */
	readonly seal: Seal | undefined;
	readonly plain: Sink | undefined;
	readonly cipher: Sink | undefined;
	/** Whether the source is the output of pg_dump, which must be complete. */
	readonly isDump?: boolean | undefined;
	readonly signal: AbortSignal;
	/** Called with the bytes since the last call, before and after encryption. */
	readonly onBytes: (plain: number, cipher: number) => void;
};

type StreamStats = {readonly size: number; readonly digests: Digests};

export type PipelineResult = {
	readonly plain: StreamStats;
	readonly cipher: StreamStats;
	/** Why the dump is not complete. */
	readonly problem: string | undefined;
};

/** Returns when the source ends; the caller flushes or discards the sinks. */
export async function hashAndEncrypt(
	source: AsyncIterable<Uint8Array>,
	options: HashAndEncryptOptions,
): Promise<PipelineResult> {
	const {algorithms, seal, plain, cipher, isDump, signal, onBytes} = options;
	const check = isDump ? new OutputCheck() : undefined;
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
			check?.push(chunk);
			if (sealer) sealed.push(...sealer.update(chunk));
		}
		const bytes = plainHash.bytes - before;
		if (plain) await plain.write(batch);
		else releaseMemory(batch);
		await write(sealed, bytes);
	}
	if (sealer) await write(sealer.final(), 0);
	return {plain: streamStats(plainHash), cipher: streamStats(cipherHash), problem: check?.problem()};
}

export function streamStats(hash: MultiHash): StreamStats {
	return {size: hash.bytes, digests: hash.digests()};
}

/** Collects small chunks, without copying, into arrays of about `size` bytes. */
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
