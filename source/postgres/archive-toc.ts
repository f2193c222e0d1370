/**
 * Parses the table of contents of a pg_dump archive, versions 1.12 to 1.16 (PostgreSQL 9.0 to 18), in the format of
 * pg_backup_archiver.c. Reads only the table itself, not the data after it.
 */
import {PgBackError} from '../core/errors.js';
import {ArchiveBytes, corruptArchive, ShortRead} from './archive-bytes.js';
import {decoderFor, definitionDecoder, sharedTextDecoder} from './archive-encoding.js';
import {isDatabaseEntry} from './database-entry.js';

export const oldestArchive = 12;
export const newestArchive = 16;

export type ArchiveFormat = 'custom' | 'directory' | 'tar';
export type Section = 'none' | 'pre-data' | 'data' | 'post-data';

export type ArchiveEntry = {
	readonly dumpId: number;
	/** The OID of the catalog, and of the object in it, in the dumped database. */
	readonly catalog: number;
	readonly oid: number;
	/** The object's name, or its description: `orders`, `sum(integer)`, `orders orders_pkey`. */
	readonly tag: string;
	/** `TABLE`, `TABLE DATA`, `FK CONSTRAINT` and so on, as pg_restore -l prints it. */
	readonly kind: string;
	readonly section: Section;
	/** SQL; empty for entries that only have data. */
	readonly definition: string;
	/** `COPY … FROM stdin;` of table data; empty for INSERT dumps. */
	readonly copy: string;
	readonly schema: string | undefined;
	readonly tablespace: string | undefined;
	readonly owner: string;
	/** The dump IDs of entries that must be restored before. */
	readonly dependencies: readonly number[];
	readonly hasData: boolean;
	/** Custom format: the offset of its data block; undefined when the archive was written to a pipe. */
	readonly offset: number | undefined;
	/** Directory and tar formats: the member that contains its data. */
	readonly member: string | undefined;
	/** The positions in the file of the entry, and of its last field: the offset in the custom format, else the member. */
	readonly startsAt: number;
	readonly placeAt: number;
	/** Custom format: it has data at an offset that was unknown when the archive was written. */
	readonly awaitsOffset: boolean;
};

export type ArchiveToc = {
	readonly format: ArchiveFormat;
	/** 16 for version `1.16`. */
	readonly minor: number;
	/** Bytes of an integer, without its sign byte, and of an offset. */
	readonly integerSize: number;
	readonly offsetSize: number;
	readonly compression: 'none' | 'gzip' | 'lz4' | 'zstd';
	/** Local time of the host that pg_dump ran on: `2026-11-22 04:00:00`. */
	readonly created: string;
	readonly database: string;
	/** As printed, such as `15.18`. */
	readonly serverVersion: string;
	readonly dumpVersion: string;
	/** Decodes names of roles and databases in definitions, see `sharedTextDecoder`; owners and tablespaces are decoded. */
	readonly sharedText: (text: string) => string;
	/** Decodes names of roles in the definition of the database, whose text has all bytes, see `definitionDecoder`. */
	readonly legible: (name: string) => string;
	/** The client encoding of the dump, such as `UTF8`. */
	readonly encoding: string;
	readonly entries: readonly ArchiveEntry[];
	/** Bytes of the header and the table, after which the data begins. */
	readonly size: number;
};

const sections: Readonly<Record<number, Section>> = {1: 'none', 2: 'pre-data', 3: 'data', 4: 'post-data'};
const formats: Readonly<Record<number, ArchiveFormat>> = {1: 'custom', 3: 'tar'};
const compressions = ['none', 'gzip', 'lz4', 'zstd'] as const;
/** Bytes; the table of a database with a million objects has a few hundred MiB. */
const largest = 1 << 30;

export type ArchiveHead = Omit<ArchiveToc, 'entries' | 'size' | 'encoding' | 'sharedText' | 'legible'> & {
	readonly count: number;
};

/** Where the data of an entry is. */
export type ArchivePlace = Pick<ArchiveEntry, 'dumpId' | 'offset' | 'member' | 'awaitsOffset'>;

/**
 * Parses a table of contents that arrives in pieces, and passes each entry that `read` returns to `take`. Keeps no entry:
 * there may be a million. Every failure is a PgBackError CORRUPT, or TOOLS for a newer archive version.
 */
class TableParser<Entry> {
	readonly #read: (bytes: ArchiveBytes, head: ArchiveHead) => Entry;
	readonly #take: (entry: Entry) => void;
	readonly #bytes = new ArchiveBytes();
	readonly #first: ArchiveHead | undefined;
	#head: ArchiveHead | undefined;
	#left: number | undefined;

	/** With `first`, what is parsed is the second table of an archive, which has no head of its own. */
	constructor(
		read: (bytes: ArchiveBytes, head: ArchiveHead) => Entry,
		take: (entry: Entry) => void,
		first?: ArchiveHead,
	) {
		this.#read = read;
		this.#take = take;
		this.#first = first;
		if (first) this.#bytes.integerSize = first.integerSize;
	}

