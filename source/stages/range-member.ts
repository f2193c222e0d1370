/**
 * Writes one range of a table as a member of a directory dump, as pg_dump writes a whole table, and reads it back before
 * it gets its name.
 */
import {createReadStream} from 'node:fs';
import {rename} from 'node:fs/promises';
import {basename} from 'node:path';
import {pipeline} from 'node:stream/promises';
import {messageOf, PgBackError} from '../core/errors.js';
import {compressedSuffixes, type Compression, levelOf, methodOf} from '../lib/compression.js';
import {createPartial, discardPartial} from '../lib/files.js';
import type {CopyOutput} from '../postgres/copy-session.js';
import {completeCopy} from './copy-data.js';

/** How the members of a dump are compressed. */
export type MemberCompression = {readonly method: 'none' | 'gzip' | 'zstd'; readonly level: number | undefined};

/**
 * Returns how pg_dump compresses with this `-Z` (undefined: its default); undefined for what Node.js cannot write: lz4,
 * and zstd in its long mode.
 */
export function memberCompression(compression: Compression | undefined): MemberCompression | undefined {
	const value = compression !== undefined && /^\d$/.test(String(compression)) ? Number(compression) : compression;
	const method = value === undefined ? 'gzip' : (methodOf(value) ?? 'gzip');
	if (method === 'lz4' || /[:,]long(?!=(?:off|false|no|0))/.test(String(value))) return undefined;
	const level = typeof value === 'number' ? value : value === undefined ? undefined : levelOf(value);
	if (method === 'none' || (method === 'gzip' && level === 0)) return {method: 'none', level: undefined};
	return {method, level: level === undefined || level < 0 ? undefined : level};
}

/** Returns the suffix that pg_restore looks for. */
export function memberSuffix({method}: MemberCompression): string {
	return method === 'none' ? '' : `.${compressedSuffixes[method]}`;
}

export type RangeMemberOptions = {
	/** The path of the member, with its suffix. */
	readonly path: string;
	readonly compression: MemberCompression;
	/** The six characters of the run. */
	readonly run: string;
	readonly signal: AbortSignal;
	/** Called with the number of bytes of the COPY as they arrive. */
	readonly onBytes: (bytes: number) => void;
};

/** What pg_dump writes after the rows of a table. */
const endOfData = '\\.\n\n\n';
const faulty = 'the disk or the memory may be faulty; the dump was discarded';
/** Bytes of what is compressed or decompressed at once: each piece costs turns of the event loop and changes of threads. */
const blockSize = 1 << 20;

/**
 * Writes the output of one COPY. Returns its rows, which were counted in the written file too. Throws CORRUPT when the
 * numbers differ, and the errors of the session and of the file system; the partial file is then removed. The member is
 * not flushed.
 */
export async function writeRangeMember(output: CopyOutput, options: RangeMemberOptions): Promise<number> {
	const {path, compression, run, signal, onBytes} = options;
	const {path: partial, handle} = await createPartial(path, run, undefined);
	try {
		const source = async function* (): AsyncGenerator<Buffer> {
			yield* inBlocks(output.chunks, onBytes);
			yield Buffer.from(endOfData);
		};
		const file = handle.createWriteStream({highWaterMark: blockSize}); // closes the handle
		const compressor = createCompressor(compression);
		await (compressor ? pipeline(source, compressor, file, {signal}) : pipeline(source, file, {signal}));
		const rows = output.rows();
		const written = await countRows(partial, basename(path), {compression, signal});
		if (written !== rows) {
			throw new PgBackError('CORRUPT', `${basename(path)} was read back with ${written} rows instead of ${rows}`, {
				hint: faulty,
			});
		}
		await rename(partial, path);
		return rows;
	} catch (error) {
		await handle.close().catch(() => undefined); // closed already, or the error of the write
		await discardPartial(partial);
		throw error;
	}
}

/** The next block arrives while one is compressed. */
const blocks = {chunkSize: blockSize, highWaterMark: 2 * blockSize};

/** Joins chunks of any size, such as those of a pipe, to blocks. `onBytes` is called for each chunk. */
async function* inBlocks(chunks: AsyncIterable<Buffer>, onBytes: (bytes: number) => void): AsyncGenerator<Buffer> {
	let block = Buffer.allocUnsafe(blockSize);
	let used = 0;
	for await (const chunk of chunks) {
		onBytes(chunk.length);
		for (let at = 0; at < chunk.length;) {
			const copied = chunk.copy(block, used, at);
			at += copied;
			used += copied;
			if (used < blockSize) continue;
			yield block;
			block = Buffer.allocUnsafe(blockSize);
			used = 0;
		}
	}
	if (used > 0) yield block.subarray(0, used);
}

function createCompressor({method, level}: MemberCompression) {
	const {createGzip, createZstdCompress, constants} = process.getBuiltinModule('node:zlib'); // most dumps need none
	if (method === 'gzip') return createGzip({...blocks, ...(level !== undefined && {level})});
	if (method === 'none') return undefined;
	return createZstdCompress({
		...blocks,
		...(level !== undefined && {params: {[constants.ZSTD_c_compressionLevel]: level}}),
	});
}

/** Counts the rows of a member. Throws CORRUPT unless it ends as pg_dump ends a table. */
async function countRows(
	path: string,
	name: string,
	{compression: {method}, signal}: Pick<RangeMemberOptions, 'compression' | 'signal'>,
): Promise<number> {
	const {createGunzip, createZstdDecompress} = process.getBuiltinModule('node:zlib');
	let rows = 0;
	const count = async (plain: AsyncIterable<Uint8Array>) => {
		for await (const _ of completeCopy(plain, counted => (rows = counted)));
	};
	const file = createReadStream(path, {highWaterMark: blockSize});
	try {
		if (method === 'none') await pipeline(file, count, {signal});
		else
			await pipeline(file, method === 'gzip' ? createGunzip(blocks) : createZstdDecompress(blocks), count, {
				signal,
			});
	} catch (error) {
		signal.throwIfAborted();
		throw new PgBackError('CORRUPT', `${name} cannot be read back: ${messageOf(error)}`, {hint: faulty, cause: error});
	}
	return rows;
}
