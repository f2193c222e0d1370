/** Databases with event triggers that refuse or record what a restore does itself, after it has created them. */
import assert from 'node:assert/strict';
import {after, test} from 'node:test';
import {clientDirectory, type Cluster, realServerVersions, startCluster} from '../helpers/cluster.js';
import {connectTo, runProgram, scratchDirectory, succeeded} from '../helpers/program.js';

const servers: Cluster[] = [];
after(async () => {
	for (const server of servers) await server.stop();
});

async function started(version: number): Promise<{readonly server: Cluster; readonly args: readonly string[]}> {
	const server = await startCluster({name: 'event-triggers', version});
	servers.push(server);
	await server.psql('postgres', 'create database app');
	const args = [...connectTo(server, scratchDirectory('event-triggers')), '-B', clientDirectory(version)];
	return {server, args};
}

for (const version of [15, 18].filter(one => realServerVersions().has(one)))
	test(`${version}: one that refuses commands does not refuse amcheck`, async () => {
		const {server, args} = await started(version);
		await server.psql(
			'app',
			`create table t (i int primary key); create function no() returns event_trigger language plpgsql as
				'begin raise exception ''no %'', tg_tag; end'; create event trigger e on ddl_command_start execute function no()`,
		);
		succeeded(await runProgram([...args, 'app']));
		const restored = await runProgram([...args, '--restore', 'backup', 'app', '--into', 'new', '--amcheck', 'yes']);
		assert.match(succeeded(restored).stderr, /1 index checked with amcheck/);
		assert.equal(await server.psql('new', "select count(*) from pg_extension where extname = 'amcheck'"), '0');
		assert.equal(await server.psql('new', 'select evtenabled from pg_event_trigger'), 'O');
	});

for (const version of [17, 18].filter(one => realServerVersions().has(one)))
	for (const format of ['custom', 'plain'])
		test(`${version} ${format}: one for logins neither refuses our sessions nor records them`, async () => {
			const {server, args} = await started(version);
			await server.psql(
				'app',
				`create table logins (who text, at timestamptz default now()); create table t as select generate_series(1, 9) as i;
				create index on t (i);
				create function f() returns event_trigger language plpgsql as $$begin
					if current_database() <> 'app' then raise exception 'not here'; end if;
					insert into public.logins values (session_user); end$$;
				create event trigger l on login execute function f(); alter event trigger l enable always`,
			);
			succeeded(await runProgram([...args, '-F', format, 'app']));
			succeeded(await runProgram([...args, '--restore', 'backup', 'app', '--into', 'new']));
			await assert.rejects(server.psql('new', 'select 1'), /not here/);
			// Here it would not refuse the sessions, but record them.
			const before = await server.psql('postgres', 'select oid from pg_database order by 1');
			succeeded(await runProgram([...args, '--restore', 'backup', 'app', '--replace', '--confirm', 'app']));
			assert.notEqual(await server.psql('postgres', 'select oid from pg_database order by 1'), before);
		});
