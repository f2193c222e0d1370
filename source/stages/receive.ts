/** Bytes from elsewhere into local files: as they come, and, where asked, decrypted in the same pass. */
import type {ChecksumAlgorithm} from '../core/formats.js';
import {basename} from 'node:path';
import type {DecryptionKeys} from './age/keys.js';
import type {PendingFile} from './artifact.js';
import {MultiHash, type Digests} from './hash.js';
import type {Meter} from './meter.js';
import {openSink, type Sink} from './sink.js';

export type ReceiveOptions = {
	/** Where the bytes go as they come. */
	readonly path: string;
	/** Given for an encrypted file that is to be decrypted too: `path` without `.age`. */
	readonly decrypted?: {readonly path: string; readonly keys: DecryptionKeys};
	readonly run: string;
	readonly mode: number | undefined;
	readonly algorithms: readonly ChecksumAlgorithm[];
	readonly signal: AbortSignal;
	readonly meter?: Meter;
};

export type Received = {readonly size: number; readonly digests: Digests; readonly files: readonly PendingFile[]};

/** Leaves flushed partial files to be published once they are found right; on failure nothing. */
export async function receive(source: AsyncIterable<Uint8Array>, options: ReceiveOptions): Promise<Received> {
	const {path, decrypted, signal, meter} = options;
	const hash = new MultiHash(options.algorithms);
	const plainHash = new MultiHash([]);
	const sinks: Sink[] = [];
	try {
		const cipher = await openSink(path, options);
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
		for await (const chunk of source) {
			signal.throwIfAborted();
			hash.update(chunk);
			if (decryptor) await release(await decryptor.push(chunk), chunk.byteLength);
			await cipher.write([Buffer.from(chunk)]); // the source may use its buffer again, the sink frees what it is given
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
		for (const sink of sinks) await sink.discard();
		throw error;
	}
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
