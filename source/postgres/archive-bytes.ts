/** Reads the bytes of an archive as they arrive, in the units in which pg_dump writes them. */
import {PgBackError} from '../core/errors.js';

/** At least `missing` more bytes are needed. */
export class ShortRead extends Error {
	readonly missing: number;

	constructor(missing: number) {
		super('short read');
		this.missing = missing;
	}
}

/**
 * Read functions throw ShortRead when there are not enough bytes; `rewind` then returns to the last `commit`. Pieces
 * are joined only when the missing bytes have arrived, so that a long string costs time in proportion to its length.
 */
export class ArchiveBytes {
	/** Bytes of an integer without its sign byte. */
	integerSize = 4;
	#buffer: Buffer = Buffer.alloc(0);
	#pending: Buffer[] = [];
	#pendingBytes = 0;
	#at = 0;
	#missing = 1;
	#committed = 0;
	/** Bytes before the buffer. */
	#base = 0;

	/** Takes a copy: `chunk` may be used again. */
	push(chunk: Uint8Array): void {
		this.borrow(Buffer.from(chunk));
	}

	/** Takes the bytes as they are: `keep` must be called before the memory of `chunk` is used again. */
	borrow(chunk: Uint8Array): void {
		const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
		this.#pendingBytes += bytes.byteLength;
		if (!this.satisfied) {
			this.#pending.push(Buffer.from(bytes));
			return;
		}
		this.#base += this.#at;
		const parts = [this.#buffer.subarray(this.#at), ...this.#pending, bytes].filter(part => part.length > 0);
		this.#buffer = parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts);
		this.#at = 0;
		this.#pending = [];
		this.#pendingBytes = 0;
		this.#committed = 0;
		this.#missing = 0;
	}

	/** Copies what is unread, so that nothing of what was borrowed is held any longer. Only after `commit` or `rewind`. */
	keep(): void {
		this.#base += this.#at;
		this.#buffer = Buffer.from(this.#buffer.subarray(this.#at));
		this.#at = 0;
		this.#committed = 0;
	}

	/** Returns true when the bytes that the last ShortRead asked for have arrived. */
	get satisfied(): boolean {
		return this.#pendingBytes >= this.#missing;
	}

	/** Returns the bytes, counted from the committed position, that are known to be needed. */
	get wanted(): number {
		return this.#buffer.length - this.#at + this.#missing;
	}

	/** Returns the position in the archive. */
	get position(): number {
		return this.#base + this.#at;
	}

	commit(): void {
		this.#committed = this.#at;
	}

	rewind(missing: number): void {
		this.#at = this.#committed;
		this.#missing = missing;
	}

	/** Returns the unread bytes. */
	rest(): Uint8Array {
		return this.#buffer.subarray(this.#at);
	}

	/** Returns the number of unread bytes, including those pushed since. */
	get unread(): number {
		return this.#buffer.length - this.#at + this.#pendingBytes;
	}

	/** Skips available bytes. Returns how many of `length` are still missing. */
	skip(length: number): number {
		const here = Math.min(length, this.#buffer.length - this.#at);
		this.#at += here;
		return length - here;
	}

	#take(length: number): number {
		const missing = this.#at + length - this.#buffer.length;
		if (missing > 0) throw new ShortRead(missing);
		const from = this.#at;
		this.#at += length;
		return from;
	}

	byte(): number {
		return this.#buffer[this.#take(1)] ?? 0;
	}

	/** Reads a little-endian integer of `size` bytes. Throws CORRUPT beyond 2^53. */
	unsigned(size: number): number {
		const from = this.#take(size);
		let value = 0;
		for (let index = size - 1; index >= 0; index--) value = value * 256 + (this.#buffer[from + index] ?? 0);
		if (!Number.isSafeInteger(value)) throw corruptArchive('an offset is too large');
		return value;
	}

	integer(): number {
		const sign = this.byte();
		const value = this.unsigned(this.integerSize);
		if (sign > 1 || value > 0x7fff_ffff) throw corruptArchive('an integer is out of range');
		return sign === 0 ? value : -value;
	}

	/** Reads a string, one character per byte. */
	raw(length: number): string {
		const from = this.#take(length);
		return this.#buffer.toString('latin1', from, from + length);
	}

	/** Reads a string, one character per byte; undefined for a null string. */
	text(): string | undefined {
		const length = this.integer();
		return length < 0 ? undefined : this.raw(length);
	}

	/** Returns false for a null string. */
	skipText(): boolean {
		const length = this.integer();
		this.#take(Math.max(0, length));
		return length >= 0;
	}

	skipTexts(count: number): void {
		for (let left = count; left > 0; left--) this.skipText();
	}
}

export function corruptArchive(problem: string): PgBackError {
	return new PgBackError('CORRUPT', `cannot read the archive: ${problem}`, {hint: 'use another run'});
}
