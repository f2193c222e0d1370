/** A restore as the console asks for it: planned, confirmed by typed names, and asked once more before the swap. */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {createBus} from '../../source/core/bus.js';
import type {RunState} from '../../source/core/run-state.js';
import {createEngine, type Engine} from '../../source/engine.js';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {connectTo, runProgram, scratchDirectory} from '../helpers/program.js';
import {runContext} from '../helpers/run-context.js';

let server: Cluster;
let directory: string;
before(async () => {
	server = await startCluster({name: 'console-restore'});
	directory = scratchDirectory('console-restore');
	await server.psql('postgres', 'create database app');
	await server.psql('app', 'create table t as select generate_series(1, 10) as i');
	const backup = await runProgram([...connectTo(server, directory), 'app']);
	assert.equal(backup.code, 0, backup.stderr);
	await server.psql('app', 'delete from t');
});
after(async () => server.stop());

async function engine(): Promise<Engine> {
	const base = await runContext(connectTo(server, directory).slice(1));
	return createEngine({bus: createBus(), base, host: 'here', pid: 1});
}

async function until(handle: Engine, condition: (state: RunState) => boolean): Promise<void> {
	if (condition(handle.state())) return;
	await new Promise<void>((resolve, reject) => {
		const end = handle.subscribe(() => {
			const {finished} = handle.state();
			if (!condition(handle.state()) && !finished) return;
			end();
			if (condition(handle.state())) resolve();
			else reject(new Error(`the run ended before: ${finished?.error?.message ?? 'without an error'}`));
		});
	});
}

const rows = (database: string) => server.psql(database, 'select count(*) from t');
const databases = () => server.psql('postgres', 'select datname from pg_database order by 1');
const request = {location: 'backup', databases: ['app'], replace: true};
const {signal} = new AbortController();

test('the plan says what stands in the way, what will be replaced, and changes nothing', async () => {
	const handle = await engine();
	const before = await databases();
	const blocked = await handle.planRestore({location: 'backup', databases: ['app']}, {signal});
	assert.deepEqual(
		blocked.findings.filter(one => one.severity === 'stop').map(({code, database}) => [code, database]),
		[['EXISTS', 'app']],
	);
	const plan = await handle.planRestore(request, {signal});
	assert.deepEqual([plan.replaced, plan.databases[0]?.mode], [['app'], 'replace']);
	const into = await handle.planRestore({...request, replace: false, into: 'other'}, {signal});
	assert.deepEqual([into.replaced, into.databases[0]?.target], [[], 'other']);
	await assert.rejects(handle.planRestore({location: 'backup', databases: ['none']}, {signal}), {
		code: 'NOTHING_TO_DO',
	});
	assert.equal(await databases(), before);
});

test('without the typed names, or with others, nothing is done', async () => {
	for (const confirmed of [[], ['other'], ['app', 'other']]) {
		const handle = await engine();
		const before = await databases();
		await handle.restore(request, confirmed);
		await handle.idle();
		assert.equal(handle.state().finished?.error?.code, 'USAGE', confirmed.join());
		assert.equal(await databases(), before);
		assert.equal(await rows('app'), '0');
	}
});

test('the job waits before the swap: another answer replaces nothing, its name does', async () => {
	for (const [answer, expected] of [
		['ap', '0'],
		['app', '10'],
	] as const) {
		const handle = await engine();
		await handle.restore(request, ['app']);
		await until(handle, state => [...state.jobs.values()].some(job => job.question !== undefined));
		const [job] = handle.state().jobs.values();
		assert.ok(job?.question);
		assert.match(job.question.restored, /1 table: public\.t 8\.0 KiB \(~10 rows\)/);
		assert.equal(await rows('app'), '0', 'nothing has changed so far');
		handle.answer(job.id, answer);
		await handle.idle();
		assert.equal(await rows('app'), expected);
		assert.equal(handle.state().jobs.get(job.id)?.question, undefined);
		assert.equal(handle.state().jobs.get(job.id)?.status, expected === '0' ? 'failed' : 'done');
	}
});

test('a job that waits for its answer can be cancelled', async () => {
	const handle = await engine();
	const before = await rows('app');
	await handle.restore(request, ['app']);
	await until(handle, state => [...state.jobs.values()].some(job => job.question !== undefined));
	handle.cancel();
	await handle.idle();
	assert.equal(handle.state().finished?.outcome, 'cancelled');
	assert.equal(await rows('app'), before);
});
