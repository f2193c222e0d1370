/** The entry that pg_restore failed at, and what leaves it out. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {parseCsvRecord} from '../../source/lib/comma-list.js';
import type {ArchiveEntry} from '../../source/postgres/archive-toc.js';
import {failedEntry, skipPatterns} from '../../source/restore/failed-entry.js';
import {RestoreLog} from '../../source/restore/restore-log.js';
import {skipsOf} from '../../source/restore/skip.js';

let last = 0;

function entry(kind: string, tag: string, more: Partial<ArchiveEntry> = {}): ArchiveEntry {
	return {
		...{dumpId: ++last, catalog: 0, oid: 0, tag, kind, section: 'pre-data', definition: '', copy: '', schema: 'public'},
		...{tablespace: undefined, owner: 'o', dependencies: [], hasData: false, offset: undefined, member: undefined},
		...{startsAt: 0, placeAt: 0, awaitsOffset: false, ...more},
	};
}

const on = (...entries: readonly ArchiveEntry[]) => ({dependencies: entries.map(({dumpId}) => dumpId)});

const table = entry('TABLE', 'odd\nname', {definition: 'CREATE TABLE public."odd\nname" (\n    i integer\n);\n'});
const other = entry('TABLE', 'odd\nother', {definition: 'CREATE TABLE public."odd\nother" (\n\n    i integer\n);\n'});
const data = entry('TABLE DATA', 'odd\nname', {...on(table), hasData: true});
const otherData = entry('TABLE DATA', 'odd\nother', {...on(other), hasData: true});
const key = entry('CONSTRAINT', 'odd\nname a*_pkey', on(table));
const reference = entry('FK CONSTRAINT', 'odd\nother "x", y', on(other, table, key));
const own = entry('FK CONSTRAINT', 'odd\nname self', on(table, key));
const view = entry('MATERIALIZED VIEW', 'v', {
	...on(table),
	definition: 'CREATE MATERIALIZED VIEW public.v AS SELECT 1;',
});
const refresh = entry('MATERIALIZED VIEW DATA', 'v', {
	...on(view),
	definition: 'REFRESH MATERIALIZED VIEW public.v;\n',
});
const second = entry('MATERIALIZED VIEW DATA', 'v[2]', {...on(refresh), schema: 's'});
const all = [table, other, data, otherData, key, reference, own, view, refresh, second];

test('an entry is found by its id, its statement or its rows, and none where several fit', () => {
	const found = (message: string, command = '', dumpId?: number) => failedEntry(all, {message, command, dumpId});
	assert.equal(found('', '', view.dumpId), view);
	const failed = 'could not execute query: ERROR:  no';
	assert.equal(found(failed, 'CREATE TABLE public."odd\nother" (\n    i integer\n);'), other);
	assert.equal(found(failed, 'CREATE TABLE public."odd\nname" (\n    i in...'), table);
	assert.equal(found(failed, 'CREATE TABLE public."odd'), undefined);
	assert.equal(found(failed, 'INSERT INTO public."odd\nname" VALUES (1);'), data);
	assert.equal(found('COPY failed for table "odd\nname": ERROR:  no'), data);
	assert.equal(found(failed), undefined);
});

test('the patterns leave out what cannot be restored without the entry, and nothing else', () => {
	for (const [failed, out] of [
		[refresh, [refresh, second]],
		[data, [data, reference]],
		[table, [table, data, key, reference, own, view, refresh, second]],
		[reference, [reference]],
	] as const) {
		const skips = skipsOf(skipPatterns(all, failed) ?? assert.fail());
		assert.deepEqual(
			all.filter(skips).map(({dumpId}) => dumpId),
			out.map(({dumpId}) => dumpId),
		);
	}
	const users = Array.from({length: 20}, (_, i) => entry('VIEW', `w${i}`, on(table)));
	assert.equal(skipPatterns([table, ...users], table), undefined);
});

test('the error names the entry, and its hint the option', () => {
	const ended = (entries: readonly ArchiveEntry[], isDrill = false) => {
		const lines = [
			'pg_restore: error: could not execute query: ERROR:  could not connect to server "far"',
			'DETAIL:  server closed the connection unexpectedly',
			'Command was: REFRESH MATERIALIZED VIEW public.v;',
		];
		const log = new RestoreLog({tolerant: false, jobs: 4, entries, isDrill}, () => undefined);
		for (const line of lines) log.add(line);
		log.check('app', {exitCode: 1, signalName: null, stderr: lines});
	};
	const skip = ['materialized view data public.v', String.raw`s.v\[2\]`];
	assert.throws(() => ended(all), {
		message: 'cannot restore app at MATERIALIZED VIEW DATA public.v: ERROR:  could not connect to server "far"',
		hint: `the connection was lost: check the server log; or add --skip '${skip.join(',')}' to leave it out with what depends on it`,
		skip,
	});
	assert.deepEqual(parseCsvRecord(skip.join(',')).value, skip);
	assert.throws(() => ended(all, true), {hint: 'the connection was lost: check the server log'});
});
