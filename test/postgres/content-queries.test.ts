import assert from 'node:assert/strict';
import {test} from 'node:test';
import {contentQueries} from '../../source/postgres/content-queries.js';
import {realServerVersions, startCluster} from '../helpers/cluster.js';
import {fixture} from '../helpers/databases.js';
import {sessionOn} from '../helpers/postgres.js';

/** Indexes that differ from a plain B-tree in one way each. */
const indexes = (major: number) => `
	create schema "Odd s"; create domain whole as int; create type pair as (a int, b int); create type mood as enum ('sad', 'ok');
	create table "Odd s"."T ""x" ("select" int, "Two words" text, v varchar(9), c char(3), d whole, n name, a int[], p pair, m mood,
		r int4range, i inet, b box, t timestamptz, z text collate "C", primary key ("select", "Two words"), unique (v));
	create table part (i int primary key, k text) partition by range (i);
	create table part_1 partition of part for values from (0) to (9);
	create index on part (k); create index only_parent on only part (k, i);
	set search_path = "Odd s";
	${['v', 'c', 'd', 'n', 'a', 'p', 'm', 'r', 'i', 't', 'z', 'm, v, c'].map((columns, at) => `create index "I ${at}" on "T ""x" (${columns});`).join('\n')}
	create index on "T ""x" (v desc); create index on "T ""x" (v nulls first); create index on "T ""x" (v, t desc nulls last);
	create index on "T ""x" (v collate "C"); create index on "T ""x" (z collate "POSIX"); create index on "T ""x" (z collate "C");
	create index on "T ""x" (v text_pattern_ops); create index on "T ""x" (v varchar_pattern_ops); create index on "T ""x" (c bpchar_pattern_ops);
	create index on "T ""x" (v varchar_ops); create index on "T ""x" (lower(v)); create index on "T ""x" (v) where v > 'a';
	create index on "T ""x" (v) with (fillfactor = 70); create unique index on "T ""x" (t, v); create index on "T ""x" using hash (v);
	create index on "T ""x" using gist (r); create index on "T ""x" using gin (a); create index on "T ""x" using brin (t);
	create index on "T ""x" using spgist (b); alter table "T ""x" add exclude using gist (r with &&);
	${major >= 11 ? 'create index on "T ""x" (v) include (t);' : ''}
	${major >= 15 ? 'create unique index on "T ""x" (m, t) nulls not distinct;' : ''}
`;

for (const [version] of realServerVersions()) {
	test(`definitions of indexes are those of pg_get_indexdef, PostgreSQL ${version}`, async () => {
		const cluster = await startCluster({version, name: 'contents'});
		try {
			await cluster.psql('postgres', 'create database fixture');
			await cluster.psql('fixture', fixture);
			await cluster.psql('fixture', indexes(version));
			const session = await sessionOn(cluster, {database: 'fixture'});
			const query = contentQueries(session.serverVersion).find(({kind}) => kind === 'indexes');
			assert.ok(query);
			const found = await session.query(query.sql);
			const expected = await session.query(
				`select format('%I.%I', n.nspname, c.relname), pg_get_indexdef(c.oid) from pg_class c join pg_namespace n on n.oid = c.relnamespace
				where c.relkind in ('i', 'I') and n.nspname !~ '^pg_'`,
			);
			const definitions = new Map(expected.map(([name, definition]) => [name, definition]));
			assert.ok(found.length > 40, String(found.length));
			for (const [name, definition] of found) assert.equal(definition, definitions.get(name ?? ''));
			await session.close();
		} finally {
			await cluster.stop();
		}
	});
}
