/** The part of range-member.ts that runs in a worker: writes the output of one COPY, and reads it back. */
import {closeSync, constants, openSync} from 'node:fs';
import {readFully, writeFully} from '../lib/blocking-files.js';
import type {CopyState} from '../postgres/copy-state.js';
import {blockSize, copyBlocks} from './copy-blocks.js';
import {completeCopy} from './copy-data.js';
import {gunzipPieces, gzipBlocks, type GzipPiece} from './gzip-pieces.js';
import type {MemberCompression} from './member-compression.js';

export type CopyRequest = {
	readonly type: 'copy';
	/** Of the pipe, and the string that marks the end in it. */
	readonly descriptor: number;
	readonly mark: string;
	/** The descriptor of an empty file. */
	readonly file: number;
	readonly compression: MemberCompression;
};

export type Copied = {
	/** Undefined when the output has ended before the COPY. The file is complete if this is no error. */
	readonly state: CopyState | undefined;
	/** Of a file that is compressed with gzip. */
	readonly pieces: readonly GzipPiece[];
};

export type CountRequest = Pick<CopyRequest, 'compression'> &
	Pick<Copied, 'pieces'> & {readonly type: 'count'; readonly path: string};

/** What pg_dump writes after the rows of a table. */
const endOfData = Buffer.from('\\.\n\n\n');

/**
 * Reads one COPY to its end, and writes it as pg_dump writes the data of a table. `at` is called with what is read from
 * or written to, `onBytes` with the number of bytes of each block. Throws system errors.
 */
export async function copyToFile(
	{descriptor, mark, file, compression: {method, level}}: CopyRequest,
	at: (where: 'source' | 'plain') => void,
	onBytes: (bytes: number) => void,
): Promise<Copied> {
	let state: CopyState | undefined;
	const blocks = function* () {
		at('source');
		const source = copyBlocks(descriptor, mark);
		let next = source.next();
		for (; !next.done; next = source.next()) {
			onBytes(next.value.length);
			yield next.value;
			at('source');
		}
		state = next.value;
		if (state?.isError === false) yield endOfData;
	};
	const write = (bytes: Uint8Array) => {
		at('plain');
		writeFully(file, [bytes]);
	};
	let pieces: readonly GzipPiece[] = [];
	if (method === 'gzip') pieces = gzipBlocks(blocks(), level, write);
	else if (method === 'none') for (const block of blocks()) write(block);
	else await compressZstd(blocks(), level, write);
	return {state, pieces};
}

/**
 * Node.js cannot continue a frame of zstd with calls that block, and not every reader continues after the first frame:
 * its thread pool compresses, while the next block is read.
 */
async function compressZstd(
	blocks: Iterable<Buffer>,
	level: number | undefined,
	write: (bytes: Uint8Array) => void,
): Promise<void> {
	const {createZstdCompress, constants: zlib} = process.getBuiltinModule('node:zlib');
	const compressor = createZstdCompress({
		...streaming,
		...(level !== undefined && {params: {[zlib.ZSTD_c_compressionLevel]: level}}),
	});
	const copies = function* () {
		for (const block of blocks) yield Buffer.from(block);
	};
	await streams().pipeline(copies(), compressor, async (packed: AsyncIterable<Uint8Array>) => {
		for await (const bytes of packed) write(bytes);
	});
}

/** Loaded for zstd alone. */
function streams() {
	return process.getBuiltinModule('node:stream/promises');
}

const streaming = {chunkSize: blockSize, highWaterMark: 2 * blockSize};

/**
 * Counts the rows in such a file. Throws an Error when it is damaged, or does not end as pg_dump ends a table, and
 * system errors.
 */
export async function countRows({path, pieces, compression: {method}}: CountRequest): Promise<number> {
	let rows = 0;
	const count = async (plain: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) => {
		for await (const _ of completeCopy(plain, counted => (rows = counted)));
	};
	const descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
	try {
		if (method === 'gzip') await count(gunzipPieces(descriptor, pieces));
		else if (method === 'none') await count(fileBlocks(descriptor));
		else {
			const {createZstdDecompress} = process.getBuiltinModule('node:zlib');
			await streams().pipeline(fileBlocks(descriptor), createZstdDecompress(streaming), count);
		}
	} finally {
		closeSync(descriptor);
	}
	return rows;
}

function* fileBlocks(descriptor: number): Generator<Uint8Array> {
	for (;;) {
		const block = readFully(descriptor, Buffer.allocUnsafeSlow(blockSize));
		if (block.length === 0) return;
		yield block;
	}
}
