/** Restores of tables with line breaks in their names: each message of a tool is one line of the log. */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {connectTo, type Ended, runProgram, scratchDirectory} from '../helpers/program.js';

let server: Cluster;
const name = 's"\nx"."t\npg_restore: error: evil\npsql: ERROR: evil';

before(async () => {
	server = await startCluster({name: 'restore-names'});
	await server.psql('postgres', 'create database app');
	// The rows of the second table are only accepted in the dumped database.
	await server.psql(
		'app',
		`create schema "s""\nx"; create table ${quoted()} (i int primary key); insert into ${quoted()} values (1);
		create function here() returns boolean language plpgsql as $$begin
			if pg_catalog.current_database() ~ '^fail' then raise exception '% not here', '"a'; end if; return true; end$$;
		create table "a\nb" (i int check (public.here())); insert into "a\nb" values (1)`,
	);
});
after(async () => server.stop());

function quoted(): string {
	return `"${name.replace('s"', 's""')}"`;
}

/** Every line of the log has a time, and none is a part of a message. */
function linesOf({stderr}: Ended): readonly string[] {
	const lines = stderr.trimEnd().split('\n');
	for (const line of lines) {
		assert.match(line, /^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d /, stderr);
		assert.doesNotMatch(line, /\] (?!pg_restore|psql|Command was|DETAIL|HINT|CONTEXT)/, stderr);
	}
	return lines;
}

for (const [format, jobs] of [
	['custom', 1],
	['custom', 2],
	['plain', 1],
] as const) {
	test(`${format}, ${jobs} job(s)`, async () => {
		const directory = scratchDirectory('names');
		const options = connectTo(server, directory);
		const dumped = await runProgram([...options, '--format', format, 'app']);
		assert.equal(dumped.code, 0, dumped.stderr);
		const restore = [...options, '--restore-jobs', String(jobs), '--restore', 'backup', 'app', '--into'];
		const good = await runProgram([...restore, `good_${format}${jobs}`]);
		assert.equal(good.code, 0, good.stderr);
		assert.ok(!linesOf(good).some(line => line.includes('evil')), good.stderr);
		const bad = await runProgram([...restore, `fail_${format}${jobs}`]);
		assert.equal(bad.code, 1, bad.stderr);
		// The workers of pg_restore report through their leader.
		if (jobs === 1) {
			const said = linesOf(bad).find(line => line.includes('ERROR: fail_')) ?? '';
			assert.match(said, format === 'plain' ? /not here/ : /"?a\\x0ab.*not here/, bad.stderr);
		}
	});
}
