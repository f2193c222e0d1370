/** The items that pg_restore loads and builds from an archive, with sizes: for progress. Pure. */
import type {ArchiveEntry} from '../postgres/archive-toc.js';
import type {RestoreItem} from '../progress/load-tracker.js';
import {keyOf, tablesOf} from '../repository/dump-tables.js';
import type {ManifestFile} from '../repository/manifest.js';
import type {DatabasePlan} from './restore-plan.js';

const dataKinds: ReadonlySet<string> = new Set(['TABLE DATA', 'BLOBS']);
/** The cost of building them, relative to loading the data of their table. */
const buildCosts: ReadonlyMap<string, number> = new Map([
	['INDEX', 0.3],
	['CONSTRAINT', 0.3],
	['FK CONSTRAINT', 0.1],
]);

/** Returns an empty list for a plain dump. */
export function restoreItems(
	{prepared, entries}: Pick<DatabasePlan, 'prepared' | 'entries'>,
	recorded: ManifestFile | undefined,
	withData: boolean,
): readonly RestoreItem[] {
	const {dump, toc, encrypted, bytes} = prepared;
	if (!toc) return [];
	const chosen = entries && new Set(entries);
	const all = toc.entries.filter(({dumpId}) => chosen?.has(dumpId) ?? true);
	const data = withData ? all.filter(entry => entry.hasData && dataKinds.has(entry.kind)) : [];
	const views = tablesOf({...dump, encrypted, bytes, recorded}, toc) ?? [];
	const byName = new Map(views.map(view => [keyOf(view), view]));
	const viewOf = ({schema, tag}: ArchiveEntry) => byName.get(keyOf({schema, name: tag}));
	// The sizes of the parts of an archive that was written to a pipe are unknown before it is read.
	const average = bytes / Math.max(1, data.length);
	const sizes = new Map<number, number>();
	// The parts of a divided table are one item.
	const items = new Map<string, RestoreItem>();
	for (const entry of data) {
		const {rows, bytes: size = average} = viewOf(entry) ?? {};
		for (const id of entry.dependencies) sizes.set(id, size);
		const name = itemName(entry);
		items.set(name, {name, isData: true, bytes: size, ...(rows !== undefined && {rows})});
	}
	const built = all.flatMap((entry): RestoreItem[] => {
		const cost = buildCosts.get(entry.kind);
		if (cost === undefined) return [];
		const size = entry.dependencies.reduce((most, id) => Math.max(most, sizes.get(id) ?? 0), 0);
		return [{name: builtName(entry), isData: false, bytes: size * cost}];
	});
	return [...items.values(), ...built];
}

/** Returns the name of an item that is built. */
export function builtName(entry: ArchiveEntry): string {
	return `${entry.kind} ${itemName(entry)}`;
}

/** Returns the name of an item of data. */
export function itemName({schema, tag}: ArchiveEntry): string {
	return schema === undefined ? tag : `${schema}.${tag}`;
}
