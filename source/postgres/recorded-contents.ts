/**
 * Reads what a database contains, for a comparison after a restore: the rows of each table, and the objects with their
 * definitions. Owners, privileges, comments and values of sequences are not compared.
 */
import {createHash} from 'node:crypto';
import {contentQueries} from './content-queries.js';
import {unchangedSinceAnalyze} from './progress-inventory.js';
import {identifier} from './quote.js';
import type {Row, Session} from './session.js';

export type TableRows = {
	/** `schema.table`, quoted for SQL; `large objects` for large objects. */
	readonly name: string;
	readonly rows: number;
};

/** The objects of one kind. */
export type SchemaPart = {
	/** Such as `relations` or `indexes`. */
	readonly kind: string;
	readonly count: number;
	/** SHA-256 of their sorted names. */
	readonly names: string;
	/** SHA-256 of names and definitions: only comparable between servers of the same major version. */
	readonly definitions: string;
};

export type Contents = {
	readonly schema: readonly SchemaPart[];
	readonly tables: readonly TableRows[];
	/** The number of tables that were not counted. */
	readonly uncounted: number;
};

/** The oldest server version with readable contents. */
export const oldestContents = 100_000;

/**
 * Settings that change how the server prints constants in definitions, such as the bounds of partitions by timestamptz.
 */
const printSettings: readonly (readonly [string, string])[] = [
	['timezone', 'UTC'],
	['intervalstyle', 'postgres'],
	['extra_float_digits', '3'],
	['bytea_output', 'hex'],
	['xmlbinary', 'base64'],
	['lc_monetary', 'C'],
	['standard_conforming_strings', 'on'],
];

/**
 * Reads the objects of all schemas, without those of the system and of extensions. Definitions are printed the same on
 * every server unless `asConfigured`. The session must be in a transaction.
 */
export async function readSchema(
	session: Session,
	{asConfigured = false}: {readonly asConfigured?: boolean} = {},
): Promise<readonly SchemaPart[]> {
	await session.query('savepoint reading');
	if (!asConfigured) {
		const set = printSettings.map(([name, value]) => `pg_catalog.set_config('${name}', '${value}', true)`);
		await session.query(`select ${set.join(', ')}`);
	}
	const parts: SchemaPart[] = [];
	for (const {kind, sql} of contentQueries(session.serverVersion)) {
		const names: string[] = [];
		const lines: string[] = [];
		const onRow = ([name, definition]: Row) => {
			names.push(name ?? '');
			lines.push(`${name ?? ''}\t${normalize(definition ?? '')}`);
		};
		await session.query(sql, {timeout: 0, onRow});
		parts.push({kind, count: names.length, names: checksumOf(names), definitions: checksumOf(lines)});
	}
	await session.query('rollback to savepoint reading');
	return parts;
}

/**
 * Removes casts, parentheses and white space from a definition, because the first restore changes how PostgreSQL prints
 * an expression: it moves casts from arrays into their elements.
 */
export function normalize(definition: string): string {
	return definition.replaceAll(cast, '').replaceAll(/[()\s]/g, '');
}

const word = String.raw`(?:"(?:[^"]|"")*"|\w+)`;
const cast = new RegExp(
	String.raw`::(?:character varying|bit varying|double precision|time(?:stamp)?(?:\(\d\))? with(?:out)? time zone|${word}(?:\.${word})?)` +
		String.raw`(?:\([\d, ]+\))?(?:\[\])*`,
	'g',
);

/** Sorts the lines. */
function checksumOf(lines: string[]): string {
	lines.sort(); // by UTF-16, and without calling a function of ours for each comparison
	const hash = createHash('sha256');
	for (let at = 0; at < lines.length; at += linesOfUpdate)
		hash.update(`${lines.slice(at, at + linesOfUpdate).join('\n')}\n`);
	return hash.digest('hex');
}

/** Lines that are hashed by one call, which costs more than hashing one. */
const linesOfUpdate = 500;

