/** Divides what several processes of pg_restore load at once into steps that cannot wait for each other. Pure. */
import type {ArchiveEntry} from '../postgres/archive-toc.js';
import {isDatabaseEntry} from '../postgres/database-entry.js';

export type LoadStep = {
	/** Dump IDs. */
	readonly ids: readonly number[];
	/** Entries must be loaded one after the other. */
	readonly isSerial: boolean;
};

/** These are loaded after everything else: event triggers would run for it, and privileges may stop it. */
const last = /^(?:ACL|DEFAULT ACL|ACL LANGUAGE|EVENT TRIGGER|MATERIALIZED VIEW DATA|STATISTICS DATA)$/;

/**
 * Returns undefined if one call of pg_restore can load the entries. pg_restore locks what a constraint, a rule or a
 * trigger changes, but attaches indexes of partitions, and changes the table of an index that it has created, at the
 * same time as others (`identify_locking_dependencies` in pg_backup_archiver.c, 13 to 18): the server then ends one of
 * them because of a deadlock.
 */
export function loadSteps(
	all: readonly ArchiveEntry[],
	chosen: readonly number[] | undefined,
): readonly LoadStep[] | undefined {
	const wanted = chosen && new Set(chosen);
	const entries = all.filter(entry => (wanted?.has(entry.dumpId) ?? true) && !isDatabaseEntry(entry));
	const serial = new Set([
		...entries.filter(({kind}) => kind === 'INDEX ATTACH').map(({dumpId}) => dumpId),
		...identityIndexes(entries),
	]);
	if (serial.size === 0) return undefined;
	const later = new Set(entries.filter(isLast).map(({dumpId}) => dumpId));
	// An entry may be listed before one that it depends on.
	for (let before = -1; before !== later.size;) {
		before = later.size;
		for (const {dumpId, dependencies} of entries) {
			if (serial.has(dumpId)) continue;
			if (dependencies.some(id => serial.has(id) || later.has(id))) later.add(dumpId);
		}
	}
	const ids = (belongs: (id: number) => boolean) => entries.map(({dumpId}) => dumpId).filter(belongs);
	return [
		{ids: ids(id => !serial.has(id) && !later.has(id)), isSerial: false},
		{ids: ids(id => serial.has(id)), isSerial: true},
		{ids: ids(id => later.has(id)), isSerial: false},
	].filter(step => step.ids.length > 0);
}

/**
 * Returns the indexes that are the replica identity of a table with another one that it is clustered on. Both change the
 * table after they were created, while the other one still holds a lock of it.
 */
function identityIndexes(entries: readonly ArchiveEntry[]): readonly number[] {
	const indexes = entries.filter(({kind}) => kind === 'INDEX');
	// By the dump ID of the table.
	const clustered = new Map(
		indexes
			.filter(({definition}) => /\bALTER TABLE .* CLUSTER ON /s.test(definition))
			.flatMap(({dumpId, dependencies}) => dependencies.map(id => [id, dumpId] as const)),
	);
	return indexes
		.filter(({definition}) => /\bALTER TABLE .* REPLICA IDENTITY USING INDEX /s.test(definition))
		.filter(({dumpId, dependencies}) => dependencies.some(id => (clustered.get(id) ?? dumpId) !== dumpId))
		.map(({dumpId}) => dumpId);
}

function isLast({kind, tag}: ArchiveEntry): boolean {
	return last.test(kind) || tag.startsWith('EVENT TRIGGER ');
}
