/** A drill claims what it compared, and finds every difference in it. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {toRecord} from '../../source/backup/record-contents.js';
import {type Contents, normalize} from '../../source/postgres/recorded-contents.js';
import type {Manifest} from '../../source/repository/manifest.js';
import {lastProven, lastRestored, parseProven} from '../../source/repository/proofs.js';
import {describeCompared, verdictOf} from '../../source/repository/verdict.js';
import {compareContents, compareWithDump} from '../../source/restore/drill-compare.js';

const part = {kind: 'relations', count: 2, names: 'n', definitions: 'd'};
const found: Contents = {
	schema: [part],
	tables: [
		{name: 's.a', rows: 3},
		{name: 's.b', rows: 0},
	],
	uncounted: 0,
};

test('equal contents have no problems, and what was compared is said', () => {
	const same = compareContents({...found, uncounted: 0}, found, true);
	assert.deepEqual(same, {compared: {tables: 2, uncounted: 0, schema: 'definitions'}, problems: []});
	assert.equal(describeCompared(same.compared), 'the rows of 2 tables and the schema are as recorded');
});

test('every difference is a problem', () => {
	const problems = (recorded: Parameters<typeof compareContents>[0], sameMajor = true) =>
		compareContents(recorded, found, sameMajor).problems;
	assert.deepEqual(problems({tables: [{name: 's.a', rows: 4}]}), ['s.a has 3 rows instead of 4']);
	assert.deepEqual(problems({tables: [{name: 's.c', rows: 0}]}), ['s.c is missing']);
	assert.deepEqual(problems({schema: [{...part, count: 3}]}), ['2 relations instead of 3']);
	assert.deepEqual(problems({schema: [{...part, names: 'x'}]}), ['relations have different names']);
	assert.deepEqual(problems({schema: [{...part, definitions: 'x'}]}), ['relations have different definitions']);
	assert.deepEqual(
		problems({schema: [{...part, definitions: 'x'}]}, false),
		[],
		'another major may print them differently',
	);
});

test('rows may come back in another partition, and only there', () => {
	const inParts = (first: number, second: number) => [
		{name: 's.p1', rows: first, root: 's.p'},
		{name: 's.p2', rows: second, root: 's.p'},
		{name: 's.a', rows: 3},
	];
	const recorded = {tables: inParts(5, 2).map(({name, rows}) => ({name, rows}))};
	const compare = (first: number, second: number) =>
		compareContents(recorded, {schema: [], tables: inParts(first, second), uncounted: 0}, true);
	assert.deepEqual(compare(1, 6), {compared: {tables: 3, uncounted: 0, schema: 'none'}, problems: []});
	assert.deepEqual(compare(5, 1).problems, ['s.p has 6 rows instead of 7']);
});

test('nothing recorded is nothing claimed', () => {
	assert.equal(
		describeCompared(compareContents(undefined, found, true).compared),
		'no contents were recorded to compare it with',
	);
	assert.equal(
		describeCompared({tables: 0, uncounted: 4, schema: 'names'}),
		'the names in the schema are as recorded; 4 tables were not counted when it was dumped',
	);
	assert.equal(
		describeCompared({tables: 0, uncounted: 1, schema: 'definitions'}),
		'the schema is as recorded; 1 table were not counted when it was dumped',
	);
});

test('what the dump holds must be there: every object, every row', () => {
	const dump = {
		objects: new Set(['TABLE s.a', 'INDEX s.i']),
		tables: [
			{schema: 's', table: 'a', rows: 3},
			{schema: 's', table: 'ext', rows: 1},
		],
		inserts: false,
		encoding: 'UTF8',
	};
	const all = new Set([...dump.objects, 'TABLE s.more']);
	const same = compareWithDump(dump, {objects: all, rows: [3, 'external']});
	assert.deepEqual(same, {held: {objects: 2, tables: 1, rows: 3}, problems: []});
	assert.equal(
		describeCompared({...compareContents(undefined, found, true).compared, held: same.held}),
		'2 objects and 3 rows in 1 table match the dump; no contents were recorded to compare it with',
	);
	const problems = (restored: Parameters<typeof compareWithDump>[1], inserts = false) =>
		compareWithDump({...dump, inserts}, restored).problems;
	assert.deepEqual(problems({objects: new Set(['TABLE s.a']), rows: [3, 1]}), ['INDEX s.i is missing']);
	assert.deepEqual(problems({objects: all, rows: [2, 1]}), ['s.a has 2 rows, the dump 3 rows']);
	assert.deepEqual(problems({objects: all, rows: ['missing', 1]}), ['s.a is missing']);
	assert.deepEqual(problems({objects: all, rows: [4, 1]}, true), [], 'INSERT statements bring more');
	assert.deepEqual(problems({objects: undefined, rows: [3, 1]}), [], 'nobody could look');
});

test('restored is not proven: that takes something recorded', () => {
	assert.equal(verdictOf({schema: 'none', tables: 0}), 'restored');
	assert.equal(verdictOf({schema: 'names', tables: 0}), 'proven');
	assert.equal(verdictOf({schema: 'none', tables: 2}), 'proven');
});

test('definitions are the same before and after a restore moves the casts', () => {
	const before = `CHECK (((name)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[])))`;
	const after = `CHECK (((name)::text = ANY (ARRAY[('a'::character varying)::text, ('b'::character varying)::text])))`;
	assert.equal(normalize(before), normalize(after));
	assert.notEqual(normalize(before), normalize(before.replace("'b'", "'c'")));
	assert.equal(normalize(`(x)::numeric(10,2) + y::"My ""Type"""[] + z::timestamp(3) without time zone`), 'x+y+z');
});

test('a run is proven when each of its dumps is, and as long ago as the oldest', () => {
	const file = (database: string) => ({path: database, role: 'dump', database}) as const;
	const manifest = {runId: 'r', files: [file('a'), file('b')]} as unknown as Manifest;
	const one = (database: string, time: string) => ({
		database,
		time,
		host: 'h',
		server: '17',
		tables: 1,
		uncounted: 0,
		schema: 'names' as const,
	});
	const a = one('a', '2026-01-02T00:00:00Z');
	const b = one('b', '2026-01-01T00:00:00Z');
	assert.equal(lastProven(manifest, {schema: 1, runId: 'r', databases: [a, b]}), Date.parse(b.time));
	assert.equal(lastProven(manifest, {schema: 1, runId: 'r', databases: [a]}), undefined);
	assert.equal(lastProven(manifest, {schema: 1, runId: 'other', databases: [a, b]}), undefined);
	assert.equal(lastProven(manifest, undefined), undefined);
	assert.deepEqual(parseProven(JSON.stringify({schema: 1, runId: 'r', databases: [a]})), {
		schema: 1,
		runId: 'r',
		databases: [a],
	});
	const restored = {...a, schema: 'none' as const, tables: 0, verdict: 'restored' as const, held: {tables: 1, rows: 2}};
	assert.equal(lastProven(manifest, {schema: 1, runId: 'r', databases: [restored, b]}), undefined);
	assert.equal(lastRestored(manifest, {schema: 1, runId: 'r', databases: [restored, b]}), Date.parse(b.time));
	assert.deepEqual(parseProven(JSON.stringify({schema: 1, runId: 'r', databases: [restored]}))?.databases, [restored]);
	for (const bad of ['', '{', '{}', '{"schema":2,"runId":"r","databases":[]}', '[]'])
		assert.equal(parseProven(bad), undefined);
});

test('a second session is not used for a small database, unless requested', () => {
	const databases = [{name: 'small', size: 9 << 20}, {name: 'large', size: 64 << 20}, {name: 'unknown'}];
	assert.deepEqual([...toRecord('auto', databases)], ['large']);
	assert.deepEqual([...toRecord('during', databases)], ['small', 'large', 'unknown']);
	assert.deepEqual([...toRecord('exact', databases)], ['small', 'large', 'unknown']);
});
