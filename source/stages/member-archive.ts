/**
 * Writes data of a directory dump as a custom archive, which pg_restore reads from its standard input: it then loads
 * members that exist in no file as it would load those of a directory. The format is that of pg_backup_custom.c.
 */
import {PgBackError} from '../core/errors.js';
import type {ArchiveEntry, ArchiveToc} from '../postgres/archive-toc.js';

/** The data of one entry. */
export type MemberBlock = {
	readonly entry: ArchiveEntry;
	/** A table has one part, large objects have one each, with its OID. */
	readonly parts: readonly MemberPart[];
};

export type MemberPart = {
	readonly oid?: number;
	/** Called in the order of the parts. Its chunks are not used after the next one is requested. */
	readonly open: () => AsyncIterable<Uint8Array>;
};

export type MemberArchive = {
	/** The bytes of toc.dat, and what they contain. */
	readonly bytes: Uint8Array;
	readonly toc: ArchiveToc;
	/** How the parts are compressed: pg_restore decompresses lz4. */
	readonly compression: 'none' | 'lz4';
	readonly blocks: readonly MemberBlock[];
};

const customFormat = 1;
const [formatAt, compressionAt] = [10, 11];
/** Archive versions from here on have one byte for the algorithm, older ones an integer for the level. */
const namesAlgorithm = 15;
const lz4 = 2;
/** States of an offset: not known yet, and without data. */
const [unset, withoutData] = [1, 3];
const [dataBlock, largeObjects] = [1, 3];
/** Entries that change how the others are read. */
const preamble: ReadonlySet<string> = new Set(['ENCODING', 'STDSTRINGS', 'SEARCHPATH']);

/** Yields the archive. Throws the errors of the parts. */
export async function* memberArchive(archive: MemberArchive): AsyncGenerator<Uint8Array> {
	const {toc, blocks} = archive;
	const integer = (value: number) => encodeInteger(value, toc.integerSize);
	yield headOf(archive);
	for (const {entry, parts} of blocks) {
		const isLarge = entry.kind === 'BLOBS';
		yield Buffer.concat([Buffer.of(isLarge ? largeObjects : dataBlock), integer(entry.dumpId)]);
		for (const {oid, open} of parts) {
			if (oid !== undefined) yield integer(oid);
			for await (const chunk of open()) {
				if (chunk.length === 0) continue;
				yield integer(chunk.length);
				yield chunk; // no copy: a member may have many gigabytes
			}
			yield integer(0);
		}
		if (isLarge) yield integer(0);
	}
}

/** Returns the header and the table of contents with only these entries, in the order of their blocks. */
function headOf({bytes, toc, blocks, compression}: MemberArchive): Buffer {
	const [first] = toc.entries;
	if (!first) throw new PgBackError('BUG', 'data of an archive without entries');
	const countSize = 1 + toc.integerSize;
	const header = Buffer.from(bytes.subarray(0, first.startsAt - countSize));
	header[formatAt] = customFormat;
	if (toc.minor >= namesAlgorithm) header[compressionAt] = compression === 'lz4' ? lz4 : 0;
	else header.fill(0, compressionAt, compressionAt + countSize);
	const fields = (entry: ArchiveEntry, state: number) => {
		const place = Buffer.alloc(1 + toc.offsetSize);
		place[0] = state;
		return [bytes.subarray(entry.startsAt, entry.placeAt), place];
	};
	const settings = toc.entries.filter(entry => preamble.has(entry.kind));
	return Buffer.concat([
		header,
		encodeInteger(settings.length + blocks.length, toc.integerSize),
		...settings.flatMap(entry => fields(entry, withoutData)),
		...blocks.flatMap(({entry}) => fields(entry, unset)),
	]);
}

/** As C does with a signed integer: an OID above 2^31 is negative. */
function encodeInteger(value: number, size: number): Buffer {
	const signed = value | 0;
	const field = Buffer.alloc(1 + size);
	field[0] = signed < 0 ? 1 : 0;
	field.writeUInt32LE(Math.abs(signed), 1);
	return field;
}
