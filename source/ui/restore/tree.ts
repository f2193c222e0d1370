/** The contents of a dump as a tree: schema, kind, object; with the visible and the selected rows. Pure. */
import type {DumpContents, DumpObject} from '../../core/restore-handle.js';
import {matcher} from '../layout/matcher.js';

export type TreeView = {
	/** Keys of opened nodes. */
	readonly open: ReadonlySet<string>;
	readonly cursor: number;
	readonly top: number;
	readonly filter: string;
	/** The filter is being typed. */
	readonly editing: boolean;
};

export type TreeRow = {
	readonly key: string;
	readonly depth: 0 | 1 | 2;
	readonly label: string;
	/** For an object, which has no rows below. */
	readonly object?: DumpObject;
	/** For a schema. */
	readonly schema?: string;
	/** The objects below, or the object itself. */
	readonly objects: readonly DumpObject[];
	readonly rows?: number;
	readonly bytes?: number;
};

export type Chosen = {readonly ids: ReadonlySet<number>; readonly schemas: ReadonlySet<string>};

/** More objects than this are initially closed. */
const few = 40;

export const closedTree: TreeView = {open: new Set(), cursor: 0, top: 0, filter: '', editing: false};

/** Returns the initially open nodes: the schemas, and their tables if those are few. */
export function freshTree({objects}: DumpContents): TreeView {
	const open = new Set<string>();
	for (const {schema, kind} of objects) {
		open.add(schemaKey(schema));
		if (kind === 'TABLE' && objects.length <= few) open.add(kindKey(schema, kind));
	}
	return {...closedTree, open};
}

const schemaKey = (schema: string | undefined) => JSON.stringify([schema ?? null]);
const kindKey = (schema: string | undefined, kind: string) => JSON.stringify([schema ?? null, kind]);

/** Tables first, because users usually look for them. */
const kindOrder = ['TABLE', 'VIEW', 'MATERIALIZED VIEW', 'FOREIGN TABLE', 'SEQUENCE', 'FUNCTION', 'PROCEDURE', 'TYPE'];

function rank(kind: string): number {
	const at = kindOrder.indexOf(kind);
	return at < 0 ? kindOrder.length : at;
}

export function treeRows({objects}: Pick<DumpContents, 'objects'>, {open, filter}: TreeView): readonly TreeRow[] {
	const passes = matcher(filter);
	const shown = objects.filter(
		({kind, schema, name}) => kind !== 'SCHEMA' && passes(schema === undefined ? name : `${schema}.${name}`),
	);
	const isOpen = (key: string) => filter !== '' || open.has(key);
	const named = objects.flatMap(({kind, name}) => (kind === 'SCHEMA' && filter === '' ? [name] : []));
	const schemas = new Set<string | undefined>([...named, ...shown.map(object => object.schema)]);
	const bySchema = Map.groupBy(shown, object => object.schema);
	return [...schemas].toSorted(bySchemaName).flatMap((schema): readonly TreeRow[] => {
		const own = bySchema.get(schema) ?? [];
		const key = schemaKey(schema);
		const head: TreeRow = {
			...{key, depth: 0, objects: own, ...figures(own)},
			...(schema === undefined ? {label: 'outside of schemas'} : {label: schema, schema}),
		};
		return isOpen(key) ? [head, ...kindRows(schema, own, isOpen)] : [head];
	});
}

function kindRows(
	schema: string | undefined,
	own: readonly DumpObject[],
	isOpen: (key: string) => boolean,
): readonly TreeRow[] {
	const byKind = [...Map.groupBy(own, ({kind}) => kind)].toSorted(
		([one], [other]) => rank(one) - rank(other) || (one < other ? -1 : 1),
	);
	return byKind.flatMap(([kind, objects]): readonly TreeRow[] => {
		const key = kindKey(schema, kind);
		const head: TreeRow = {key, depth: 1, label: kindLabel(kind), objects, ...figures(objects)};
		if (!isOpen(key)) return [head];
		const rows = objects
			.toSorted((a, b) => (a.name < b.name ? -1 : 1))
			.map((object): TreeRow => ({
				...{key: `${key}${object.id}`, depth: 2, label: object.name, object, objects: [object]},
				...figures([object]),
			}));
		return [head, ...rows];
	});
}

export function kindLabel(kind: string): string {
	const word = kind.toLowerCase();
	if (/ (?:data|set|by)$|^acl$/.test(word)) return word === 'acl' ? 'acls' : word;
	return /(?:s|x|ch)$/.test(word) ? `${word}es` : word.endsWith('y') ? `${word.slice(0, -1)}ies` : `${word}s`;
}

function bySchemaName(one: string | undefined, other: string | undefined): number {
	if (one === other) return 0;
	if (one === undefined || other === undefined) return one === undefined ? 1 : -1;
	return one < other ? -1 : 1;
}

function figures(objects: readonly DumpObject[]): {readonly rows?: number; readonly bytes?: number} {
	const sum = (values: readonly (number | undefined)[]) => {
		const known = values.filter(value => value !== undefined);
		return known.length === 0 ? undefined : known.reduce((total, value) => total + value, 0);
	};
	const [rows, bytes] = [sum(objects.map(one => one.rows)), sum(objects.map(one => one.bytes))];
	return {...(rows !== undefined && {rows}), ...(bytes !== undefined && {bytes})};
}

/** Returns whether `all`, `some` or nothing of a row is selected; undefined if nothing can be. */
export function chosenOf({schema, objects}: TreeRow, {ids, schemas}: Chosen): 'all' | 'some' | 'none' | undefined {
	if (schema !== undefined && schemas.has(schema)) return 'all';
	const able = objects.filter(object => object.canChoose);
	if (able.length === 0) return schema === undefined ? undefined : 'none';
	const count = able.filter(one => ids.has(one.id) || (one.schema !== undefined && schemas.has(one.schema))).length;
	if (schema !== undefined) return count > 0 ? 'some' : 'none';
	return count === 0 ? 'none' : count === able.length ? 'all' : 'some';
}

/**
 * Handles Space: a whole schema, all objects of a kind, or one object. Returns undefined if nothing can be selected.
 */
export function toggleRow(row: TreeRow, chosen: Chosen): Chosen | undefined {
	const ids = new Set(chosen.ids);
	const schemas = new Set(chosen.schemas);
	if (row.schema !== undefined) {
		if (!schemas.delete(row.schema)) schemas.add(row.schema);
		for (const object of row.objects) ids.delete(object.id);
		return {ids, schemas};
	}
	const able = row.objects.filter(object => object.canChoose);
	const home = able[0]?.schema;
	if (able.length === 0 || (home !== undefined && schemas.has(home))) return undefined;
	const all = able.every(object => ids.has(object.id));
	for (const {id} of able) {
		if (all) ids.delete(id);
		else ids.add(id);
	}
	return {ids, schemas};
}
