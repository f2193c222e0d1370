/** Queries for the objects of a database, by kind: name and definition. For servers since 10. */

export type ContentQuery = {readonly kind: string; readonly sql: string};

const notOfExtension = (catalog: string, oid: string) =>
	`not exists (select from pg_catalog.pg_depend x where x.classid = 'pg_catalog.${catalog}'::pg_catalog.regclass and x.objid = ${oid} and x.deptype = 'e')`;
const users = (namespace: string) => `${namespace}.nspname !~ '^pg_' and ${namespace}.nspname <> 'information_schema'`;
const named = (namespace: string, name: string) => `pg_catalog.format('%I.%I', ${namespace}.nspname, ${name})`;

/**
 * Returns the queries. `version` is the server's, such as 150018. Columns are sorted by name, because a restore may
 * order those of inheriting tables differently.
 */
export function contentQueries(version: number): readonly ContentQuery[] {
	return [...dataQueries(version), ...codeQueries(version)];
}

/** Returns queries for relations with data, and for what belongs to them. */
function dataQueries(version: number): readonly ContentQuery[] {
	const generated = version >= 120_000 ? 'a.attgenerated' : "''";
	const noParentConstraint = version >= 110_000 ? 'o.conparentid = 0' : 'true';
	return [
		{
			kind: 'schemas',
			sql: `select n.nspname, '' from pg_catalog.pg_namespace n where ${users('n')} and ${notOfExtension('pg_namespace', 'n.oid')}`,
		},
		{kind: 'extensions', sql: "select extname, '' from pg_catalog.pg_extension"},
		{
			kind: 'relations',
			sql: `select ${named('n', 'c.relname')},
				c.relkind::text || c.relpersistence::text || coalesce(pg_catalog.pg_get_expr(c.relpartbound, c.oid), '')
				|| case when c.relkind in ('v', 'm') then pg_catalog.pg_get_viewdef(c.oid) else '' end
				|| coalesce((select pg_catalog.string_agg(pg_catalog.concat_ws(' ', pg_catalog.quote_ident(a.attname),
						pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, ${generated},
						pg_catalog.pg_get_expr(d.adbin, d.adrelid)), ',' order by a.attname collate "C")
					from pg_catalog.pg_attribute a
					left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
					where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped), '')
				from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
				where c.relkind in ('r', 'p', 'v', 'm', 'f', 'c') and c.relpersistence <> 't'
				and ${users('n')} and ${notOfExtension('pg_class', 'c.oid')}
				and not (c.relkind = 'c' and exists (select from pg_catalog.pg_type y where y.typrelid = c.oid and not ${notOfExtension('pg_type', 'y.oid')}))`,
		},
		{
			kind: 'sequences',
			sql: `select ${named('n', 'c.relname')}, pg_catalog.concat_ws(' ', pg_catalog.format_type(s.seqtypid, null),
					s.seqstart, s.seqincrement, s.seqmax, s.seqmin, s.seqcache, s.seqcycle)
				from pg_catalog.pg_sequence s join pg_catalog.pg_class c on c.oid = s.seqrelid
				join pg_catalog.pg_namespace n on n.oid = c.relnamespace
				where c.relpersistence <> 't' and ${users('n')} and ${notOfExtension('pg_class', 'c.oid')}`,
		},
		{
			kind: 'indexes',
			// As pg_dump: without those that a failed CREATE INDEX CONCURRENTLY has left.
			sql: `select ${named('n', 'c.relname')}, ${indexDefinition(version)}
				from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid
				join pg_catalog.pg_class r on r.oid = i.indrelid join pg_catalog.pg_namespace n on n.oid = r.relnamespace
				where r.relpersistence <> 't' and ${users('n')} and ${notOfExtension('pg_class', 'r.oid')}
				and (i.indisvalid or r.relkind = 'p') and i.indisready`,
		},
		{
			kind: 'constraints',
			sql: `select pg_catalog.format('%I.%I.%I', n.nspname, coalesce(r.relname, y.typname), o.conname), pg_catalog.pg_get_constraintdef(o.oid)
				from pg_catalog.pg_constraint o join pg_catalog.pg_namespace n on n.oid = o.connamespace
				left join pg_catalog.pg_class r on r.oid = o.conrelid left join pg_catalog.pg_type y on y.oid = o.contypid
				where o.contype <> 'n' and ${noParentConstraint} and ${users('n')} and coalesce(r.relpersistence <> 't', true)
				and ${notOfExtension('pg_class', 'coalesce(r.oid, 0)')} and ${notOfExtension('pg_type', 'coalesce(y.oid, 0)')}`,
		},
	];
}

