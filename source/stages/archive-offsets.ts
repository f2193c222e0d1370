/**
 * Writes the data offsets into the table of contents of a custom archive that was streamed to a file: pg_dump omits
 * them when it writes to a pipe, and without them pg_restore -j has to search. The file becomes identical to the output
 * of `pg_dump -f`.
 */
import type {FileHandle} from 'node:fs/promises';
import {ArchiveBytes, corruptArchive, ShortRead} from '../postgres/archive-bytes.js';
import {type ArchiveHead, ArchivePlaceParser, type ArchiveToc, ArchiveTocParser} from '../postgres/archive-toc.js';

const dataBlock = 1;
const blobBlock = 3;
/** The first byte of a table of contents without its head: the sign of a number. */
const secondTable = 0;
/** The state of an offset that is set. */
const isSet = 2;

/** Parses a custom archive: its table of contents and its data blocks. Throws CORRUPT for anything else. */
export class ArchiveBlocks {
	readonly #parser = new ArchiveTocParser();
	#blocks: ArchiveBlockWalker | undefined;

	toc(): ArchiveToc | undefined {
		return this.#parser.toc();
	}

	/** Holds nothing of `chunk` afterwards. */
	push(chunk: Uint8Array): void {
		if (this.#blocks) {
			this.#blocks.push(chunk);
			return;
		}
		const rest = this.#parser.push(chunk);
		const toc = this.#parser.toc();
		if (!toc || !rest) return;
		if (toc.format !== 'custom') throw corruptArchive('not a custom-format archive');
		this.#blocks = new ArchiveBlockWalker({...toc, count: toc.entries.length}, toc.size);
		if (rest.length > 0) this.#blocks.push(rest);
	}

	/**
	 * Must be called at the end of the archive. Returns the offset of each entry with data. Throws CORRUPT for a
	 * truncated archive.
	 */
	finish(): ReadonlyMap<number, number> {
		if (!this.#blocks) throw corruptArchive('truncated within its table of contents');
		return this.#blocks.finish();
	}
}

/**
 * Parses the data blocks, which follow the table of contents. Throws CORRUPT for anything else. A second table may follow
 * them: pg_dump since 16 cannot overwrite the first one, with the offsets, in a file that is its stdout, because it opens
 * it to append (`SetOutput` in pg_backup_archiver.c). pg_restore does not read it.
 */
export class ArchiveBlockWalker {
	readonly #bytes = new ArchiveBytes();
	/** The start of each data block, by dump ID. */
	readonly #offsets = new Map<number, number>();
	#skip = 0;
	#state: 'block' | 'chunk' | 'blob' | 'blob chunk' = 'block';
	readonly #head: ArchiveHead;
	#second: ArchivePlaceParser | undefined;
	/** The position in the archive of the bytes in `#bytes`. */
	#start: number;

	/** `start` is the position of the first block in the archive. */
	constructor(head: ArchiveHead, start: number) {
		this.#head = head;
		this.#bytes.integerSize = head.integerSize;
		this.#start = start;
	}

	/** Must be called at the end of the archive. Returns the offset of each block, by dump ID. */
	finish(): ReadonlyMap<number, number> {
		if (this.#second && !this.#second.result()) throw corruptArchive('truncated within its second table of contents');
		if (this.#state !== 'block' || this.#skip > 0 || this.#bytes.unread > 0)
			throw corruptArchive('truncated within a data block');
		return this.#offsets;
	}

	/** Holds nothing of `chunk` afterwards. */
	push(chunk: Uint8Array): void {
		if (this.#second) {
			this.#pushSecond(this.#second, chunk);
			return;
		}
		let piece = chunk;
		if (this.#skip > 0) {
			const skipped = Math.min(this.#skip, piece.length);
			this.#skip -= skipped;
			this.#start += skipped;
			piece = piece.subarray(skipped);
			if (piece.length === 0) return;
		}
		this.#bytes.borrow(piece);
		if (!this.#bytes.satisfied) return;
		try {
			for (;;) {
				this.#bytes.commit();
				this.#step();
			}
		} catch (error) {
			if (!(error instanceof ShortRead)) throw error;
			this.#bytes.rewind(error.missing);
			this.#bytes.keep();
		}
	}

	#pushSecond(parser: ArchivePlaceParser, chunk: Uint8Array): void {
		const rest = parser.push(chunk);
		if (rest && rest.length > 0) throw corruptArchive('bytes after its second table of contents');
	}

	#startSecond(): never {
		const bytes = this.#bytes;
		this.#second = new ArchivePlaceParser(() => undefined, this.#head);
		this.#pushSecond(this.#second, Buffer.concat([Buffer.of(secondTable), bytes.rest()]));
		bytes.skip(bytes.unread);
		bytes.commit();
		throw new ShortRead(1);
	}

	#step(): void {
		const bytes = this.#bytes;
		switch (this.#state) {
			case 'block': {
				const at = this.#start + bytes.position;
				const type = bytes.byte();
				if (type === secondTable) this.#startSecond();
				const id = bytes.integer();
				if (type !== dataBlock && type !== blobBlock) throw corruptArchive(`a data block of the unknown type ${type}`);
				if (this.#offsets.has(id)) throw corruptArchive(`two data blocks of entry ${id}`);
				this.#offsets.set(id, at);
				this.#state = type === dataBlock ? 'chunk' : 'blob';
				return;
			}
			case 'blob':
				this.#state = bytes.integer() === 0 ? 'block' : 'blob chunk';
				return;
			case 'chunk':
			case 'blob chunk': {
				const length = bytes.integer();
				if (length < 0) throw corruptArchive('a piece of data with a negative length');
				if (length === 0) this.#state = this.#state === 'chunk' ? 'block' : 'blob';
				else this.#skip += bytes.skip(length);
				if (this.#skip > 0) {
					bytes.commit();
					throw new ShortRead(1);
				}
			}
		}
	}
}

/**
 * Writes the offsets into the file and returns their number. Throws CORRUPT for entries that have data but no block (a
 * truncated archive).
 */
export async function writeOffsets(
	handle: FileHandle,
	toc: ArchiveToc,
	offsets: ReadonlyMap<number, number>,
): Promise<number> {
	let written = 0;
	for (const entry of toc.entries) {
		if (!entry.hasData || !entry.awaitsOffset) continue;
		const offset = offsets.get(entry.dumpId);
		if (offset === undefined) throw corruptArchive(`the data of entry ${entry.dumpId} is missing`);
		const field = Buffer.alloc(1 + toc.offsetSize);
		field[0] = isSet;
		field.writeUIntLE(offset, 1, 6);
		await handle.write(field, 0, field.length, entry.placeAt);
		written++;
	}
	return written;
}
