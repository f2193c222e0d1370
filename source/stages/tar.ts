import {PgBackError} from '../core/errors.js';

const block = 512;

/**
 * Checks the structure of a tar archive: every header's checksum, complete members, and the two empty blocks at the
 * end. pg_restore itself accepts a truncated tar archive, or loops forever.
 */
export class TarCheck {
	readonly #header = Buffer.alloc(block);
	#filled = 0;
	#skip = 0;
	#empty = 0;
	#isDamaged = false;

	/** Holds nothing of `chunk` afterwards. */
	push(chunk: Uint8Array): void {
		for (let at = 0; at < chunk.byteLength && !this.#isDamaged;) {
			if (this.#skip > 0) {
				const step = Math.min(this.#skip, chunk.byteLength - at);
				this.#skip -= step;
				at += step;
				continue;
			}
			const step = Math.min(block - this.#filled, chunk.byteLength - at);
			this.#header.set(chunk.subarray(at, at + step), this.#filled);
			this.#filled += step;
			at += step;
			if (this.#filled === block) this.#takeHeader();
		}
	}

	/** Must be called at the end of the archive. Throws CORRUPT. */
	finish(): void {
		if (this.#isDamaged) throw new PgBackError('CORRUPT', 'damaged header in the tar archive');
		if (this.#skip > 0 || this.#filled > 0 || this.#empty < 2)
			throw new PgBackError('CORRUPT', 'the tar archive is truncated');
	}

	#takeHeader(): void {
		this.#filled = 0;
		if (this.#header.every(byte => byte === 0)) this.#empty++;
		else if (this.#empty > 0 || !isHeader(this.#header)) this.#isDamaged = true;
		else this.#skip = Math.ceil(sizeOf(this.#header) / block) * block;
	}
}

/** Passes a tar archive on. Throws CORRUPT after the last byte of one that is damaged or truncated. */
export async function* checkedTar(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
	const check = new TarCheck();
	for await (const chunk of source) {
		check.push(chunk);
		yield chunk;
	}
	check.finish();
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
