/** Compares two runs by what is known about their dumps. Pure. */
import type {ArchiveToc} from '../postgres/archive-toc.js';
import type {SchemaPart} from '../postgres/recorded-contents.js';
import {keyOf, type TableName, type TableView} from './dump-tables.js';

export type DatabaseSide = {
	/** Bytes of the dump, before encryption if known. */
	readonly bytes: number;
	/** Format and compression: only sizes of dumps that were created alike are comparable. */
	readonly madeAs: string;
	/** Undefined when neither a table of contents nor the manifest lists them. */
	readonly tables: readonly TableView[] | undefined;
	readonly toc: ArchiveToc | undefined;
	/** Recorded at the time of the dump. */
	readonly schema: readonly SchemaPart[] | undefined;
};

export type RunSide = {
	readonly databases: ReadonlyMap<string, DatabaseSide>;
	/** Databases that could not be dumped. */
	readonly failed: readonly string[];
	/** Databases whose dump the run had. */
	readonly gone: readonly string[];
};

type Figures = {readonly rows?: number; readonly bytes?: number};

export type TableDifference = TableName & {
	readonly change: 'added' | 'removed' | 'changed';
	readonly before?: Figures;
	readonly after?: Figures;
};

export type ObjectDifference = {
	readonly kind: string;
	readonly schema: string | undefined;
	readonly name: string;
	readonly change: 'added' | 'removed' | 'changed';
};

export type DatabaseDifference = {
	readonly database: string;
	readonly change: 'added' | 'removed' | 'changed' | 'equal';
	/** Bytes of the dumps. */
	readonly before?: number;
	readonly after?: number;
	readonly tables: readonly TableDifference[];
	readonly objects: readonly ObjectDifference[];
	/** For people: differences in the recorded schema, and what could not be compared. */
	readonly notes: readonly string[];
};

/** Sorted by name. `notCompared`: databases that both runs dumped, and one of whose dumps is gone. */
export type Compared = {
	readonly databases: readonly DatabaseDifference[];
	readonly notCompared: readonly string[];
};

export function compareRuns(before: RunSide, after: RunSide): Compared {
	const namesOf = ({databases, gone}: RunSide) => new Set([...databases.keys(), ...gone]);
	const [olds, nows] = [namesOf(before), namesOf(after)];
	const isGone = (name: string) => before.gone.includes(name) || after.gone.includes(name);
	const all = [...new Set([...olds, ...nows])].toSorted();
	const notCompared = all.filter(name => olds.has(name) && nows.has(name) && isGone(name));
	const names = all.filter(name => !notCompared.includes(name));
	const databases = names.map((database): DatabaseDifference => {
		const [old, now] = [before.databases.get(database), after.databases.get(database)];
		if (old && now) return compareDatabase(database, old, now);
		const nothing = {database, tables: [], objects: []};
		const failed = (side: RunSide) => (side.failed.includes(database) ? ['its dump failed'] : []);
		const notes = [...failed(olds.has(database) ? after : before), ...(isGone(database) ? ['its dump is gone'] : [])];
		return nows.has(database)
			? {...nothing, change: 'added', ...(now && {after: now.bytes}), notes}
			: {...nothing, change: 'removed', ...(old && {before: old.bytes}), notes};
	});
	return {databases, notCompared};
}

function compareDatabase(database: string, old: DatabaseSide, now: DatabaseSide): DatabaseDifference {
	const alike = old.madeAs === now.madeAs;
	const tables = old.tables && now.tables ? compareTables(old.tables, now.tables, alike) : [];
	const objects = old.toc && now.toc ? compareObjects(old.toc, now.toc) : [];
	const schema = old.toc && now.toc ? [] : compareSchema(old.schema, now.schema);
	const sizes =
		!(old.tables && now.tables) && alike && old.bytes !== now.bytes ? ['the dumps have different sizes'] : [];
	const isEqual = [tables, objects, schema, sizes].every(list => list.length === 0);
	return {
		database,
		change: isEqual ? 'equal' : 'changed',
		before: old.bytes,
		after: now.bytes,
		tables,
		objects,
		notes: [...schema, ...sizes, ...limits(old, now, alike)],
	};
}

