/** Indexes and keys that are built as soon as their table is loaded, while other tables still arrive. Pure. */
import type {ArchiveEntry, ArchiveToc} from '../postgres/archive-toc.js';
import {copiedInto} from '../stages/dump-text.js';
import type {LoadOrder} from './load-order.js';
import {loadSteps} from './load-steps.js';

/** To be called with each entry whose data is loaded; returns the dump IDs of what can be built then. */
export type EarlyBuilds = (data: ArchiveEntry) => readonly number[];

type Table = {
	/** Entries with its data that are not loaded yet: several if it was divided. */
	waiting: number;
	readonly builds: readonly number[];
};

/**
 * Selects what depends on one table that has data and on nothing else that follows the data. Rows that are copied into
 * another table than their own, as `--load-via-partition-root` does, may arrive in any table until the end: then nothing
 * is built early.
 */
export function earlyBuilds({entries}: ArchiveToc, order: LoadOrder): EarlyBuilds {
	const tables = tablesOf(entries, order);
	return data =>
		data.dependencies.flatMap(id => {
			const table = tables.get(id);
			return table && --table.waiting === 0 ? table.builds : [];
		});
}

/** Returns the tables with data by the dump ID of their definition. */
function tablesOf(entries: readonly ArchiveEntry[], order: LoadOrder): ReadonlyMap<number, Table> {
	const after = new Set(order.after);
	const parts = new Map<number, number>();
	for (const data of order.data) {
		if (data.kind !== 'TABLE DATA') continue;
		if (isCopiedElsewhere(data)) return new Map();
		for (const id of data.dependencies) parts.set(id, (parts.get(id) ?? 0) + 1);
	}
	const serial = new Set((loadSteps(entries, order.after) ?? []).flatMap(step => (step.isSerial ? step.ids : [])));
	const builds = new Map<number, number[]>();
	for (const {dumpId, kind, dependencies} of entries) {
		if (!['INDEX', 'CONSTRAINT'].includes(kind) || !after.has(dumpId) || serial.has(dumpId)) continue;
		const [table, ...others] = dependencies.filter(id => parts.has(id));
		if (table === undefined || others.length > 0 || dependencies.some(id => after.has(id))) continue;
		builds.set(table, [...(builds.get(table) ?? []), dumpId]);
	}
	return new Map([...builds].map(([id, own]) => [id, {waiting: parts.get(id) ?? 0, builds: own}]));
}

function isCopiedElsewhere({copy, schema, tag}: ArchiveEntry): boolean {
	const into = copiedInto(copy, schema);
	return into.table !== tag || into.schema !== (schema ?? '');
}