export type CountOptions = {
	/** Returning true stops before the next table. */
	readonly stopped?: () => boolean;
	/**
	 * Maximum bytes to read in total; tables beyond that are not counted. Each table is charged 64 KiB more than it has, as
	 * the cost of its statement, and a fifth more, because sizes are those of its last VACUUM or ANALYZE. A table that has
	 * grown by more since is not counted.
	 */
	readonly limit?: number;
	/** Called when the query of a table begins and ends. */
	readonly onBusy?: (busy: boolean) => void;
};

/** Tables, and their bytes, that are counted by one statement: each statement costs a round trip. */
const tablesOfBatch = 100;
const bytesOfBatch = 4 << 20;
const bytesOfStatement = 64 << 10;

type ToCount = {readonly name: string; readonly sql: string; readonly size: number};

/**
 * Counts the rows of every table, small ones first, and the large objects. Tables that cannot be counted (locked, not
 * readable) are included in `uncounted`. The session should be in a transaction, so that all counts are from one
 * snapshot; no lock is kept.
 */
export async function countRows(
	session: Session,
	options: CountOptions = {},
): Promise<Pick<Contents, 'tables' | 'uncounted'>> {
	await session.query('savepoint counting');
	const {limit} = options;
	const {found, total} = await tablesToCount(session, limit);
	const all: readonly ToCount[] = [
		{name: 'large objects', sql: 'select pg_catalog.count(*) from pg_catalog.pg_largeobject_metadata', size: 0},
		...found.map(({name, oid, size}) => {
			const sql = `select pg_catalog.count(*) from only ${name}`;
			if (limit === undefined) return {name, sql, size};
			const most = Math.ceil(size * 1.2) + bytesOfStatement;
			return {
				name,
				sql: `select case when pg_catalog.pg_relation_size(${oid}) <= ${most} then (${sql}) end`,
				size: most,
			};
		}),
	];
	const tables: TableRows[] = [];
	for (const batch of batches(all, limit)) {
		if (options.stopped?.()) break;
		tables.push(...(await countBatch(session, batch, options)));
	}
	return {tables, uncounted: total + 1 - tables.length};
}

type FoundTable = {readonly name: string; readonly oid: number; readonly size: number};

/**
 * Returns the tables, small ones first, and the number of all: with a limit, only those that may be within it. Looking
 * at the files of a table costs the server as much as planning a query of it, and waits for a session that has locked
 * it: only those whose size is not known from the catalog are looked at, and none if that fails.
 */
async function tablesToCount(
	session: Session,
	limit: number | undefined,
): Promise<{readonly found: readonly FoundTable[]; readonly total: number}> {
	const read = async (fileSize: string) => {
		const found: FoundTable[] = [];
		let total = 0;
		const onRow = ([name, oid, size, all]: Row) => {
			found.push({name: name ?? '', oid: Number(oid), size: Number(size)});
			total = Number(all);
		};
		await session.query(
			`select pg_catalog.format('%I.%I', n.nspname, c.relname), c.oid,
				case when c.relpages > 0 or ${unchangedSinceAnalyze(session.serverVersion)}
				then c.relpages * pg_catalog.current_setting('block_size')::bigint else ${fileSize} end as size,
				pg_catalog.count(*) over ()
			from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
			where c.relkind = 'r' and c.relpersistence <> 't' and not (c.relpersistence = 'u' and pg_catalog.pg_is_in_recovery())
			and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
			and not exists (select from pg_catalog.pg_depend d
				where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.deptype = 'e')
			order by size, 1${limit === undefined ? '' : ` limit ${Math.ceil(limit / bytesOfStatement)}`}`,
			{timeout: 0, onRow},
		);
		return {found, total};
	};
	try {
		return await read('coalesce(pg_catalog.pg_relation_size(c.oid), 0)');
	} catch (error) {
		if (!session.alive) throw error;
		await session.query('rollback to savepoint counting');
		return read('0');
	}
}

function* batches(all: readonly ToCount[], limit = Infinity): Generator<readonly ToCount[]> {
	let read = 0;
	let batch: ToCount[] = [];
	let bytes = 0;
	for (const one of all) {
		read += one.size;
		if (read > limit) break;
		if (batch.length === tablesOfBatch || (batch.length > 0 && bytes + one.size > bytesOfBatch)) {
			yield batch;
			batch = [];
			bytes = 0;
		}
		batch.push(one);
		bytes += one.size;
	}
	if (batch.length > 0) yield batch;
}

