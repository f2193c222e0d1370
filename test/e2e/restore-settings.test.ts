/** Settings of the dumped server that change how it prints names, strings and constants, and a target without them. */
import assert from 'node:assert/strict';
import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, afterEach, before, describe, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {assertSameText, dropDatabases, textOf} from '../helpers/databases.js';
import {waitFor} from '../helpers/postgres.js';
import {connectTo, runProgram, scratchDirectory, succeeded} from '../helpers/program.js';

const settings: Readonly<Record<string, string>> = {
	quote_all_identifiers: 'on',
	standard_conforming_strings: 'off',
	escape_string_warning: 'off',
	timezone: 'Asia/Kathmandu',
	intervalstyle: 'sql_standard',
	extra_float_digits: '-5',
	bytea_output: 'escape',
	datestyle: 'German',
};
const formats = ['custom', 'directory', 'plain'];

let source: Cluster;
let target: Cluster;
let directory: string;
let config: string;

before(async () => {
	source = await startCluster({name: 'settings-from'});
	target = await startCluster({name: 'settings-to'});
	directory = scratchDirectory('settings');
	config = join(directory, 'config');
	writeFileSync(config, 'record_contents = exact\n');
	await source.psql(
		'postgres',
		String.raw`create role r; comment on role r is E'a\\b''c'; alter role r set my.path = E'C:\\d''e'; create database app owner r`,
	);
	await source.psql(
		'postgres',
		`create role first; create role second; grant connect on database app to first with grant option; set role first;
		grant connect on database app to second with grant option; set role second; grant connect on database app to public, r`,
	);
	await source.psql(
		'app',
		String.raw`comment on database app is E'db''s \\ comment\n\\! id'; alter database app set my.path = E'C:\\temp\\''x';
		create type kind as (a int); create function f(a kind, b text) returns text language sql as $$ select 'x' $$;
		create procedure p(a timestamp with time zone) language sql as $$ select 1 $$; create cast (kind as text) with inout;
		create aggregate longest(text) (sfunc = textcat, stype = text);
		create table part (t timestamptz, i interval default '1 year 2 mons -3 days', f float8 default 0.1, b bytea default '\\x00ff',
			s text default E'back\\slash') partition by range (t);
		create table part_2024 partition of part for values from ('2024-01-01 00:00+00') to ('2025-01-01 00:00+00');
		create table broken (a int, b date check (b > '2024-12-31')); insert into broken values (1), (1)`,
	);
	await assert.rejects(source.psql('app', 'create unique index concurrently broken_a on broken (a)'), /duplicated/);
	await configure(Object.entries(settings).map(([name, value]) => `alter system set ${name} = '${value}'`));
	for (const format of formats)
		succeeded(
			await runProgram([...connectTo(source, join(directory, format)).slice(1), '-c', config, '--format', format]),
		);
	await configure(['alter system reset all']);
});
after(async () => {
	await source.stop();
	await target.stop();
});

/** Waits until new sessions have the settings. */
async function configure(statements: readonly string[]): Promise<void> {
	for (const statement of statements) await source.psql('postgres', statement);
	const expected = statements.length > 1 ? 'on' : 'off';
	await source.psql('postgres', 'select pg_reload_conf()');
	await waitFor(async () => (await source.psql('postgres', 'show quote_all_identifiers')) === expected, expected);
}

describe('names, strings and constants do not depend on the settings of the dumped server', () => {
	afterEach(async () => {
		await dropDatabases(target, 'app');
		await target.psql('postgres', 'drop role r, first, second');
	});
	for (const format of formats)
		test(`${format}: the database and its role are as dumped`, async () => {
			const {stderr} = succeeded(await runProgram([...connectTo(target, join(directory, format)), '--restore', 'app']));
			assert.match(stderr, /the schema are as recorded/);
			assertSameText(textOf(target, 'app', '-C'), textOf(source, 'app', '-C'));
			const role = `select shobj_description(oid, 'pg_authid'), (select setconfig from pg_db_role_setting where setrole = r.oid) from pg_roles r where rolname = 'r'`;
			assert.equal(await target.psql('postgres', role), await source.psql('postgres', role));
		});
});
