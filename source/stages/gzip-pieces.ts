/**
 * A gzip file that is compressed and decompressed with calls that block. Node.js has them for whole buffers only, so
 * each block is a piece of its own, as pigz does it: it begins with the window of what precedes it, and ends at a byte.
 * All pieces together are one deflate stream.
 */
import {readFully} from '../lib/blocking-files.js';
import {releaseMemory} from '../lib/release.js';

/** Bytes of a block and of its compressed piece. */
export type GzipPiece = {readonly plain: number; readonly packed: number};

/** Without a name and a time; made on Unix. */
const header = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
/** An empty block that is marked as the last one of a deflate stream. */
const lastBlock = Buffer.from([3, 0]);
/** How far back a match may lie. */
const windowSize = 1 << 15;
/** The largest number of bytes by which incompressible data can grow. */
const growth = (plain: number) => (plain >>> 8) + 64;

/** What precedes a block, and the checksum of everything until now. */
class Stream {
	#window: Buffer = Buffer.alloc(0);
	#crc = 0;
	#size = 0;

	/** For options of zlib, which rejects an empty dictionary. */
	dictionary(): {readonly dictionary?: Buffer} {
		return this.#window.length > 0 ? {dictionary: this.#window} : {};
	}

	pass(block: Buffer): void {
		this.#crc = zlib().crc32(block, this.#crc);
		this.#size = (this.#size + block.length) % 2 ** 32;
		const kept = Math.min(this.#window.length, Math.max(0, windowSize - block.length));
		this.#window = Buffer.concat([
			this.#window.subarray(this.#window.length - kept),
			block.subarray(Math.max(0, block.length - windowSize)),
		]);
	}

	trailer(): Buffer {
		const end = Buffer.alloc(8);
		end.writeUInt32LE(this.#crc, 0);
		end.writeUInt32LE(this.#size, 4);
		return Buffer.concat([lastBlock, end]);
	}
}

/**
 * Compresses the blocks and gives the bytes of the file to `write`, which must not keep them. Returns the pieces.
 */
export function gzipBlocks(
	blocks: Iterable<Buffer>,
	level: number | undefined,
	write: (bytes: Buffer) => void,
): readonly GzipPiece[] {
	const {deflateRawSync, constants} = zlib();
	const stream = new Stream();
	const pieces: GzipPiece[] = [];
	write(header);
	for (const block of blocks) {
		if (block.length === 0) continue;
		const packed = deflateRawSync(block, {
			...(level !== undefined && {level}),
			...stream.dictionary(),
			memLevel: 9, // a twentieth faster than 8
			finishFlush: constants.Z_SYNC_FLUSH,
			chunkSize: block.length + growth(block.length),
		});
		write(packed);
		pieces.push({plain: block.length, packed: packed.length});
		stream.pass(block);
		release(packed);
	}
	write(stream.trailer());
	return pieces;
}

/**
 * Yields the blocks of a file that consists of these pieces, read from its beginning; each is valid until the next.
 * Throws an Error when any byte is another one.
 */
export function* gunzipPieces(descriptor: number, pieces: readonly GzipPiece[]): Generator<Buffer> {
	const {inflateRawSync} = zlib();
	const stream = new Stream();
	if (!header.equals(readFully(descriptor, Buffer.alloc(header.length)))) throw new Error('incorrect header');
	const longest = pieces.reduce((most, {packed}) => Math.max(most, packed), 0);
	const input = Buffer.allocUnsafeSlow(longest + lastBlock.length);
	for (const {plain, packed} of pieces) {
		const length = packed + lastBlock.length;
		if (readFully(descriptor, input.subarray(0, packed)).length < packed) throw new Error('unexpected end of file');
		// Without this end it would not be known whether the piece ends the stream, which hides what follows.
		lastBlock.copy(input, packed);
		const {buffer: block, engine} = inflateRawSync(input.subarray(0, length), {
			...stream.dictionary(),
			chunkSize: Math.max(64, plain + 1),
			info: true,
		}) as unknown as {buffer: Buffer; engine: {bytesWritten: number}};
		if (block.length !== plain || engine.bytesWritten !== length) throw new Error('unexpected end of a block');
		stream.pass(block);
		yield block;
		release(block);
	}
	const trailer = stream.trailer();
	if (!trailer.equals(readFully(descriptor, Buffer.alloc(trailer.length + 1)))) throw new Error('incorrect data check');
}

/** Only a buffer of its own: small ones share their memory. */
function release({buffer}: Buffer): void {
	if (buffer.byteLength > Buffer.poolSize) releaseMemory([new Uint8Array(buffer)]);
}

/** Loaded when it is needed: most workers compress nothing. */
function zlib() {
	return process.getBuiltinModule('node:zlib');
}
