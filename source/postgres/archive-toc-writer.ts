/**
 * Adds data entries of tables to the table of contents of a directory dump (`toc.dat`), in the format that
 * pg_backup_archiver.c writes. What was there is copied byte for byte. Pure.
 */
import {PgBackError} from '../core/errors.js';
import {ArchiveBytes, ShortRead} from './archive-bytes.js';
import {type ArchiveEntry, type ArchiveHead, readEntry, readHead} from './archive-toc.js';

/** The data of one table, in several members. */
export type AddedData = {
	/** The OID of the table in the dumped database. */
	readonly oid: number;
	/** `COPY … FROM stdin;` with a line feed, one character per byte, in the encoding of the archive. */
	readonly copy: string;
	/** Names of the members, without a suffix for their compression. */
	readonly members: readonly string[];
};

export type WrittenToc = {
	readonly bytes: Buffer;
	/** The OIDs of tables that the archive does not contain: nothing was added for them. */
	readonly missing: readonly number[];
	/** The OIDs of tables whose data is in the archive already: nothing was added for them. */
	readonly present: readonly number[];
};

/** An entry with the position behind it, in bytes. */
type Placed = {readonly entry: ArchiveEntry; readonly end: number};

const relationCatalog = 1259;

/**
 * Adds one TABLE DATA entry for each member, behind the data of the other tables. Whatever pg_restore does after the
 * data of a table (indexes, keys, triggers) then depends on every part.
 *
 * The first dependency of each part is an id that no entry has, and its table comes second. pg_restore takes the first
 * dependency of a TABLE DATA entry as its table, and with `-j` it truncates a table that it has created before it loads
 * the entry of that table: with several entries that would remove what the other parts have loaded.
 *
 * Throws CORRUPT for bytes that are not a table of contents, and for another format.
 */
export function addTableData(toc: Buffer, added: readonly AddedData[]): WrittenToc {
	const {head, countAt, entries, end} = locate(toc);
	if (head.format !== 'tar') throw corrupt('not the table of contents of a directory dump'); // as pg_dump marks it
	const present: number[] = [];
	const missing: number[] = [];
	let nextId = entries.reduce((most, {entry}) => Math.max(most, entry.dumpId), 0) + 1;
	const noEntry = nextId++;
	/** Ids of the parts, by the dump id of their table. */
	const parts = new Map<number, number[]>();
	const texts: Buffer[] = [];
	for (const {oid, copy, members} of added) {
		const table = entries.find(
			({entry}) => entry.kind === 'TABLE' && entry.catalog === relationCatalog && entry.oid === oid,
		)?.entry;
		const hasData = entries.some(({entry}) => entry.kind === 'TABLE DATA' && entry.oid === oid);
		if (!table) missing.push(oid);
		else if (hasData) present.push(oid);
		if (!table || hasData) continue;
		const ids = members.map(() => nextId++);
		parts.set(table.dumpId, ids);
		for (const [index, member] of members.entries())
			texts.push(dataEntry(head, table, {id: ids[index] ?? 0, copy, member, noEntry}));
	}
	const place = placeOfData(entries);
	const pieces: Buffer[] = [toc.subarray(0, countAt), integer(head, entries.length + texts.length)];
	for (const [index, {entry, end: next}] of entries.entries()) {
		if (index === place) pieces.push(...texts);
		const dependenciesEnd = entry.placeAt - nullText(head);
		const more = entry.section === 'post-data' ? entry.dependencies.flatMap(id => parts.get(id) ?? []) : [];
		pieces.push(toc.subarray(entry.startsAt, dependenciesEnd));
		for (const id of new Set(more)) pieces.push(text(head, String(id)));
		pieces.push(toc.subarray(dependenciesEnd, next));
	}
	if (place === entries.length) pieces.push(...texts);
	pieces.push(toc.subarray(end));
	return {bytes: Buffer.concat(pieces), missing, present};
}

/** Returns the index before which data belongs: behind the last table with data, else before all later sections. */
function placeOfData(entries: readonly Placed[]): number {
	const last = entries.findLastIndex(({entry}) => entry.kind === 'TABLE DATA');
	if (last !== -1) return last + 1;
	const next = entries.findIndex(({entry}) => entry.section === 'data' || entry.section === 'post-data');
	return next === -1 ? entries.length : next;
}

function locate(toc: Buffer) {
	const bytes = new ArchiveBytes();
	bytes.push(toc);
	try {
		const head = readHead(bytes);
		const countAt = bytes.position - integer(head, 0).length;
		const entries: Placed[] = [];
		while (entries.length < head.count) {
			const entry = readEntry(bytes, head);
			entries.push({entry, end: bytes.position});
		}
		return {head, countAt, entries, end: bytes.position};
	} catch (error) {
		if (error instanceof ShortRead) throw corrupt('truncated within its table of contents');
		throw error;
	}
}

type Part = {readonly id: number; readonly copy: string; readonly member: string; readonly noEntry: number};

/** The fields that pg_dump writes for the data of a table. */
function dataEntry(head: ArchiveHead, table: ArchiveEntry, {id, copy, member, noEntry}: Part): Buffer {
	const dataSection = 3;
	return Buffer.concat([
		integer(head, id),
		integer(head, 1), // it has data
		text(head, '0'),
		text(head, String(table.oid)),
		text(head, table.tag),
		text(head, 'TABLE DATA'),
		integer(head, dataSection),
		text(head, ''), // no definition
		text(head, undefined), // nothing to drop
		text(head, copy),
		text(head, table.schema),
		text(head, undefined), // tablespace
		...(head.minor >= 14 ? [text(head, undefined)] : []), // table access method
		...(head.minor >= 16 ? [integer(head, 0)] : []), // kind of relation
		text(head, table.owner),
		text(head, 'false'), // WITH OIDS
		text(head, String(noEntry)),
		text(head, String(table.dumpId)),
		text(head, undefined), // the end of the dependencies
		text(head, member),
	]);
}

function integer({integerSize}: Pick<ArchiveHead, 'integerSize'>, value: number): Buffer {
	const bytes = Buffer.alloc(1 + integerSize);
	bytes[0] = value < 0 ? 1 : 0;
	bytes.writeUInt32LE(Math.abs(value), 1);
	return bytes;
}

/** The bytes of the null string, which ends a list of dependencies. */
function nullText(head: ArchiveHead): number {
	return text(head, undefined).length;
}

/** `value` has one character per byte; undefined is the null string. */
function text(head: ArchiveHead, value: string | undefined): Buffer {
	if (value === undefined) return integer(head, -1);
	const bytes = Buffer.from(value, 'latin1');
	return Buffer.concat([integer(head, bytes.length), bytes]);
}

function corrupt(problem: string): PgBackError {
	return new PgBackError('CORRUPT', `cannot add to the table of contents: ${problem}`);
}
