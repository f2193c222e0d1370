/** Twelve databases of mixed sizes and contents. */
import type {Server} from '../demo/server.js';

/** Narrow rows that compress well, documents, values in TOAST that do not compress, many tables, partitions. */
const kinds = {
	narrow: (rows: number) =>
		`create table account (id int, balance int, filler char(84)); insert into account select n, 0, '' from generate_series(1, ${rows * 10}) n;`,
	documents: (rows: number) =>
		`create table document (id int, body text, digest text); insert into document select n, repeat(md5(n::text), 20), md5(n::text) from generate_series(1, ${rows}) n;`,
	toast: (rows: number) =>
		`create table attachment (id int, content bytea); alter table attachment alter content set storage external;
		insert into attachment select g, decode(string_agg(md5((g * 1000 + h)::text), ''), 'hex') from generate_series(1, ${Math.ceil(rows / 80)}) g, generate_series(1, 2000) h group by g;`,
	tables: (rows: number) =>
		`do $$ begin for i in 1..1000 loop execute format('create table t%s as select g, md5(g::text) from generate_series(1, %s) g', lpad(i::text, 4, '0'), ${Math.ceil(rows / 50)}); end loop; end $$;`,
	partitions: (rows: number) =>
		`create table event (day int, note text) partition by range (day);
		do $$ begin for i in 0..29 loop execute format('create table event_%s partition of event for values from (%s) to (%s)', i, i, i + 1); end loop; end $$;
		insert into event select n % 30, md5(n::text) || md5((n * 3)::text) from generate_series(1, ${rows * 4}) n;`,
} as const;
type Kind = keyof typeof kinds;

export const databases: readonly {readonly name: string; readonly size: number; readonly contents: readonly Kind[]}[] =
	[
		{name: 'archive', size: 100_000, contents: ['narrow', 'documents', 'toast']},
		{name: 'billing', size: 60_000, contents: ['documents', 'narrow']},
		{name: 'catalog', size: 60_000, contents: ['tables']},
		{name: 'documents', size: 80_000, contents: ['documents']},
		{name: 'events', size: 80_000, contents: ['partitions']},
		{name: 'files', size: 60_000, contents: ['toast']},
		{name: 'ledger', size: 120_000, contents: ['narrow']},
		{name: 'mail', size: 30_000, contents: ['documents', 'toast']},
		{name: 'notes', size: 5000, contents: ['documents']},
		{name: 'sessions', size: 20_000, contents: ['partitions', 'narrow']},
		{name: 'tiny', size: 100, contents: ['documents']},
		{name: 'wiki', size: 10_000, contents: ['documents']},
	];

/** Creates the databases `names`, with `scale` times their rows. */
export async function fillDatabases(server: Server, names: readonly string[], scale: number): Promise<void> {
	for (const {name, size, contents} of databases.filter(one => names.includes(one.name))) {
		await server.psql('postgres', `create database ${name}`);
		for (const kind of contents) await server.psql(name, kinds[kind](Math.ceil(size * scale)));
		await server.psql(name, 'vacuum analyze');
	}
	await server.psql('postgres', 'checkpoint');
}
