/** What a server holds, for tests that compare before and after. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {clientDirectory, type Cluster} from './cluster.js';

/** The statements of a database with the kinds of objects that people use. */
export const fixture = readFileSync(new URL('../../testdata/fixture.sql', import.meta.url), 'utf8');

/** Returns `name` as an identifier in SQL. */
export function quoted(name: string): string {
	return `"${name.replaceAll('"', '""')}"`;
}

/** Returns the names of all databases that initdb has not made, sorted. */
export async function databasesOf(cluster: Cluster): Promise<readonly string[]> {
	const names = await cluster.psql(
		'postgres',
		"select datname from pg_database where datname not in ('postgres', 'template0', 'template1') order by 1",
	);
	return names.split('\n').filter(Boolean);
}

/** Drops databases, with the sessions in them; those that do not exist are no error. */
export async function dropDatabases(cluster: Cluster, ...names: readonly string[]): Promise<void> {
	for (const name of names) await cluster.psql('postgres', `drop database if exists ${quoted(name)} with (force)`);
}

/** Returns the text that pg_dump makes of a database, without what differs between any two dumps. */
export function textOf(cluster: Cluster, database: string, ...args: readonly string[]): string {
	const all = [...args, '-d', cluster.connectionString(database)];
	const text = execFileSync(join(clientDirectory(cluster.major), 'pg_dump'), all, {
		encoding: 'utf8',
		maxBuffer: 1 << 28,
	});
	return text.replaceAll(/^\\(un)?restrict .*$/gm, '').replaceAll(/^-- (Started|Completed) on .*$/gm, '');
}

/** Compares long texts; the error shows only where they begin to differ. */
export function assertSameText(actual: string, expected: string): void {
	if (actual === expected) return;
	const [lines, others] = [actual.split('\n'), expected.split('\n')];
	const at = lines.findIndex((line, index) => line !== others[index]);
	assert.deepEqual(lines.slice(Math.max(0, at - 5), at + 5), others.slice(Math.max(0, at - 5), at + 5));
}
