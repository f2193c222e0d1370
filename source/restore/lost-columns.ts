/**
 * Columns of existing tables, and their defaults, that DROP … CASCADE took with what `--only` brings back. No entry of an
 * archive brings them back: they are a part of their table. Pure.
 */
import type {ArchiveEntry} from '../postgres/archive-toc.js';
import {nameOf, statementsOfEntry, type Token} from '../postgres/sql-statements.js';

export type LostColumn = {
	readonly schema: string | undefined;
	readonly table: string;
	readonly column: string;
	/** The column exists, without its default. */
	readonly isDefault: boolean;
};

export type LostColumnsOptions = {
	/** The dump IDs of the entries that are brought back. */
	readonly taken: ReadonlySet<number>;
	/** The entries of the target. */
	readonly present: readonly ArchiveEntry[];
};

/** `all`: the entries of the archive. Tables that do not use what is brought back are not looked at. */
export function lostColumns(all: readonly ArchiveEntry[], {taken, present}: LostColumnsOptions): readonly LostColumn[] {
	const suspects = all.filter(
		entry => isTable(entry) && !taken.has(entry.dumpId) && entry.dependencies.some(id => taken.has(id)),
	);
	if (suspects.length === 0) return [];
	const there = new Map(present.filter(isTable).map(entry => [keyOf(entry), entry]));
	return suspects.flatMap(entry => {
		const existing = there.get(keyOf(entry));
		if (!existing) return [];
		const now = columnsOf(existing);
		return [...columnsOf(entry)].flatMap(([column, dumped]): LostColumn[] => {
			const current = now.get(column);
			const isDefault = current !== undefined;
			if (isDefault && (current.hasDefault || !dumped.hasDefault)) return [];
			return [{schema: entry.schema, table: entry.tag, column, isDefault}];
		});
	});
}

function isTable({kind}: ArchiveEntry): boolean {
	return kind === 'TABLE' || kind === 'FOREIGN TABLE';
}

function keyOf({schema, tag}: ArchiveEntry): string {
	return `${schema ?? ''}\0${tag}`;
}

type Column = {readonly hasDefault: boolean};

/** Returns the columns of CREATE TABLE by name; none of a typed table, which has those of its type. */
function columnsOf({definition}: ArchiveEntry): ReadonlyMap<string, Column> {
	const columns = new Map<string, Column>();
	const tokens = statementsOfEntry(definition)[0]?.tokens ?? [];
	let depth = 0;
	let column: Token[] = [];
	const end = () => {
		const [first] = column;
		const name = nameOf(first);
		if (name !== undefined && !(first?.kind === 'word' && notColumns.has(first.value)))
			columns.set(name, {hasDefault: column.some(({kind, value}) => kind === 'word' && value === 'DEFAULT')});
		column = [];
	};
	for (const token of tokens) {
		const isSymbol = token.kind === 'symbol';
		if (isSymbol && token.value === '(' && depth++ === 0) continue;
		if (isSymbol && token.value === ')' && --depth === 0) {
			end();
			break;
		}
		if (depth === 0) continue;
		if (depth === 1 && isSymbol && token.value === ',') end();
		else if (depth === 1) column.push(token);
	}
	return columns;
}

/** What else is in the parentheses of CREATE TABLE. */
const notColumns: ReadonlySet<string> = new Set([
	'CONSTRAINT',
	'CHECK',
	'LIKE',
	'UNIQUE',
	'PRIMARY',
	'FOREIGN',
	'EXCLUDE',
]);
