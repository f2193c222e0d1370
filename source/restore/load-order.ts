/** The order in which an archive is loaded, where that takes several calls of pg_restore. Pure. */
import type {ArchiveEntry, ArchiveToc} from '../postgres/archive-toc.js';
import {isDatabaseEntry} from '../postgres/database-entry.js';
import {isAfterPrivileges} from './archive-facts.js';

/** Dump IDs, in the order of the archive. */
export type LoadOrder = {
	readonly before: readonly number[];
	/** Rows and large objects. */
	readonly data: readonly ArchiveEntry[];
	/** Indexes, keys, triggers and privileges. */
	readonly after: readonly number[];
	/** What needs USAGE of all schemas; without superuser our user gets that for this step. */
	readonly late: readonly number[];
	/** All but the last step; undefined: everything. */
	readonly early: readonly number[] | undefined;
};

/** `chosen`: dump IDs; undefined: all. */
export function loadOrder(
	{entries}: ArchiveToc,
	chosen: readonly number[] | undefined,
	{superuser}: {readonly superuser: boolean},
): LoadOrder {
	const wanted = chosen && new Set(chosen);
	const data: ArchiveEntry[] = [];
	const [before, after, late, early]: [number[], number[], number[], number[]] = [[], [], [], []];
	let section = 'pre-data';
	for (const entry of entries) {
		const {dumpId, kind, hasData} = entry;
		if (entry.section !== 'none') ({section} = entry);
		if (isDatabaseEntry(entry) || !(wanted?.has(dumpId) ?? true)) continue;
		if (!superuser && isAfterPrivileges(entry)) {
			late.push(dumpId);
			continue;
		}
		early.push(dumpId);
		// Privileges come last: with them, the owner of a table may not be allowed to load it, or to create an index.
		// Large objects must exist before they are filled; sequences get their values when nothing takes numbers from them
		// any more.
		if (hasData) data.push(entry);
		else if (kind !== 'ACL' && (section === 'pre-data' || kind === 'BLOB METADATA')) before.push(dumpId);
		else after.push(dumpId);
	}
	return {before, data, after, late, early: late.length === 0 ? chosen : early};
}
