/** What a restored database has, beside what was recorded when it was dumped. Pure. */
import {plural} from '../lib/format.js';
import type {Contents} from '../postgres/contents.js';
import type {PlainFacts} from './manifest.js';

/** No more than what was really compared. */
export type Compared = {
	/** Tables of which the rows are the same. */
	readonly tables: number;
	/** Tables that were not counted at the time of the dump. */
	readonly uncounted: number;
	/** `names`: the server is of another major, which may print definitions differently. */
	readonly schema: 'definitions' | 'names' | 'none';
};

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

/** `rows of 12 tables and the schema are as recorded`. */
export function describeCompared({tables, uncounted, schema}: Compared): string {
	const parts = [
		...(tables > 0 ? [`the rows of ${plural(tables, 'table')}`] : []),
		...(schema === 'none' ? [] : [schema === 'definitions' ? 'the schema' : 'the names in the schema']),
	];
	if (parts.length === 0) return 'nothing was recorded to compare it with';
	const left = uncounted > 0 ? `; ${plural(uncounted, 'table')} had not been counted` : '';
	return `${parts.join(' and ')} ${tables > 0 || schema === 'names' ? 'are' : 'is'} as recorded${left}`;
}
