/** Writes incoming bytes to local files: as they arrive and, if requested, decrypted in the same pass. */
import {basename} from 'node:path';
import type {ChecksumAlgorithm} from '../core/formats.js';
import {releaseDisposable} from '../lib/release.js';
import type {DecryptionKeys} from './age/load-keys.js';
import type {PendingFile} from './artifact.js';
import {type Digests, MultiHash, readHandle} from './hash.js';
import type {Meter} from './meter.js';
import type {PartialDownload} from './partial-download.js';
import {createSink, type FileSink, openSink, type Sink} from './sink.js';

export type ReceiveOptions = {
	/** The path for the bytes as they arrive. */
	readonly path: string;
	/** Given for an encrypted file that is to be decrypted too: `path` without `.age`. */
	readonly decrypted?: {readonly path: string; readonly keys: DecryptionKeys};
	/**
	 * If present, the bytes as they arrive are appended to it, and `source` begins after those that it has. On failure the
	 * caller keeps or discards it.
	 */
	readonly partial?: PartialDownload | undefined;
	readonly run: string;
	readonly mode: number | undefined;
	readonly algorithms: readonly ChecksumAlgorithm[];
	readonly signal: AbortSignal;
	readonly meter?: Meter;
};

export type Received = {readonly size: number; readonly digests: Digests; readonly files: readonly PendingFile[]};

/**
 * Leaves flushed partial files, to be published when they are found to be correct; on failure nothing, except for
 * `options.partial`.
 */
export async function receive(source: AsyncIterable<Uint8Array>, options: ReceiveOptions): Promise<Received> {
	const {path, decrypted, partial, signal, meter} = options;
	const hash = partial?.hash ?? new MultiHash(options.algorithms);
	const plainHash = new MultiHash([]);
	const sinks: FileSink[] = [];
	try {
		const cipher = await openCipher(options);
		sinks.push(cipher);
		const plain = decrypted && (await openSink(decrypted.path, options));
		if (plain) sinks.push(plain);
		const decryptor = decrypted && (await import('./age/decrypt.js')).createDecryptor(decrypted.keys, signal);
		if (decryptor) meter?.start('decrypt');
		const release = async (pieces: readonly Uint8Array[], bytesIn: number) => {
			for (const piece of pieces) plainHash.update(piece);
			meter?.count(
				'decrypt',
				bytesIn,
				pieces.reduce((sum, piece) => sum + piece.byteLength, 0),
			);
			await plain?.write(pieces);
		};
		if (decryptor)
			for await (const chunk of earlierBytes(partial, signal))
				await release(await decryptor.push(chunk), chunk.byteLength);
		for await (const chunk of source) {
			signal.throwIfAborted();
			await cipher.write([Buffer.from(chunk)]); // the source may reuse its buffer, the sink frees its input
			hash.update(chunk);
			await partial?.wrote();
			if (decryptor) await release(await decryptor.push(chunk), chunk.byteLength);
			releaseDisposable(chunk);
		}
		if (decryptor) await release(await decryptor.final(), 0);
		for (const sink of sinks) await sink.flush();
		meter?.finish('decrypt');
		const files = sinks.map(sink =>
			pending(sink, sink === cipher ? hash.bytes : plainHash.bytes, sink === cipher && path.endsWith('.age')),
		);
		return {size: hash.bytes, digests: hash.digests(), files};
	} catch (error) {
		meter?.finish('decrypt', 'failed');
		await abandon(sinks, partial);
		throw error;
	}
}

async function openCipher({path, partial, run, mode}: ReceiveOptions): Promise<FileSink> {
	return partial ? createSink(partial, path) : openSink(path, {run, mode});
}

async function* earlierBytes(partial: PartialDownload | undefined, signal: AbortSignal): AsyncGenerator<Uint8Array> {
	if (partial) yield* readHandle(partial.handle, signal);
}

async function abandon(sinks: readonly FileSink[], partial: PartialDownload | undefined): Promise<void> {
	for (const sink of sinks) await (sink.path === partial?.path ? sink.close() : sink.discard());
}

function pending(sink: Sink, size: number, encrypted: boolean): PendingFile {
	const name = basename(sink.finalPath);
	return {
		partial: sink.path,
		finalPath: sink.finalPath,
		role: 'other',
		size,
		encrypted,
		directory: false,
		contents: [{name, plainSize: size, plainDigests: {}}],
		ship: false,
	};
}
