/** A restore that fails at one entry says what to type to do without it. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {after, before, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {connectTo, runProgram, scratchDirectory, succeeded} from '../helpers/program.js';

let server: Cluster;
let directory: string;

before(async () => {
	server = await startCluster({name: 'skip-hint'});
	directory = scratchDirectory('skip-hint');
	await server.psql('postgres', 'create database app; create role maker login createdb');
	// All of these work in this database only.
	await server.psql(
		'app',
		`create function here(int) returns int immutable language plpgsql as $$begin
			if current_database() <> 'app' then raise exception 'elsewhere'; end if; return $1; end$$;
		create table plain as select 1 as i; create publication plain for all tables;
		create table "odd
name, ""quoted""" (i int primary key, check (public.here(i) = 1));
		insert into "odd
name, ""quoted""" values (1);
		create table refers (i int references "odd
name, ""quoted"""); insert into refers values (1);
		create index "an
index" on plain (here(i));
		create schema s; create materialized view s."far[away]" as select public.here(i) as i from plain;
		create materialized view "it's" as select * from s."far[away]"; create view v as select * from "it's"`,
	);
	succeeded(await runProgram([...connectTo(server, directory), 'app']));
});
after(async () => server.stop());

test('the options of the hints lead to a database with everything else', async () => {
	const names: string[] = [];
	let skip: string[] = [];
	for (;;) {
		const restored = await runProgram([
			...[...connectTo(server, directory), '--restore', 'backup', '--into', 'copy', ...skip, 'app'],
		]);
		if (restored.code === 0) break;
		assert.equal(restored.code, 1, restored.stderr);
		const [, name = '', option = ''] =
			/FATAL: cannot restore app at (.*?): .*\n.* HINT: add (--skip .*) to leave it out/.exec(restored.stderr) ??
			assert.fail(restored.stderr);
		names.push(name);
		assert.ok(names.length <= 3, names.join('\n'));
		skip = [...skip, ...wordsOf(option)];
	}
	assert.deepEqual(names, [
		String.raw`TABLE DATA public.odd\x0aname, "quoted"`,
		String.raw`INDEX public.an\x0aindex`,
		'MATERIALIZED VIEW DATA s.far[away]',
	]);
	assert.equal(await server.psql('copy', 'select count(*) from plain, refers'), '1');
	assert.equal(
		await server.psql(
			'copy',
			"select string_agg(relname, ', ' order by relname) from pg_class where not relispopulated",
		),
		"far[away], it's",
	);
});

test('a plan leaves out what only a superuser can create, and no table of the same name', async () => {
	const planned = await runProgram([
		...[...connectTo(server, directory, 'maker'), '-d', 'postgres', '--owner', 'maker', '--no-privileges', '--dry-run'],
		...['--restore', 'backup', '--into', 'copy2', 'app'],
	]);
	assert.equal(planned.code, 18, planned.stderr);
	assert.match(planned.stderr, /only a superuser can create publication plain$/m);
	assert.match(planned.stderr, /HINT: use a superuser, or --skip 'publication plain'$/m);
});

/** Returns the words of a part of a log line, as a shell reads it. */
function wordsOf(text: string): readonly string[] {
	return execFileSync('bash', ['-c', `printf '%s\\0' ${text}`], {encoding: 'utf8'})
		.split('\0')
		.slice(0, -1);
}