/** Returns what this comparison cannot detect. */
function limits(old: DatabaseSide, now: DatabaseSide, alike: boolean): readonly string[] {
	const hasRows = ({tables}: DatabaseSide) => tables?.length === 0 || tables?.some(table => table.rows !== undefined);
	return [
		...(old.tables && now.tables ? [] : ['its tables are not known (plain SQL): only sizes were compared']),
		...(old.tables && now.tables && !(hasRows(old) && hasRows(now)) ? ['rows were not recorded in both runs'] : []),
		...(alike ? [] : [`bytes are not compared: ${old.madeAs} before, ${now.madeAs} now`]),
		...(old.toc && now.toc && old.toc.dumpVersion !== now.toc.dumpVersion
			? [
					`dumped by pg_dump ${old.toc.dumpVersion} and ${now.toc.dumpVersion}, which may write the same definition differently`,
				]
			: []),
	];
}

function compareTables(
	old: readonly TableView[],
	now: readonly TableView[],
	alike: boolean,
): readonly TableDifference[] {
	const [before, after] = [tablesByKey(old), tablesByKey(now)];
	return [...new Set([...before.keys(), ...after.keys()])].toSorted().flatMap((key): TableDifference[] => {
		const [was, is] = [before.get(key), after.get(key)];
		if (!was || !is) {
			const table = was ?? is;
			if (!table) return [];
			const {schema, name} = table;
			return was
				? [{schema, name, change: 'removed', before: figuresOf(was)}]
				: [{schema, name, change: 'added', after: figuresOf(table)}];
		}
		const isSame = (one: number | undefined, other: number | undefined) =>
			one === undefined || other === undefined || one === other;
		if (isSame(was.rows, is.rows) && (!alike || isSame(was.bytes, is.bytes))) return [];
		return [{schema: is.schema, name: is.name, change: 'changed', before: figuresOf(was), after: figuresOf(is)}];
	});
}

function tablesByKey(tables: readonly TableView[]): ReadonlyMap<string, TableView> {
	return new Map(tables.map(table => [keyOf(table), table]));
}

function figuresOf({rows, bytes}: TableView): Figures {
	return {...(rows !== undefined && {rows}), ...(bytes !== undefined && {bytes})};
}

/**
 * Data entries, and entries that every archive has. New and dropped tables are reported as tables; the definitions of
 * the others are compared.
 */
const notSchema: ReadonlySet<string> = new Set([
	...['TABLE DATA', 'SEQUENCE SET', 'STATISTICS DATA', 'MATERIALIZED VIEW DATA', 'BLOB', 'BLOBS', 'BLOB METADATA'],
	...['ENCODING', 'STDSTRINGS', 'SEARCHPATH', 'DATABASE'],
]);

function compareObjects(old: ArchiveToc, now: ArchiveToc): readonly ObjectDifference[] {
	const [before, after] = [objectsOf(old), objectsOf(now)];
	return [...new Set([...before.keys(), ...after.keys()])].toSorted().flatMap((key): ObjectDifference[] => {
		const [was, is] = [before.get(key), after.get(key)];
		const {kind, schema, name} = is ?? was ?? {kind: '', schema: undefined, name: ''};
		if (was && is) return was.text === is.text ? [] : [{kind, schema, name, change: 'changed'}];
		return kind === 'TABLE' ? [] : [{kind, schema, name, change: was ? 'removed' : 'added'}];
	});
}

type Described = {
	readonly kind: string;
	readonly schema: string | undefined;
	readonly name: string;
	readonly text: string;
};

function objectsOf(toc: ArchiveToc): ReadonlyMap<string, Described> {
	const objects = new Map<string, Described>();
	for (const {kind, schema, tag, definition, owner, tablespace} of toc.entries) {
		if (notSchema.has(kind)) continue;
		const key = `${kind}\0${schema ?? ''}\0${tag}`;
		const text = `${owner}\0${tablespace ?? ''}\0${definition}`;
		const other = objects.get(key);
		// Several entries may have the same name: an ACL has one for each grantor.
		const joined = other ? [...other.text.split('\0\0'), text].toSorted().join('\0\0') : text;
		objects.set(key, {kind, schema, name: tag, text: joined});
	}
	return objects;
}

function compareSchema(
	old: readonly SchemaPart[] | undefined,
	now: readonly SchemaPart[] | undefined,
): readonly string[] {
	const parts = new Map((now ?? []).map(part => [part.kind, part]));
	return (old ?? []).flatMap(({kind, count, names, definitions}) => {
		const part = parts.get(kind);
		if (!part) return [];
		if (part.count !== count) return [`${kind}: ${count} before, ${part.count} now`];
		if (part.names !== names) return [`${kind} have different names`];
		return part.definitions === definitions ? [] : [`${kind} have different definitions`];
	});
}