	/** Returns what precedes the entries, and the size of the table in bytes; undefined while bytes of the table are missing. */
	result(): {readonly head: ArchiveHead; readonly size: number} | undefined {
		return this.#head && this.#left === 0 ? {head: this.#head, size: this.#bytes.position} : undefined;
	}

	/** Returns the bytes after the table in this chunk, when the chunk completes it. Holds nothing of `chunk` afterwards. */
	push(chunk: Uint8Array): Uint8Array | undefined {
		if (this.result()) return chunk;
		this.#bytes.push(chunk);
		if (!this.#bytes.satisfied) return undefined;
		try {
			if (!this.#head || this.#left === undefined) {
				this.#head = this.#first ? readSecondHead(this.#bytes, this.#first) : readHead(this.#bytes);
				this.#left = this.#head.count;
				this.#bytes.commit();
			}
			for (; this.#left > 0; this.#left--) {
				this.#take(this.#read(this.#bytes, this.#head));
				this.#bytes.commit();
			}
		} catch (error) {
			if (!(error instanceof ShortRead)) throw error;
			this.#bytes.rewind(error.missing);
			if (this.#bytes.position + this.#bytes.wanted > largest)
				throw corruptArchive('the table of contents is too large');
			return undefined;
		}
		return this.#bytes.rest();
	}
}

/** Passes on only where the data of each entry is, in less than half of the time. Failures are those of TableParser. */
export class ArchivePlaceParser extends TableParser<ArchivePlace> {
	/** With `first`, what is parsed is the second table of an archive. */
	constructor(take: (place: ArchivePlace) => void, first?: ArchiveHead) {
		super(readEntryPlace, take, first);
	}
}

/** Parses a table of contents that arrives in pieces. Failures are those of TableParser. */
export class ArchiveTocParser {
	readonly #entries: ArchiveEntry[] = [];
	readonly #parser = new TableParser(readEntry, entry => this.#entries.push(entry));
	#toc: ArchiveToc | undefined;

	/** Returns the complete table, or undefined while bytes are missing. */
	toc(): ArchiveToc | undefined {
		return this.#toc;
	}

	/** Returns the bytes after the table in this chunk, when the chunk completes it. */
	push(chunk: Uint8Array): Uint8Array | undefined {
		const rest = this.#parser.push(chunk);
		const table = this.#parser.result();
		if (table) this.#toc ??= finish(table.head, this.#entries, table.size);
		return rest;
	}
}

/** Returns the minor number of the archive's version; the major is 1. */
function readArchiveVersion(bytes: ArchiveBytes): number {
	if (bytes.raw(5) !== 'PGDMP') throw corruptArchive('it does not start like a pg_dump archive');
	const [major, minor, revision] = [bytes.byte(), bytes.byte(), bytes.byte()];
	if (major !== 1 || minor > 99) throw corruptArchive(`archive version ${major}.${minor} does not exist`);
	if (minor < oldestArchive || minor > newestArchive) throw unsupported(`${major}.${minor}-${revision}`);
	return minor;
}

/** Reads the fields of C's struct tm, one by one. */
function readTime(bytes: ArchiveBytes): string {
	const [second = 0, minute = 0, hour = 0, day = 0, month = 0, year = 0] = Array.from({length: 7}, () =>
		bytes.integer(),
	);
	const two = (value: number) => String(value).padStart(2, '0');
	return `${1900 + year}-${two(month + 1)}-${two(day)} ${two(hour)}:${two(minute)}:${two(second)}`;
}

/** Reads everything before the first entry; the number of entries comes last. */
export function readHead(bytes: ArchiveBytes): ArchiveHead {
	const minor = readArchiveVersion(bytes);
	const [integerSize, offsetSize, formatCode] = [bytes.byte(), bytes.byte(), bytes.byte()];
	if (integerSize < 4 || integerSize > 8) throw corruptArchive(`integers of ${integerSize} bytes`);
	if (offsetSize < 4 || offsetSize > 8) throw corruptArchive(`offsets of ${offsetSize} bytes`);
	const format = formats[formatCode];
	if (!format) throw corruptArchive(`format ${formatCode} does not exist`);
	bytes.integerSize = integerSize;
	const algorithm = minor >= 15 ? bytes.byte() : bytes.integer() === 0 ? 0 : 1;
	const compression = compressions[algorithm];
	if (!compression) throw corruptArchive(`compression ${algorithm} does not exist`);
	const created = readTime(bytes);
	const database = bytes.text() ?? '';
	const serverVersion = bytes.text() ?? '';
	const dumpVersion = bytes.text() ?? '';
	const count = bytes.integer();
	if (count < 0) throw corruptArchive('a negative number of entries');
	return {
		format,
		minor,
		integerSize,
		offsetSize,
		compression,
		created,
		database,
		serverVersion,
		dumpVersion,
		count,
	};
}

function readSecondHead(bytes: ArchiveBytes, first: ArchiveHead): ArchiveHead {
	if (bytes.integer() !== first.count) throw corruptArchive('its two tables of contents differ');
	return first;
}

/** Reads one entry; its text has one character per byte. */
export function readEntry(bytes: ArchiveBytes, head: ArchiveHead): ArchiveEntry {
	const {minor} = head;
	const startsAt = bytes.position;
	const dumpId = readDumpId(bytes);
	const hasData = bytes.integer() !== 0;
	const catalog = number(bytes.text());
	const oid = number(bytes.text());
	const tag = bytes.text() ?? '';
	const kind = bytes.text() ?? '';
	const section = readSection(bytes);
	const definition = bytes.text() ?? '';
	bytes.skipText(); // the DROP statement
	const copy = bytes.text() ?? '';
	const schema = bytes.text() || undefined;
	const tablespace = bytes.text() || undefined;
	if (minor >= 14) bytes.skipText(); // the table access method
	if (minor >= 16) bytes.integer(); // the relkind
	const owner = bytes.text() ?? '';
	bytes.skipText(); // WITH OIDS
	const dependencies: number[] = [];
	for (let text = bytes.text(); text !== undefined; text = bytes.text()) dependencies.push(number(text));
	const placeAt = bytes.position;
	return {
		...{dumpId, catalog, oid, tag, kind, section, definition, copy, schema, tablespace, owner},
		...{dependencies, hasData, startsAt, placeAt, ...readPlace(bytes, head)},
	};
}

/** Reads one entry without its texts. */
function readEntryPlace(bytes: ArchiveBytes, head: ArchiveHead): ArchivePlace {
	const dumpId = readDumpId(bytes);
	bytes.integer(); // whether it has data
	bytes.skipTexts(4); // the OIDs, the tag, the kind
	readSection(bytes);
	bytes.skipTexts(head.minor >= 14 ? 6 : 5); // from the definition to the table access method
	if (head.minor >= 16) bytes.integer(); // the relkind
	bytes.skipTexts(2); // the owner, WITH OIDS
	while (bytes.skipText()); // the dependencies
	return {dumpId, ...readPlace(bytes, head)};
}

function readDumpId(bytes: ArchiveBytes): number {
	const dumpId = bytes.integer();
	if (dumpId <= 0) throw corruptArchive(`an entry with the id ${dumpId}`);
	return dumpId;
}

function readSection(bytes: ArchiveBytes): Section {
	const section = sections[bytes.integer()];
	if (!section) throw corruptArchive('an entry in a section that does not exist');
	return section;
}

/** Reads the last field of an entry. */
function readPlace(bytes: ArchiveBytes, {format, offsetSize}: ArchiveHead): Omit<ArchivePlace, 'dumpId'> {
	if (format !== 'custom') return {offset: undefined, member: bytes.text() || undefined, awaitsOffset: false};
	const state = bytes.byte();
	const offset = bytes.unsigned(offsetSize);
	if (state < 1 || state > 3) throw corruptArchive('an offset with an unknown state');
	return {offset: state === 2 ? offset : undefined, member: undefined, awaitsOffset: state === 1};
}

function number(text: string | undefined): number {
	if (text === undefined || !/^\d{1,10}$/.test(text)) throw corruptArchive('an id that is not a number');
	return Number(text);
}

/** Names and SQL were read one character per byte, because only now is the encoding known. */
function finish(head: ArchiveHead, entries: readonly ArchiveEntry[], size: number): ArchiveToc {
	const {count: _, ...rest} = head;
	const encoding = encodingOf(entries);
	const decode = decoderFor(encoding);
	const databaseEncoding = databaseEncodingOf(entries) ?? encoding;
	const sharedText = sharedTextDecoder(databaseEncoding);
	const optional = (text: string | undefined) => (text === undefined ? undefined : decode(text));
	const ids = new Set(entries.map(entry => entry.dumpId));
	if (ids.size !== entries.length) throw corruptArchive('two entries with the same id');
	const ofDatabase = definitionDecoder(encoding, databaseEncoding);
	const decoded = entries.map(entry => {
		const decodeText = isDatabaseEntry(entry) ? ofDatabase.decode : decode;
		return {
			...entry,
			tag: decodeText(entry.tag),
			definition: decodeText(entry.definition),
			copy: decode(entry.copy),
			schema: optional(entry.schema),
			tablespace: entry.tablespace === undefined ? undefined : sharedText(decode(entry.tablespace)),
			owner: sharedText(decode(entry.owner)),
		};
	});
	const {legible} = ofDatabase;
	return {...rest, database: sharedText(decode(rest.database)), encoding, sharedText, legible, entries: decoded, size};
}

function databaseEncodingOf(entries: readonly ArchiveEntry[]): string | undefined {
	const definition = entries.find(({kind}) => kind === 'DATABASE')?.definition ?? '';
	return / ENCODING = '([^']+)'/.exec(definition)?.[1];
}

function encodingOf(entries: readonly ArchiveEntry[]): string {
	const setting = entries.findLast(({kind}) => kind === 'ENCODING')?.definition ?? '';
	return /^SET client_encoding = '([^']+)'/.exec(setting)?.[1] ?? 'UTF8';
}

function unsupported(version: string): PgBackError {
	return new PgBackError('TOOLS', `archive version ${version} cannot be read`, {
		hint: 'this pg_back reads 1.12 to 1.16 (PostgreSQL 9.0 to 18); restore it with pg_restore',
	});
}
