import {PgBackError} from '../core/errors.js';

const block = 512;

/**
 * Passes a tar archive on and checks its structure: every header's checksum, complete members, and the two empty blocks
 * at the end. pg_restore itself accepts a truncated tar archive, or loops forever. Throws CORRUPT after the last byte.
 */
export async function* checkedTar(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
	const header = Buffer.alloc(block);
	let filled = 0;
	let skip = 0;
	let empty = 0;
	let problem: string | undefined;
	for await (const chunk of source) {
		for (let at = 0; at < chunk.byteLength && problem === undefined;) {
			if (skip > 0) {
				const step = Math.min(skip, chunk.byteLength - at);
				skip -= step;
				at += step;
				continue;
			}
			const step = Math.min(block - filled, chunk.byteLength - at);
			header.set(chunk.subarray(at, at + step), filled);
			filled += step;
			at += step;
			if (filled < block) continue;
			filled = 0;
			if (header.every(byte => byte === 0)) empty++;
			else if (empty > 0 || !isHeader(header)) problem = 'damaged header in the tar archive';
			else skip = Math.ceil(sizeOf(header) / block) * block;
		}
		yield chunk;
	}
	if (problem === undefined && (skip > 0 || filled > 0 || empty < 2)) problem = 'the tar archive is truncated';
	if (problem !== undefined) throw new PgBackError('CORRUPT', problem);
}

/** Compares the header's checksum: the sum of all bytes, with those of the checksum itself taken as spaces. */
function isHeader(header: Buffer): boolean {
	const stored = Number.parseInt(header.toString('latin1', 148, 156), 8);
	let sum = 8 * 0x20;
	for (let at = 0; at < block; at++) if (at < 148 || at >= 156) sum += header[at] ?? 0;
	return sum === stored;
}

/** Parses octal digits or, from 8 GiB on, a binary number after a set first bit. */
function sizeOf(header: Buffer): number {
	if (((header[124] ?? 0) & 0x80) === 0) return Number.parseInt(header.toString('latin1', 124, 136), 8) || 0;
	return Number(header.readBigUInt64BE(128));
}
