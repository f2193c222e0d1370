/** What a restore says of itself while it works: its tables, its indexes, and the time left that the last one took. */
import assert from 'node:assert/strict';
import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, test} from 'node:test';
import {createBus} from '../../source/core/bus.js';
import type {JobProgress, RunEvent} from '../../source/core/events.js';
import {createEngine} from '../../source/engine.js';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {connectTo, runProgram, scratchDirectory} from '../helpers/program.js';
import {runContext} from '../helpers/run-context.js';

let server: Cluster;
let directory: string;
const isCounted = () => server.major >= 14;

before(async () => {
	server = await startCluster({name: 'restore-progress'});
	directory = scratchDirectory('restore-progress');
	await server.psql('postgres', 'create database app');
	// Each row takes its time, in the table and in the index. Since 17, COPY counts rows by the thousand.
	await server.psql(
		'app',
		`create function slow(i int, seconds float8) returns int language plpgsql immutable as 'begin perform pg_catalog.pg_sleep(seconds); return i; end';
		create table t (i int check (public.slow(i, 0.001) > 0)); insert into t select generate_series(1, 2500);
		create table few (i int); insert into few values (1); create index t_slow on t (slow(i, 0.0005))`,
	);
	const config = join(scratchDirectory('config'), 'pg_back.conf');
	writeFileSync(config, 'record_contents = exact\n');
	const backup = await runProgram(['-c', config, ...connectTo(server, directory).slice(1), 'app']);
	assert.equal(backup.code, 0, backup.stderr);
});
after(async () => server.stop());

async function restore(into: string): Promise<readonly RunEvent[]> {
	const argv = [...connectTo(server, directory).slice(1), '--progress-interval', '1', '--restore-jobs', '2'];
	const bus = createBus();
	const engine = createEngine({bus, base: await runContext(argv), host: 'here', pid: 1});
	const events: RunEvent[] = [];
	engine.subscribe(event => events.push(event));
	await engine.restore({location: 'backup', databases: ['app'], into, compare: 'none'}, []);
	await engine.idle();
	assert.equal(bus.state().finished?.exitCode, 0, bus.state().finished?.error?.message);
	return events;
}

const progressOf = (events: readonly RunEvent[]): readonly JobProgress[] =>
	events.flatMap(event => (event.type === 'progress' ? event.jobs : []));

test('tables with their rows, then the index that is built; the next restore knows the time left from its beginning', async () => {
	const events = await restore('first');
	const said = progressOf(events);
	const tables = said.flatMap(one => one.tables ?? []).filter(table => table.name === 'public.t');
	assert.ok(tables.length > 0, 'the table was shown');
	if (isCounted()) {
		const last = tables.at(-1);
		assert.ok(last && last.rows > 100 && last.rows <= 2500, JSON.stringify(last));
	}
	assert.ok(
		said.some(one => /^index public\.t_slow/.test(one.activity ?? '')),
		'the index was shown',
	);
	const stages = events.flatMap(event => (event.type === 'stage.started' ? [event.stage] : []));
	assert.deepEqual(
		stages.filter(stage => ['load', 'index', 'analyze'].includes(stage)),
		['load', 'index', 'analyze'],
	);
	const fractions = said.flatMap(one => one.fraction ?? []);
	assert.deepEqual(
		fractions,
		[...fractions].sort((a, b) => a - b),
	);
	assert.ok(fractions.every(one => one < 1));
	const again = progressOf(await restore('second'));
	const [start] = again;
	assert.ok(start?.eta !== undefined && start.eta > 2 && start.eta < 60, JSON.stringify(start));
});
