/** Finds the dumps in a listing: files, and directory dumps with their members. */
import {dumpPath, type ParsedName, parsePath} from '../retention/names.js';
import type {ManifestFile} from './manifest.js';
import type {Place, PlaceFile} from './place.js';

/** A file of a place, or a directory dump with its members. */
export type DumpItem = {
	readonly path: string;
	readonly parsed: ParsedName;
	readonly files: readonly PlaceFile[];
};

export type Dump = DumpItem & {
	readonly database: string;
	/** The script that creates the database, for a plain dump. */
	readonly createScript?: DumpItem;
};

export type ListedItems = {
	/** By path, without foreign files, the runs' own files and checksum files. */
	readonly items: ReadonlyMap<string, DumpItem>;
	/** The paths of the checksum files. */
	readonly checksums: ReadonlySet<string>;
};

export async function listItems(place: Place, signal: AbortSignal): Promise<ListedItems> {
	const items = new Map<string, DumpItem & {files: PlaceFile[]}>();
	const checksums = new Set<string>();
	for await (const file of place.list(signal)) {
		const parsed = parsePath(file.path);
		if (!parsed || parsed.subject.kind === 'run') continue;
		if (parsed.checksum !== undefined) {
			checksums.add(file.path);
			continue;
		}
		const path = dumpPath(file.path, parsed.member);
		const item = items.get(path);
		if (item) item.files.push(file);
		else items.set(path, {path, parsed, files: [file]});
	}
	return {items, checksums};
}

export function isDump({parsed: {subject, suffix}}: Pick<DumpItem, 'parsed'>): boolean {
	return subject.kind === 'database' && suffix !== 'createdb.sql' && suffix !== 'out';
}

/** Stored bytes. */
export function sizeOf({files}: Pick<DumpItem, 'files'>): number {
	return files.reduce((sum, file) => sum + file.size, 0);
}

/**
 * Returns the dumps among the items of a run, each with the script that creates its database. `known` contains the
 * manifest's entries, by path.
 */
export function dumpsAmong(items: readonly DumpItem[], known: ReadonlyMap<string, ManifestFile>): readonly Dump[] {
	return items.filter(isDump).map(item => {
		const {subject} = item.parsed;
		const createScript = items.find(
			({parsed}) =>
				parsed.suffix === 'createdb.sql' &&
				parsed.subjectText === item.parsed.subjectText &&
				parsed.timeText === item.parsed.timeText,
		);
		const named = subject.kind === 'database' ? subject.name : '';
		return {...item, database: known.get(item.path)?.database ?? named, ...(createScript && {createScript})};
	});
}

/** A plain file that was kept next to its encrypted one is the same dump, and the smaller one. */
export function oncePerDatabase(dumps: readonly Dump[]): readonly Dump[] {
	return [...Map.groupBy(dumps, dump => dump.database).values()].flatMap(group =>
		group.toSorted((a, b) => sizeOf(a) - sizeOf(b)).slice(0, 1),
	);
}
