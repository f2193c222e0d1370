/** Assigns the files of a directory dump to the entries of its table of contents, and divides the work. Pure. */
import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import type {ArchiveEntry, ArchiveToc} from '../postgres/archive-toc.js';
import type {Dump} from '../repository/dump-items.js';
import type {PlaceFile} from '../repository/place.js';

const suffixes = ['', '.gz', '.zst', '.lz4'] as const;

/** Finds members by their names in the table of contents. */
export type MemberFiles = {
	/** Throws CORRUPT when there is none. */
	readonly find: (member: string) => PlaceFile;
};

export function memberFiles({path, files}: Dump): MemberFiles {
	const byName = new Map(files.map(file => [file.path.slice(path.length + 1).replace(/\.age$/, ''), file]));
	return {
		find(member) {
			const suffix = suffixes.find(one => byName.has(`${member}${one}`));
			const found = suffix !== undefined && byName.get(`${member}${suffix}`);
			if (found) return found;
			throw new PgBackError(
				'CORRUPT',
				`${display(path)} has no ${display(member)}, which its table of contents names`,
				{
					hint: 'restore another run with --run or --as-of, or from another location',
				},
			);
		},
	};
}

export type MemberCompression = 'none' | 'gzip' | 'zstd' | 'lz4';

export function compressionOf({path}: Pick<PlaceFile, 'path'>): MemberCompression {
	const suffix = /\.(gz|zst|lz4)(?:\.age)?$/.exec(path)?.[1];
	return suffix === 'gz' ? 'gzip' : suffix === 'zst' ? 'zstd' : suffix === 'lz4' ? 'lz4' : 'none';
}

/**
 * Returns why a directory dump cannot be loaded member by member; undefined if it can. `countsRows`: the rows must be
 * counted while they are loaded.
 */
export function membersRefusal(
	{toc, dump}: {toc: ArchiveToc | undefined; dump: Dump},
	countsRows: boolean,
): string | undefined {
	const data = toc?.entries.filter(({hasData}) => hasData) ?? [];
	const other = data.find(({kind, member}) => !['TABLE DATA', 'BLOBS'].includes(kind) || member === undefined);
	if (other) return `it has data of an unknown kind, ${display(other.kind)}`;
	if (data.some(({kind, copy}) => kind === 'TABLE DATA' && copy === '')) return 'its rows are INSERT statements';
	const used = new Set(
		dump.files
			.filter(({path}) => /\.dat(?:\.gz|\.zst|\.lz4)?(?:\.age)?$/.test(path) && !/\/toc\.dat(?:\.age)?$/.test(path))
			.map(compressionOf),
	);
	if (!used.has('lz4')) return undefined;
	if (used.size > 1) return 'its members are compressed in different ways';
	return countsRows ? 'its rows are compressed with lz4, and can only be counted in a file' : undefined;
}

/** Entries that one pg_restore loads, in this order. */
export type MemberBatch = {readonly entries: readonly ArchiveEntry[]; readonly bytes: number};

/** A larger member is a batch of its own: the start of pg_restore takes as long as loading some megabytes. */
const largeBatch = 4 << 20;
const mostEntries = 256;

/** Divides the data into batches, the largest first, so that all workers end at about the same time. */
export function memberBatches(
	{entries: all}: ArchiveToc,
	data: readonly ArchiveEntry[],
	sizeOf: (entry: ArchiveEntry) => number,
): readonly MemberBatch[] {
	// The tables of an extension have their foreign keys from the beginning, and pg_dump lists the data of a referenced
	// table first.
	const created = new Set(all.flatMap(({dumpId, kind}) => (kind === 'TABLE' ? [dumpId] : [])));
	const isOwn = ({kind, dependencies}: ArchiveEntry) =>
		kind !== 'TABLE DATA' || dependencies.some(id => created.has(id));
	const groups = [...data.filter(isOwn).map(entry => [entry]), data.filter(entry => !isOwn(entry))]
		.filter(entries => entries.length > 0)
		.map(entries => ({entries, bytes: entries.reduce((sum, entry) => sum + sizeOf(entry), 0)}))
		.toSorted((a, b) => b.bytes - a.bytes);
	const batches: {entries: ArchiveEntry[]; bytes: number}[] = [];
	for (const {entries, bytes} of groups) {
		const last = batches.at(-1);
		if (last && last.bytes + bytes <= largeBatch && last.entries.length + entries.length <= mostEntries) {
			last.entries.push(...entries);
			last.bytes += bytes;
		} else batches.push({entries: [...entries], bytes});
	}
	return batches;
}

/** Parses the list of large objects, `OID NAME` in each line. Throws CORRUPT. */
export function largeObjects(text: string): readonly {readonly oid: number; readonly member: string}[] {
	return text
		.split('\n')
		.filter(line => line !== '')
		.map(line => {
			const [, oid, member] = /^(\d{1,10}) (\S+)$/.exec(line) ?? [];
			if (oid === undefined || member === undefined || Number(oid) === 0 || Number(oid) > 0xffff_ffff)
				throw new PgBackError('CORRUPT', 'cannot read the list of large objects');
			return {oid: Number(oid), member};
		});
}
