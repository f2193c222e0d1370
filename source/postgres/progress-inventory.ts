/** The tables and large objects that a dump of a database would read: one query. */
import {PostgresError, type Session} from './session.js';

export type StoredTable = {
	readonly oid: number;
	readonly schema: string;
	readonly name: string;
	/** The table with its TOAST, without indexes and maps. */
	readonly bytes: number;
	/** The TOAST part of it. */
	readonly toastBytes: number;
	/** The planner's estimate, scaled to the table's current size; undefined if it was never analyzed. */
	readonly rows?: number;
	/** Pages of the table and of its TOAST in the catalog: the sort key of a parallel pg_dump. */
	readonly pages: number;
	/** True when a pattern without a schema matches it. */
	readonly visible: boolean;
	readonly unlogged: boolean;
};

export type StoredData = {
	/**
	 * Ordinary tables and partitions: all that have rows of their own. Without temporary and foreign tables, views, and
	 * those of extensions.
	 */
	readonly tables: readonly StoredTable[];
	/** Bytes of all large objects. */
	readonly largeObjectBytes: number;
};

const blockSize = "pg_catalog.current_setting('block_size')::bigint";
/** SQLSTATEs for a lock timeout, a statement timeout, and a server without free locks. */
const noLock = new Set(['55P03', '57014', '53200']);

/**
 * Reads the stored data. The session must be connected to the database; its search_path is set to the database's
 * default. Sizes are those of the files, for which each table is locked for a moment; when that fails because of an
 * exclusively locked table, those in the catalog from the last VACUUM or ANALYZE.
 */
export async function storedData(session: Session): Promise<StoredData> {
	try {
		return await readStoredData(session, 'files');
	} catch (error) {
		if (!(error instanceof PostgresError) || !noLock.has(error.sqlstate)) throw error;
		return readStoredData(session, 'catalog');
	}
}

async function readStoredData(session: Session, sizes: 'files' | 'catalog'): Promise<StoredData> {
	const {serverVersion} = session;
	const configured = serverVersion >= 90_100 ? 'c.oid = any (e.extconfig)' : 'false';
	const members = `select d.objid from pg_catalog.pg_depend d join pg_catalog.pg_extension e on e.oid = d.refobjid
		where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
			and d.deptype = 'e' and d.objid = c.oid and not coalesce(${configured}, false)`;
	await session.query('reset search_path');
	// Our query must not wait in the lock queue of a table, where it would block other sessions.
	if (serverVersion >= 90_300) await session.query("set lock_timeout = '100ms'");
	await session.query("set statement_timeout = '60s'");
	// The server opens each relation that it measures: half of the cost are TOAST tables, and most of them were empty when
	// they were vacuumed. Before 14, the catalog does not distinguish those from ones that were never vacuumed.
	const isEmpty = serverVersion >= 140_000 ? 't.relpages = 0 and t.reltuples = 0' : 'false';
	const [main, toast] =
		sizes === 'files'
			? [
					'coalesce(pg_catalog.pg_relation_size(c.oid), 0)', // null: dropped in the meantime
					`case when ${isEmpty} then 0 else coalesce(pg_catalog.pg_relation_size(t.oid), 0) end`,
				]
			: [`c.relpages::bigint * ${blockSize}`, `coalesce(t.relpages, 0)::bigint * ${blockSize}`];
	const rows = await session.query(`select c.oid, n.nspname, c.relname, c.reltuples, c.relpages,
			${main}, coalesce(t.relpages, 0), ${toast}, pg_catalog.pg_table_is_visible(c.oid),
			${serverVersion >= 90_100 ? "c.relpersistence = 'u'" : 'false'}, pg_catalog.current_setting('block_size')
		from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
			left join pg_catalog.pg_class t on t.oid = c.reltoastrelid
		where c.relkind = 'r' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
			and ${serverVersion >= 90_100 ? "c.relpersistence <> 't'" : 'not c.relistemp'}
			${serverVersion >= 90_100 ? `and not exists (${members})` : ''}`);
	const [[blobs] = []] = await session.query(
		sizes === 'files'
			? "select pg_catalog.pg_relation_size('pg_catalog.pg_largeobject')"
			: `select relpages::bigint * ${blockSize} from pg_catalog.pg_class where oid = 'pg_catalog.pg_largeobject'::pg_catalog.regclass`,
	);
	return {
		tables: rows.map(
			([oid, schema, name, tuples, pages, mainBytes, toastPages, toastBytes, visible, unlogged, pageSize]) => {
				const expected = expectedRows(
					Number(tuples),
					Number(pages),
					Number(mainBytes) / Number(pageSize),
					serverVersion,
				);
				return {
					oid: Number(oid),
					schema: schema ?? '',
					name: name ?? '',
					bytes: Number(mainBytes) + Number(toastBytes),
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

/** Estimates rows like the planner: the density that ANALYZE found times the current pages. */
export function expectedRows(
	tuples: number,
	pages: number,
	pagesNow: number,
	serverVersion: number,
): number | undefined {
	// Before 14, the catalog does not distinguish an empty table from one that was never analyzed.
	const isUnknown = serverVersion >= 140_000 ? tuples < 0 : tuples === 0 && (pages > 0 || pagesNow > 0);
	if (isUnknown) return undefined;
	if (pages === 0) return tuples;
	return Math.round((tuples / pages) * pagesNow);
}

/** Returns the relation's name, for people; undefined when it no longer exists. */
export async function relationName(session: Session, oid: number): Promise<string | undefined> {
	const [row] = await session.query(`select n.nspname || '.' || c.relname from pg_catalog.pg_class c
		join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid = ${Math.trunc(oid)}`);
	return row?.[0] ?? undefined;
}
