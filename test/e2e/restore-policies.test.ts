/** Materialized views of tables with row security: they have the rows that their owner may see. */
import assert from 'node:assert/strict';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {dropDatabases, textOf} from '../helpers/databases.js';
import {connectTo, runProgram, scratchDirectory, succeeded} from '../helpers/program.js';

let server: Cluster;
let directory: string;

before(async () => {
	server = await startCluster({name: 'policies'});
	directory = scratchDirectory('policies');
	await server.psql('postgres', 'create role own; create role viewer; create database app');
	await server.psql(
		'app',
		`grant create on schema public to own, viewer;
		create table t as select 1 as a, 'viewer'::name as who union all select 2, 'other'; alter table t owner to own; grant select on t to viewer;
		alter table t enable row level security; create policy p on t to viewer using (who = current_user);
		create table forced as select generate_series(1, 3) as a; alter table forced owner to own;
		alter table forced enable row level security; alter table forced force row level security; create policy q on forced using (a < 3);
		set role viewer; create materialized view of_other as select * from t;
		set role own; create materialized view of_own as select * from forced`,
	);
});
after(() => server.stop());

describe('the rows are as in the dumped database', () => {
	for (const [format, ...args] of [['custom'], ['directory', '--stream', 'yes'], ['plain'], ['tar']] as const)
		test([format, ...args].join(' '), async () => {
			const place = connectTo(server, join(directory, format));
			succeeded(await runProgram([...place, '--format', format, 'app']));
			succeeded(await runProgram([...place, '--restore', 'app', '--into', 'again', ...args]));
			assert.equal(textOf(server, 'again'), textOf(server, 'app'));
			const rows =
				'select (select array_agg(a order by a) from of_other), (select array_agg(a order by a) from of_own)';
			assert.equal(await server.psql('again', rows), '{1}|{1,2}');
			await dropDatabases(server, 'again');
		});
});
