/** Facts and statements for reading one table by several sessions, in ranges of its pages. */
import {identifier, literal} from './quote.js';
import type {Session} from './session.js';

/** The oldest server that reads a range of pages without reading the whole table. */
export const oldestSplit = 140_000;

export type SplitTable = {
	readonly oid: number;
	/** `schema.table`, quoted for SQL, as in the recorded contents. */
	readonly name: string;
	/** Pages of the table itself, without TOAST. */
	readonly pages: number;
	/** `COPY schema.table (columns) FROM stdin;`, one character per byte of the server's encoding. */
	readonly copy: string;
};

type Named = {readonly schema: string; readonly name: string};

/** Generated columns are not dumped. */
const columns = `(select pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' order by a.attnum) from pg_catalog.pg_attribute a
	where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '')`;

/** Returns the statement that keeps tables from being altered, for the session that exports the snapshot. */
export function lockStatement(tables: readonly Named[]): string {
	const names = tables.map(({schema, name}) => `only ${identifier(schema)}.${identifier(name)}`);
	return `lock table ${names.join(', ')} in access share mode`;
}

/** Returns a query for the statement that locks them in another session, which does not wait: in its column `q`. */
export function lockQuery(oids: readonly number[]): string {
	return `select 'lock table ' || pg_catalog.string_agg(pg_catalog.format('only %I.%I', n.nspname, c.relname), ', ')
		|| ' in access share mode nowait' as q
		from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid in (${oids.join(', ')})`;
}

/**
 * Returns the facts of those tables that can be read in ranges: ordinary tables with the access method heap, not of an
 * extension, not restricted by row security for this user, and not a partition that pg_dump may load through its root
 * (below hash partitioning).
 */
export async function splittable(session: Session, oids: readonly number[]): Promise<readonly SplitTable[]> {
	const rows = await session.query(
		`select c.oid, pg_catalog.format('%I.%I', n.nspname, c.relname),
			pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::bigint,
			pg_catalog.encode(pg_catalog.convert_to(
				pg_catalog.format('COPY %I.%I (%s) FROM stdin;', n.nspname, c.relname, ${columns}),
				pg_catalog.current_setting('server_encoding')), 'hex')
		from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
			join pg_catalog.pg_am m on m.oid = c.relam
		where c.oid in (${oids.join(', ')}) and c.relkind = 'r' and c.relpersistence <> 't' and m.amname = 'heap'
			and ${columns} is not null and not pg_catalog.row_security_active(c.oid)
			and not exists (select from pg_catalog.pg_depend d
				where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.deptype = 'e')
			and not (c.relispartition and exists (select from pg_catalog.pg_partition_ancestors(c.oid) p
				join pg_catalog.pg_partitioned_table t on t.partrelid = p.relid where t.partstrat = 'h'))`,
	);
	return rows.map(([oid, name, pages, copy]) => ({
		oid: Number(oid),
		name: name ?? '',
		pages: Number(pages),
		copy: `${Buffer.from(copy ?? '', 'hex').toString('latin1')}\n`,
	}));
}

/** Pages from `from` up to and without `to`; without `to` all that follow. */
export type PageRange = {readonly from: number; readonly to: number | undefined};

/** Divides a table into ranges of equal size; the last has no end. */
export function divide(pages: number, parts: number): readonly PageRange[] {
	const count = Math.max(1, Math.min(parts, pages));
	const start = (index: number) => Math.floor((pages * index) / count);
	return Array.from({length: count}, (_, index) => ({
		from: start(index),
		to: index === count - 1 ? undefined : start(index + 1),
	}));
}

/** What was copied of a table before a range was started: the progress of a dump is read from its statements. */
export type CopiedBefore = {readonly rows: number; readonly bytes: number};

/** Returns a query for the COPY of one range, in its column `q`. */
export function rangeQuery(oid: number, {from, to}: PageRange, before: CopiedBefore): string {
	const end = to === undefined ? '' : ` and ctid < ''(${to},0)''`;
	return `select pg_catalog.format('copy /* pg_back ${oid} ${before.rows} ${before.bytes} */ (select %s from only %I.%I
		where ctid >= ''(${from},0)''${end}) to stdout', ${columns}, n.nspname, c.relname) as q
		from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid = ${oid}`;
}

const rangePattern = /^copy \/\* pg_back (\d+) (\d+) (\d+) \*\//;

/** Returns the table that a statement of `rangeQuery` reads; undefined for any other statement. */
export function copiedRange(query: string): (CopiedBefore & {readonly oid: number}) | undefined {
	const [, oid, rows, bytes] = rangePattern.exec(query) ?? [];
	return oid === undefined ? undefined : {oid: Number(oid), rows: Number(rows), bytes: Number(bytes)};
}

/** Returns the pattern of pg_dump that matches exactly this table. */
export function exactPattern({schema, name}: Named): string {
	return `${identifier(schema)}.${identifier(name)}`;
}

/**
 * Returns a query about pg_dump, whose sessions have this application name and began after `since`, the server's time:
 * whether it has connected, and whether it waits for one of the tables: another session wants an exclusive lock, which
 * waits for ours.
 */
export function pgDumpQuery(oids: readonly number[], application: string, since: string): string {
	return `with a as (
			select pid from pg_catalog.pg_stat_activity
			where application_name = ${literal(application)} and datname = pg_catalog.current_database() and backend_start > ${literal(since)}
		)
		select (select pg_catalog.count(*) from a) > 0, exists (
			select from pg_catalog.pg_locks l join a on a.pid = l.pid
			where not l.granted and l.locktype = 'relation' and l.relation in (${oids.join(', ')})
				and l.database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database()))`;
}
