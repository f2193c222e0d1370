/** Compares a restored database with what was recorded at the time of the dump. Pure. */
import {plural} from '../lib/format.js';
import type {Contents, FoundRows, TableRows} from '../postgres/recorded-contents.js';
import type {PlainFacts} from '../repository/manifest.js';
import type {Compared, Held} from '../repository/verdict.js';
import {type DumpText, withoutQuotes} from '../stages/dump-text.js';

export type Comparison = {
	readonly compared: Compared;
	/** The first few, for people; empty when everything is as recorded. */
	readonly problems: readonly string[];
};

type Recorded = Pick<PlainFacts, 'tables' | 'uncounted' | 'schema'>;

/** The rows of a table; of a partition with the partitioned table at the top, named like `name`. */
export type CountedRows = TableRows & {readonly root?: string};

type FoundContents = Omit<Contents, 'tables'> & {readonly tables: readonly CountedRows[]};

export function compareContents(recorded: Recorded | undefined, found: FoundContents, sameMajor: boolean): Comparison {
	const problems = [
		...compareSchema(recorded?.schema, found.schema, sameMajor),
		...compareRows(recorded?.tables, found),
	];
	const schema = recorded?.schema === undefined ? 'none' : sameMajor ? 'definitions' : 'names';
	return {compared: {tables: recorded?.tables?.length ?? 0, uncounted: recorded?.uncounted ?? 0, schema}, problems};
}

/**
 * Partitions are compared by the sum of their table: an enum has another hash in each database, so that rows of a hash
 * partition may come back in another one.
 */
function compareRows(recorded: Recorded['tables'], found: FoundContents): string[] {
	const roots = new Map(found.tables.map(({name, root}) => [name, root ?? name]));
	const rows = sumBy(found.tables, roots);
	return [...sumBy(recorded ?? [], roots)].flatMap(([name, expected]) => {
		const actual = rows.get(name);
		if (actual === expected) return [];
		return [
			actual === undefined ? `${name} is missing` : `${name} has ${plural(actual, 'row')} instead of ${expected}`,
		];
	});
}

function sumBy(tables: readonly TableRows[], roots: ReadonlyMap<string, string>): ReadonlyMap<string, number> {
	const sums = new Map<string, number>();
	for (const {name, rows} of tables) {
		const root = roots.get(name) ?? name;
		sums.set(root, (sums.get(root) ?? 0) + rows);
	}
	return sums;
}

function compareSchema(recorded: Recorded['schema'], found: FoundContents['schema'], sameMajor: boolean): string[] {
	const parts = new Map(found.map(part => [part.kind, part]));
	return (recorded ?? []).flatMap(({kind, count, names, definitions}) => {
		const part = parts.get(kind);
		if (!part) return []; // of a newer pg_back
		if (part.count !== count) return [`${part.count} ${kind} instead of ${count}`];
		if (part.names !== names) return [`${kind} have different names`];
		return sameMajor && part.definitions !== definitions ? [`${kind} have different definitions`] : [];
	});
}

export type Restored = {
	/** In the form of `DumpText`. */
	readonly objects: ReadonlySet<string> | undefined;
	/** The rows of the dump's tables, in the same order. */
	readonly rows: readonly FoundRows[];
};

/** Checks that every object and every row of the dump exists; there may be more. */
export function compareWithDump(
	dump: DumpText,
	{objects, rows}: Restored,
): {readonly held: Held; readonly problems: readonly string[]} {
	const unquoted = new Set([...(objects ?? [])].map(withoutQuotes));
	const lost =
		objects === undefined
			? []
			: [...dump.objects].filter(object => !objects.has(object) && !unquoted.has(withoutQuotes(object)));
	const problems = lost.map(object => `${object} is missing`);
	let tables = 0;
	let sum = 0;
	for (const [index, {schema, table, rows: expected}] of dump.tables.entries()) {
		const found = rows[index] ?? 'external';
		const name = `${schema}.${table}`;
		if (found === 'missing') problems.push(`${name} is missing`);
		else if (found !== 'external') {
			tables++;
			sum += expected;
			// INSERT statements add rows that are not counted.
			if (dump.inserts ? found < expected : found !== expected)
				problems.push(`${name} has ${plural(found, 'row')}, the dump ${plural(expected, 'row')}`);
		}
	}
	return {held: {...(objects && {objects: dump.objects.size}), tables, rows: sum}, problems};
}