/**
 * Returns what `pg_get_indexdef` returns of an index `i`, `c` on a table `r` in `n`, for a session with an empty
 * search_path. The function opens the index's table, which takes 80 µs: with 20,000 tables a fifth of the dump's time.
 * Most indexes are B-trees on plain columns, whose definition needs none of that.
 */
function indexDefinition(version: number): string {
	const hasOnlyKeys = version >= 110_000 ? 'i.indnatts = i.indnkeyatts' : 'true';
	const nullsAreDistinct = version >= 150_000 ? 'not i.indnullsnotdistinct' : 'true';
	// Null if a column has an order, a collation or an operator class of its own. The type itself must be that of the class,
	// or varchar, which has none.
	const columns = `(select case when pg_catalog.bool_and(k.options = 0 and k.coll in (0, a.attcollation) and o.opcdefault
				and o.oid < 16384 and (o.opcintype = a.atttypid or o.opcintype = 25 and a.atttypid = 1043))
			then pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' order by k.number) end
		from unnest(i.indkey::int2[], i.indclass::oid[], i.indcollation::oid[], i.indoption::int2[])
			with ordinality k(attribute, class, coll, options, number)
			join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attribute
			join pg_catalog.pg_opclass o on o.oid = k.class)`;
	return `coalesce(case when c.relkind = 'i' and c.relam = 403 and c.reloptions is null and i.indpred is null and i.indexprs is null
			and ${hasOnlyKeys} and ${nullsAreDistinct}
		then 'CREATE ' || case when i.indisunique then 'UNIQUE ' else '' end || 'INDEX ' || pg_catalog.quote_ident(c.relname)
			|| ' ON ' || ${named('n', 'r.relname')} || ' USING btree (' || ${columns} || ')' end,
		pg_catalog.pg_get_indexdef(c.oid))`;
}

/** Returns queries for types, functions, and code that runs or is checked during queries. */
function codeQueries(version: number): readonly ContentQuery[] {
	const noParentTrigger = version >= 130_000 ? 't.tgparentid = 0' : 'true';
	const body = version >= 140_000 ? "coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), '')" : "''";
	const isFunction = version >= 110_000 ? "p.prokind <> 'a'" : 'not p.proisagg';
	return [
		{
			kind: 'types',
			sql: `select ${named('n', 'y.typname')}, pg_catalog.concat_ws(' ', y.typtype, pg_catalog.format_type(nullif(y.typbasetype, 0), y.typtypmod),
					y.typnotnull, y.typdefault, (select pg_catalog.string_agg(e.enumlabel, ',' order by e.enumsortorder)
					from pg_catalog.pg_enum e where e.enumtypid = y.oid))
				from pg_catalog.pg_type y join pg_catalog.pg_namespace n on n.oid = y.typnamespace
				where y.typtype in ('d', 'e', 'r') and ${users('n')} and ${notOfExtension('pg_type', 'y.oid')}`,
		},
		{
			kind: 'functions',
			sql: `select pg_catalog.format('%I.%I(%s)', n.nspname, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid)),
					pg_catalog.concat_ws(' ', l.lanname, p.provolatile, p.proisstrict, p.prosecdef, pg_catalog.pg_get_function_result(p.oid),
					p.prosrc, ${body})
				from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
				join pg_catalog.pg_language l on l.oid = p.prolang
				where ${isFunction} and ${users('n')} and ${notOfExtension('pg_proc', 'p.oid')}
				and not exists (select from pg_catalog.pg_depend x where x.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
					and x.objid = p.oid and x.deptype = 'i')`,
		},
		{
			kind: 'triggers',
			sql: `select pg_catalog.format('%I.%I.%I', n.nspname, c.relname, t.tgname), t.tgenabled::text || pg_catalog.pg_get_triggerdef(t.oid)
				from pg_catalog.pg_trigger t join pg_catalog.pg_class c on c.oid = t.tgrelid
				join pg_catalog.pg_namespace n on n.oid = c.relnamespace
				where not t.tgisinternal and ${noParentTrigger} and c.relpersistence <> 't' and ${users('n')}
				and ${notOfExtension('pg_class', 'c.oid')}`,
		},
		{
			kind: 'policies',
			sql: `select pg_catalog.format('%I.%I.%I', n.nspname, c.relname, p.polname), pg_catalog.concat_ws(' ', p.polcmd, p.polpermissive,
					pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid))
				from pg_catalog.pg_policy p join pg_catalog.pg_class c on c.oid = p.polrelid
				join pg_catalog.pg_namespace n on n.oid = c.relnamespace
				where ${users('n')} and ${notOfExtension('pg_class', 'c.oid')}`,
		},
	];
}
