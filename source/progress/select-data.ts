/** Selects the data that pg_dump reads with these options. Pure. */
import {compareUtf8} from '../lib/compare-utf8.js';
import {compilePattern, patternSources} from '../postgres/object-patterns.js';
import type {StoredData, StoredTable} from '../postgres/progress-inventory.js';
import type {TableFacts} from './tables.js';

export type DataChoices = {
	readonly schemas: readonly string[];
	readonly excludeSchemas: readonly string[];
	readonly tables: readonly string[];
	readonly excludeTables: readonly string[];
	readonly withBlobs: boolean | undefined;
	/** pg_dump_options. */
	readonly options: readonly string[];
	/** Parallel workers take the biggest table first; a single process goes by name. */
	readonly workers: number;
	readonly inRecovery: boolean;
};

/** The entry for all large objects in a list of tables. */
export const largeObjects = 'large objects';

/** Returns what is dumped, in the order of pg_dump. */
export function selectData(data: StoredData, choices: DataChoices): readonly TableFacts[] {
	const asked = withOptions(choices);
	if (asked.noData) return [];
	const chosen = data.tables.filter(table => isDumped(table, asked, choices.inRecovery));
	const ordered = choices.workers > 1 ? chosen.toSorted((a, b) => b.pages - a.pages) : chosen.toSorted(bySchemaAndName);
	const facts = ordered.map(({oid, schema, name, bytes, toastBytes, rows, pages}): TableFacts => ({
		oid,
		name: `${schema}.${name}`,
		bytes,
		toastBytes,
		pages,
		...(rows !== undefined && {rows}),
	}));
	const filtered = asked.schemas.length > 0 || asked.tables.length > 0;
	const blobs = asked.blobs ?? !filtered;
	if (!blobs || data.largeObjectBytes === 0) return facts;
	return [
		...facts,
		{oid: 0, name: largeObjects, bytes: data.largeObjectBytes, toastBytes: data.largeObjectBytes, pages: 0},
	];
}

type Asked = {
	readonly schemas: readonly Pattern[];
	readonly excludeSchemas: readonly Pattern[];
	readonly tables: readonly Pattern[];
	readonly excludeTables: readonly Pattern[];
	readonly noData: boolean;
	readonly noUnlogged: boolean;
	readonly blobs: boolean | undefined;
};

function isDumped(table: StoredTable, asked: Asked, inRecovery: boolean): boolean {
	// Unlogged tables of a standby have no readable files.
	if (table.unlogged && (asked.noUnlogged || inRecovery)) return false;
	if (asked.excludeTables.some(pattern => matchesTable(pattern, table))) return false;
	// With -t, neither -n nor -N applies.
	if (asked.tables.length > 0) return asked.tables.some(pattern => matchesTable(pattern, table));
	if (asked.excludeSchemas.some(pattern => pattern.name.test(table.schema))) return false;
	return asked.schemas.length === 0 || asked.schemas.some(pattern => pattern.name.test(table.schema));
}

function matchesTable({schema, name}: Pattern, table: StoredTable): boolean {
	return name.test(table.name) && (schema ? schema.test(table.schema) : table.visible);
}

const letters: Readonly<Record<string, string>> = {
	n: 'schema',
	N: 'exclude-schema',
	t: 'table',
	T: 'exclude-table',
	b: 'blobs',
	B: 'no-blobs',
	s: 'schema-only',
};

/** Combines the settings with pg_dump_options. */
function withOptions(choices: DataChoices): Asked {
	const values = new Map<string, string[]>();
	const words = [...choices.options];
	for (let word = words.shift(); word !== undefined; word = words.shift()) {
		const [, long, value] = /^--([a-z-]+)(?:=(.*))?$/s.exec(word) ?? [];
		const [, letter, glued] = /^-([a-zA-Z])(.*)$/s.exec(word) ?? [];
		const option = long ?? letters[letter ?? ''];
		if (option === undefined) continue;
		const takesValue = /schema$|^table|table$|table-data|section|-and-children/.test(option);
		const text = takesValue ? (value ?? (glued === undefined || glued === '' ? words.shift() : glued)) : '';
		values.set(option, [...(values.get(option) ?? []), text ?? '']);
	}
	const given = (...names: readonly string[]) => names.flatMap(name => values.get(name) ?? []);
	const sections = given('section');
	const off = given('no-blobs', 'no-large-objects').length > 0 ? false : undefined;
	const on = given('blobs', 'large-objects').length > 0 ? true : undefined;
	return {
		schemas: [...choices.schemas, ...given('schema')].map(namePattern),
		excludeSchemas: [...choices.excludeSchemas, ...given('exclude-schema')].map(namePattern),
		tables: [...choices.tables, ...given('table', 'table-and-children')].map(tablePattern),
		excludeTables: [
			...choices.excludeTables,
			...given('exclude-table', 'exclude-table-data', 'exclude-table-and-children', 'exclude-table-data-and-children'),
		].map(tablePattern),
		noData: given('schema-only', 'no-data').length > 0 || (sections.length > 0 && !sections.includes('data')),
		noUnlogged: given('no-unlogged-table-data').length > 0,
		blobs: choices.withBlobs ?? off ?? on,
	};
}

type Pattern = {readonly schema?: RegExp; readonly name: RegExp};

function namePattern(text: string): Pattern {
	return {name: regularExpression(patternSources(text).sources.at(-1) ?? '')};
}

/** Parses `schema.name`; `database.schema.name` is accepted too. */
function tablePattern(text: string): Pattern {
	const [name = '', schema] = patternSources(text).sources.toReversed();
	return {name: regularExpression(name), ...(schema !== undefined && {schema: regularExpression(schema)})};
}

function regularExpression(source: string): RegExp {
	try {
		return compilePattern(source);
	} catch {
		return /$^./; // syntax that only the server supports: it selects nothing here, and the total is too small by that
	}
}

function bySchemaAndName(a: StoredTable, b: StoredTable): number {
	return compareUtf8(a.schema, b.schema) || compareUtf8(a.name, b.name);
}
