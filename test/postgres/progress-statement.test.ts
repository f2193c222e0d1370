import assert from 'node:assert/strict';
import {test} from 'node:test';
import fc from 'fast-check';
import {copiedTable, schemaActivity, shortStatement} from '../../source/postgres/progress-statement.js';

test('literals, numbers, comments and layout go; identifiers stay', () => {
	const cases: readonly (readonly [string, string])[] = [
		[
			"alter table \"My 1\" add x1 text default 'it''s' -- note\n, add y int default -12.5e3",
			'alter table "My 1" add x1 text default ? , add y int default -?',
		],
		["update t set a = E'x\\'secret' where b = 'c'", 'update t set a = ? where b = ?'],
		["select U&'\\0441', b'01', $tag$ secret $tag$, $$ x $$ from t2", 'select ?, ?, ?, ? from t2'],
		['/* secret\n', ''],
		["truncate t; -- pw 'x", 'truncate t;'],
		["select 'cut off in the mid", 'select ?'],
	];
	for (const [given, wanted] of cases) assert.equal(shortStatement(given, 200), wanted);
	assert.equal(shortStatement('a'.repeat(100)).length, 80);
});

test('no literal survives, wherever the text is cut', () => {
	const word = fc.stringMatching(/^[a-z]{1,8}$/);
	fc.assert(
		fc.property(word, fc.nat({max: 80}), (column, cut) => {
			const statement = `update t set ${column} = 'SECRET', b = E'a\\'SECRET', c = $x$SECRET$x$, d = 'it''SECRET' where e = 4711 /* SECRET */`;
			assert.doesNotMatch(shortStatement(statement.slice(0, cut + 20), 500), /SECRET|4711/);
		}),
	);
});

test("pg_dump's own statements name their table", () => {
	assert.deepEqual(copiedTable('COPY public.events (id, at) TO stdout;'), {schema: 'public', name: 'events'});
	assert.deepEqual(copiedTable('COPY "we ird"."a.""b" (id) TO stdout;'), {schema: 'we ird', name: 'a."b'});
	assert.deepEqual(copiedTable('COPY s.empty  TO stdout;'), {schema: 's', name: 'empty'});
	assert.equal(copiedTable('SELECT 1'), undefined);
});

test('what pg_dump does before its first table', () => {
	assert.equal(schemaActivity('LOCK TABLE public.t IN ACCESS SHARE MODE'), 'locking tables');
	assert.equal(schemaActivity('LOCK TABLE public.t, public.u IN ACCESS SHARE MODE'), 'locking tables');
	assert.equal(schemaActivity('SELECT c.tableoid, c.oid, c.relname FROM pg_class c'), 'reading the schema');
	assert.equal(schemaActivity('COPY public.t (i) TO stdout;'), undefined);
});
