/** What a database holds that a dump of it would read: one query. */
import type {Session} from './session.js';

export type StoredTable = {
	readonly oid: number;
	readonly schema: string;
	readonly name: string;
	/** pg_table_size: the table with its TOAST, without its indexes. */
	readonly bytes: number;
	/** The part of it that is TOAST. */
	readonly toastBytes: number;
	/** The planner's number, scaled to the table's size of now; undefined where it was never analysed. */
	readonly rows?: number;
	/** Of the table and of its TOAST as the catalog has them: what a parallel pg_dump sorts by. */
	readonly pages: number;
	/** True when a pattern without a schema finds it. */
	readonly visible: boolean;
	readonly unlogged: boolean;
};

export type StoredData = {
	/** Ordinary tables, partitions too: all that has rows of its own. Not what is temporary, foreign, a view, or an extension's own. */
	readonly tables: readonly StoredTable[];
	/** Of all large objects. */
	readonly largeObjectBytes: number;
};

/** The session is one on the database; its search_path is set back to the database's own. */
export async function storedData(session: Session): Promise<StoredData> {
	const {serverVersion} = session;
	const configured = serverVersion >= 90_100 ? 'c.oid = any (e.extconfig)' : 'false';
	const members = `select d.objid from pg_catalog.pg_depend d join pg_catalog.pg_extension e on e.oid = d.refobjid
		where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
			and d.deptype = 'e' and d.objid = c.oid and not coalesce(${configured}, false)`;
	await session.query('reset search_path');
	// The size of a table that somebody has for himself is not worth waiting for.
	if (serverVersion >= 90_300) await session.query("set lock_timeout = '1s'");
	await session.query("set statement_timeout = '60s'");
	const rows =
		await session.query(`select c.oid, n.nspname, c.relname, pg_catalog.pg_table_size(c.oid), c.reltuples, c.relpages,
			pg_catalog.pg_relation_size(c.oid), coalesce(t.relpages, 0), coalesce(pg_catalog.pg_table_size(t.oid), 0), pg_catalog.pg_table_is_visible(c.oid),
			${serverVersion >= 90_100 ? "c.relpersistence = 'u'" : 'false'}, pg_catalog.current_setting('block_size')
		from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
			left join pg_catalog.pg_class t on t.oid = c.reltoastrelid
		where c.relkind = 'r' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
			and ${serverVersion >= 90_100 ? "c.relpersistence <> 't'" : 'not c.relistemp'}
			${serverVersion >= 90_100 ? `and not exists (${members})` : ''}`);
	const [[blobs] = []] = await session.query("select pg_catalog.pg_relation_size('pg_catalog.pg_largeobject')");
	return {
		tables: rows.map(
			([oid, schema, name, bytes, tuples, pages, mainBytes, toastPages, toastBytes, visible, unlogged, blockSize]) => {
				const expected = expectedRows(
					Number(tuples),
					Number(pages),
					Number(mainBytes) / Number(blockSize),
					serverVersion,
				);
				return {
					oid: Number(oid),
					schema: schema ?? '',
					name: name ?? '',
					bytes: Number(bytes ?? 0), // dropped meanwhile
					toastBytes: Number(toastBytes),
					...(expected !== undefined && {rows: expected}),
					pages: Number(pages) + Number(toastPages),
					visible: visible === 't',
					unlogged: unlogged === 't',
				};
			},
		),
		largeObjectBytes: Number(blobs ?? 0),
	};
}

/** As the planner does it: the density that ANALYZE found times the pages of now. */
export function expectedRows(
	tuples: number,
	pages: number,
	pagesNow: number,
	serverVersion: number,
): number | undefined {
	const never = serverVersion >= 140_000 ? tuples < 0 : tuples === 0 && (pages === 0 ? pagesNow > 0 : true);
	if (never) return undefined;
	if (pages === 0) return tuples;
	return Math.round((tuples / pages) * pagesNow);
}

/** The relation's name, for people; undefined when it is gone. */
export async function relationName(session: Session, oid: number): Promise<string | undefined> {
	const [row] = await session.query(`select n.nspname || '.' || c.relname from pg_catalog.pg_class c
		join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid = ${Math.trunc(oid)}`);
	return row?.[0] ?? undefined;
}