/** Counts one by one what cannot be counted together. */
async function countBatch(
	session: Session,
	batch: readonly ToCount[],
	options: CountOptions,
): Promise<readonly TableRows[]> {
	options.onBusy?.(true);
	try {
		const [rows = []] = await session.query(`select ${batch.map(({sql}) => `(${sql})`).join(', ')}`, {timeout: 0});
		return batch.flatMap(({name}, index) => {
			const count = rows[index] ?? null;
			return count === null ? [] : [{name, rows: Number(count)}];
		});
	} catch (error) {
		if (!session.alive) throw error;
	} finally {
		options.onBusy?.(false);
		// Releases the locks of the tables and their indexes: pg_dump needs as many, and the server may have no more.
		if (session.alive) await session.query('rollback to savepoint counting');
	}
	const counted: TableRows[] = [];
	for (const one of batch.length > 1 ? batch : []) {
		if (options.stopped?.()) break;
		counted.push(...(await countBatch(session, [one], options)));
	}
	return counted;
}

/** Adds the rows of tables that were counted elsewhere. */
export function withRows(contents: Contents | undefined, counted: readonly TableRows[]): Contents | undefined {
	if (!contents) return undefined;
	const known = new Set(contents.tables.map(({name}) => name));
	const more = counted.filter(({name}) => !known.has(name));
	return {
		...contents,
		tables: [...contents.tables, ...more],
		uncounted: Math.max(0, contents.uncounted - more.length),
	};
}

/**
 * `missing`: there is no such table; `external`: it is not counted, because its rows belong to an extension or to another
 * server.
 */
export type FoundRows = number | 'missing' | 'external';

/**
 * Counts the rows of these tables; for a partitioned one those of its partitions. Names are not quoted; undefined means
 * `external`.
 */
export async function rowsOf(
	session: Session,
	names: readonly ({readonly schema: string; readonly table: string} | undefined)[],
): Promise<readonly FoundRows[]> {
	const relations = await session.query(
		`select n.nspname, c.relname, c.oid, c.relkind, c.relkind = 'f' or exists (select from pg_catalog.pg_depend d
			where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.deptype = 'e')
		from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.relkind in ('r', 'p', 'f')`,
		{timeout: 0},
	);
	const there = new Map(
		relations.map(([schema, table, oid, kind, external]) => [
			`${schema ?? ''}\0${table ?? ''}`,
			{oid, kind, isExternal: external === 't'},
		]),
	);
	const found: FoundRows[] = [];
	for (const name of names) {
		const relation = name && there.get(`${name.schema}\0${name.table}`);
		if (name === undefined || relation === undefined || relation.isExternal) {
			found.push(name && relation === undefined ? 'missing' : 'external');
			continue;
		}
		const table = `${identifier(name.schema)}.${identifier(name.table)}`;
		let sum = 0;
		for (const one of relation.kind === 'p' ? await localPartitions(session, relation.oid) : [table]) {
			const [[rows] = []] = await session.query(`select pg_catalog.count(*) from only ${one}`, {timeout: 0});
			sum += Number(rows);
		}
		found.push(sum);
	}
	return found;
}

/** Returns the partitions that hold rows in this database, at all levels. The rows of foreign ones are not dumped. */
async function localPartitions(session: Session, oid: string | null | undefined): Promise<readonly string[]> {
	const partitions = await session.query(
		`with recursive tree (oid) as (select ${Number(oid)}::pg_catalog.oid
			union all select i.inhrelid from pg_catalog.pg_inherits i join tree on i.inhparent = tree.oid)
		select pg_catalog.format('%I.%I', n.nspname, c.relname) from tree join pg_catalog.pg_class c on c.oid = tree.oid
		join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.relkind = 'r'`,
		{timeout: 0},
	);
	return partitions.map(([name]) => name ?? '');
}
