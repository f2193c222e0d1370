/** The tables and large objects that a dump of a database would read: one query. */
import {PostgresError, type Row, type Session} from './session.js';

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
 * exclusively locked table, those in the catalog from the last VACUUM or ANALYZE. Since PostgreSQL 15 a table without a
 * change since its last ANALYZE has the size in the catalog.
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
	const [main, toast] = sizesOf(serverVersion, sizes);
	const [[blobs, pageSize] = []] = await session.query(
		`select ${
			sizes === 'files'
				? "pg_catalog.pg_relation_size('pg_catalog.pg_largeobject')"
				: `(select relpages::bigint * ${blockSize} from pg_catalog.pg_class where oid = 'pg_catalog.pg_largeobject'::pg_catalog.regclass)`
		}, ${blockSize}`,
	);
	// The numbers are one column: each column of each of many thousand tables costs a separator and a string.
	const numbers = ['c.oid', 'c.reltuples', 'c.relpages', main, 'coalesce(t.relpages, 0)', toast].join(" || ' ' || ");
	const flags = `case when pg_catalog.pg_table_is_visible(c.oid) then 'v' else '' end
		|| ${serverVersion >= 90_100 ? "case when c.relpersistence = 'u' then 'u' else '' end" : "''"}`;
	const tables: StoredTable[] = [];
	await session.query(
		`select ${numbers} || ' ' || ${flags}, n.nspname, c.relname
		from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
			left join pg_catalog.pg_class t on t.oid = c.reltoastrelid
		where c.relkind = 'r' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
			and ${serverVersion >= 90_100 ? "c.relpersistence <> 't'" : 'not c.relistemp'}
			${serverVersion >= 90_100 ? `and not exists (${members})` : ''}`,
		{onRow: row => tables.push(readTable(row, Number(pageSize), serverVersion))},
	);
	return {tables, largeObjectBytes: Number(blobs ?? 0)};
}

/**
 * Returns a condition for a table `c` that has the size and the rows of its last ANALYZE: no row was changed since. The
 * server opens each relation whose files it measures, which takes 30 µs: with 20,000 tables a tenth of the dump's time.
 * False before 15, where statistics are read from a file instead of shared memory.
 */
export function unchangedSinceAnalyze(serverVersion: number): string {
	if (serverVersion < 150_000) return 'false';
	return `(c.reltuples >= 0 and pg_catalog.pg_stat_get_mod_since_analyze(c.oid) = 0
		and coalesce(pg_catalog.pg_stat_get_last_analyze_time(c.oid), pg_catalog.pg_stat_get_last_autoanalyze_time(c.oid)) is not null)`;
}

/** Returns expressions for the bytes of a table `c` and of its TOAST `t`. */
function sizesOf(serverVersion: number, sizes: 'files' | 'catalog'): readonly [string, string] {
	const main = `c.relpages::bigint * ${blockSize}`;
	const toast = `coalesce(t.relpages, 0)::bigint * ${blockSize}`;
	if (sizes === 'catalog') return [main, toast];
	// Most TOAST tables were empty when they were vacuumed. Before 14, the catalog does not distinguish those from ones
	// that were never vacuumed.
	const isEmpty = serverVersion >= 140_000 ? 't.relpages = 0 and t.reltuples = 0' : 'false';
	return [
		`case when ${unchangedSinceAnalyze(serverVersion)} then ${main} else coalesce(pg_catalog.pg_relation_size(c.oid), 0) end`, // null: dropped in the meantime
		`case when ${isEmpty} then 0 else coalesce(pg_catalog.pg_relation_size(t.oid), 0) end`,
	];
}

function readTable([numbers, schema, name]: Row, pageSize: number, serverVersion: number): StoredTable {
	const [oid, tuples, pages, mainBytes, toastPages, toastBytes, flags = ''] = (numbers ?? '').split(' ');
	const expected = expectedRows(Number(tuples), Number(pages), Number(mainBytes) / pageSize, serverVersion);
	return {
		oid: Number(oid),
		schema: schema ?? '',
		name: name ?? '',
		bytes: Number(mainBytes) + Number(toastBytes),
		toastBytes: Number(toastBytes),
		...(expected !== undefined && {rows: expected}),
		pages: Number(pages) + Number(toastPages),
		visible: flags.includes('v'),
		unlogged: flags.includes('u'),
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
