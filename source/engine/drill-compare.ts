/** What a restored database has, beside what was recorded when it was dumped. Pure. */
import {plural} from '../lib/format.js';
import type {Contents, FoundRows} from '../postgres/contents.js';
import type {DumpText} from '../stages/dump-text.js';
import type {PlainFacts} from './manifest.js';

/** No more than what was really compared. */
export type Compared = {
	/** What the dump itself holds, all of which is there. */
	readonly held?: Held;
	/** Tables of which the rows are the same. */
	readonly tables: number;
	/** Tables that were not counted at the time of the dump. */
	readonly uncounted: number;
	/** `names`: the server is of another major, which may print definitions differently. */
	readonly schema: 'definitions' | 'names' | 'none';
};

export type Held = {
	/** Absent: there was no pg_dump to look with. */
	readonly objects?: number;
	readonly tables: number;
	readonly rows: number;
};

/** With what the dump itself holds, or also with what was recorded when it was made. */
export function verdictOf({schema, tables}: Pick<Compared, 'schema' | 'tables'>): 'restored' | 'proven' {
	return schema === 'none' && tables === 0 ? 'restored' : 'proven';
}

export type Comparison = {
	readonly compared: Compared;
	/** For people, the first few; empty when all is as recorded. */
	readonly problems: readonly string[];
};

type Recorded = Pick<PlainFacts, 'tables' | 'uncounted' | 'schema'>;

export function compareContents(recorded: Recorded | undefined, found: Contents, sameMajor: boolean): Comparison {
	const problems = [
		...compareSchema(recorded?.schema, found.schema, sameMajor),
		...compareRows(recorded?.tables, found),
	];
	const schema = recorded?.schema === undefined ? 'none' : sameMajor ? 'definitions' : 'names';
	return {compared: {tables: recorded?.tables?.length ?? 0, uncounted: recorded?.uncounted ?? 0, schema}, problems};
}

function compareRows(recorded: Recorded['tables'], found: Contents): string[] {
	const rows = new Map(found.tables.map(table => [table.name, table.rows]));
	return (recorded ?? []).flatMap(({name, rows: expected}) => {
		const actual = rows.get(name);
		if (actual === expected) return [];
		return [
			actual === undefined ? `${name} is missing` : `${name} has ${plural(actual, 'row')} instead of ${expected}`,
		];
	});
}

function compareSchema(recorded: Recorded['schema'], found: Contents['schema'], sameMajor: boolean): string[] {
	const parts = new Map(found.map(part => [part.kind, part]));
	return (recorded ?? []).flatMap(({kind, count, names, definitions}) => {
		const part = parts.get(kind);
		if (!part) return []; // of a newer pg_back
		if (part.count !== count) return [`${part.count} ${kind} instead of ${count}`];
		if (part.names !== names) return [`${kind} have other names`];
		return sameMajor && part.definitions !== definitions ? [`${kind} have other definitions`] : [];
	});
}

export type Restored = {
	/** As `DumpText` has them. */
	readonly objects: ReadonlySet<string> | undefined;
	/** Of the dump's tables, in their order. */
	readonly rows: readonly FoundRows[];
};

/** Every object and every row that the dump holds must be there; more may be. */
export function compareWithDump(
	dump: DumpText,
	{objects, rows}: Restored,
): {readonly held: Held; readonly problems: readonly string[]} {
	const lost = objects === undefined ? [] : [...dump.objects].filter(object => !objects.has(object));
	const problems = lost.map(object => `${object} is missing`);
	let tables = 0;
	let sum = 0;
	for (const [index, {schema, table, rows: expected}] of dump.tables.entries()) {
		const found = rows[index] ?? 'apart';
		const name = `${schema}.${table}`;
		if (found === 'missing') problems.push(`${name} is missing`);
		else if (found !== 'apart') {
			tables++;
			sum += expected;
			// INSERT statements add what is not counted.
			if (dump.inserts ? found < expected : found !== expected)
				problems.push(`${name} has ${plural(found, 'row')}, the dump ${plural(expected, 'row')}`);
		}
	}
	return {held: {...(objects && {objects: dump.objects.size}), tables, rows: sum}, problems};
}

/** `25 objects and 1,234 rows in 3 tables are as in the dump; the rows of 3 tables and the schema are as recorded`. */
export function describeCompared(compared: Compared): string {
	const recorded = describeRecorded(compared);
	return compared.held === undefined ? recorded : `${describeHeld(compared.held)} are as in the dump; ${recorded}`;
}

function describeHeld({objects, tables, rows}: Held): string {
	const inTables = `${plural(rows, 'row')} in ${plural(tables, 'table')}`;
	return objects === undefined ? inTables : `${plural(objects, 'object')} and ${inTables}`;
}

function describeRecorded({tables, uncounted, schema}: Compared): string {
	const parts = [
		...(tables > 0 ? [`the rows of ${plural(tables, 'table')}`] : []),
		...(schema === 'none' ? [] : [schema === 'definitions' ? 'the schema' : 'the names in the schema']),
	];
	if (parts.length === 0) return 'nothing was recorded to compare it with';
	const left = uncounted > 0 ? `; ${plural(uncounted, 'table')} had not been counted` : '';
	return `${parts.join(' and ')} ${tables > 0 || schema === 'names' ? 'are' : 'is'} as recorded${left}`;
}
