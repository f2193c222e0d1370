/**
 * Checks that the archive that pg_dump wrote into a file is whole. In the custom and tar formats pg_dump 13 to 18 ends
 * successfully, and without a message, when its last block does not fit on the disk: it ignores the failure of its last
 * fseeko (custom), and never closes the file (tar).
 */
import {type FileHandle, open} from 'node:fs/promises';
import {PgBackError} from '../core/errors.js';
import {ArchivePlaceParser} from '../postgres/archive-toc.js';
import {OutputCheck} from './output-check.js';

const blockSize = 256 << 10;
/** Two blocks of zeros end a tar archive. */
const tarEnd = 1024;

/** Throws CORRUPT for a truncated archive, TOOLS for a version of the format that is too new. Other files pass. */
export async function checkCompleteArchive(path: string): Promise<void> {
	const handle = await open(path, 'r');
	try {
		const {buffer, bytesRead} = await handle.read(Buffer.alloc(512), 0, 512, 0);
		if (buffer.toString('latin1', 0, 5) === 'PGDMP') await checkCustom(handle);
		else if (bytesRead === 512 && buffer.toString('latin1', 0, 8) === 'toc.dat\0') await checkTar(handle);
	} finally {
		await handle.close();
	}
}

async function checkTar(handle: FileHandle): Promise<void> {
	const {size} = await handle.stat();
	const {buffer, bytesRead} = await handle.read(Buffer.alloc(tarEnd), 0, tarEnd, Math.max(0, size - tarEnd));
	if (bytesRead < tarEnd || buffer.some(byte => byte !== 0)) throw truncated();
}

/**
 * pg_dump writes the table of contents again when all data is in the file, with the offset of each block. Without an
 * offset the blocks are read: a wrapper of pg_dump may have written the file from a pipe.
 */
async function checkCustom(handle: FileHandle): Promise<void> {
	if (await hasAllOffsets(handle)) return;
	const check = new OutputCheck();
	await readPieces(handle, piece => {
		check.push(piece);
		return true;
	});
	const problem = check.problem();
	if (problem !== undefined) throw new PgBackError('CORRUPT', problem);
}

async function hasAllOffsets(handle: FileHandle): Promise<boolean> {
	let [last, isKnown] = [0, true];
	const parser = new ArchivePlaceParser(({offset = 0, awaitsOffset}) => {
		isKnown &&= !awaitsOffset;
		last = Math.max(last, offset);
	});
	await readPieces(handle, piece => {
		parser.push(piece);
		return parser.result() === undefined;
	});
	const {size} = await handle.stat();
	if (!parser.result() || last >= size) throw truncated();
	return isKnown;
}

/** Calls `take` with the pieces of the file until it returns false. They are only valid during the call. */
async function readPieces(handle: FileHandle, take: (piece: Uint8Array) => boolean): Promise<void> {
	const buffer = Buffer.alloc(blockSize);
	for (let at = 0; ;) {
		const {bytesRead} = await handle.read(buffer, 0, blockSize, at);
		at += bytesRead;
		if (bytesRead === 0 || !take(buffer.subarray(0, bytesRead))) return;
	}
}

function truncated(): PgBackError {
	return new PgBackError('CORRUPT', 'the archive is truncated');
}
