/** What failed is done again, no more: a failed upload is uploaded, and its database is not dumped a second time. */
import assert from 'node:assert/strict';
import {existsSync, mkdirSync, readdirSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, test} from 'node:test';
import {parseCommandLine} from '../../source/cli/parse.js';
import {loadConfiguration} from '../../source/config/configuration.js';
import {createBus} from '../../source/core/bus.js';
import type {RunEvent} from '../../source/core/events.js';
import {isUnshipped} from '../../source/core/retries.js';
import {emptyState, reduce} from '../../source/core/state.js';
import {createEngine} from '../../source/engine.js';
import {connectToRun} from '../../source/runs/status-client.js';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {waitFor} from '../helpers/postgres.js';
import {connectTo, newAgeKeys, runProgram, scratchDirectory, startProgram} from '../helpers/program.js';
import {recordingTools} from '../helpers/recorder.js';

let server: Cluster;
before(async () => {
	server = await startCluster({name: 'retryup'});
	await server.psql('postgres', 'create database a; create database b');
});
after(async () => server.stop());

const stored = (directory: string) =>
	existsSync(directory) ? readdirSync(directory).filter(name => /^a_/.test(name)) : [];

test('in a run that goes on: the upload is done again as an upload, and the run ends with 0', async () => {
	const directory = scratchDirectory('out');
	const store = join(scratchDirectory('store'), 'disk');
	writeFileSync(store, 'in the way');
	const go = join(scratchDirectory('go'), 'go');
	const tools = recordingTools({
		pg_dump: `case "$*" in *dbname=b\\ *) until [ -e '${go}' ]; do read -t 0.05 <> <(:); done;; esac; exec "$REAL" "$@"`,
	});
	const run = await startProgram([
		...connectTo(server, directory),
		...['--dump-only', '-B', tools.directory, '-j', '2', '--delete-uploaded', 'yes'],
		...['--upload', 'local', '--local-directory', store, '--checksum-algo', 'sha256', 'a', 'b'],
	]);
	await run.untilLog(/ERROR: dump of a failed/);
	const [socket = 'none'] = readdirSync(directory).filter(name => name.endsWith('.sock'));
	const attached = await connectToRun(join(directory, socket));
	assert.ok(attached);
	const failed = attached.state().jobs.get('database:a');
	assert.ok(failed?.canRetry && isUnshipped(failed));
	assert.equal(failed.stage.dump?.state, 'done');
	rmSync(store);
	mkdirSync(store);
	attached.request({type: 'retry', job: 'database:a'});
	await waitFor(async () => attached.state().jobs.get('database:a')?.status === 'done', 'the upload');
	writeFileSync(go, '');
	const {code, stderr} = await run.ended;
	assert.equal(code, 0, stderr);
	assert.match(stderr, /uploading a \(attempt 2\)/);
	assert.equal(tools.calls().filter(call => JSON.stringify(call).includes('dbname=a ')).length, 1, 'one pg_dump of a');
	assert.equal(stored(store).length, 2, 'the dump and its checksum file');
	assert.deepEqual(stored(directory), [], 'uploaded and removed');
	assert.deepEqual(
		readdirSync(directory).filter(name => name.startsWith('.pg_back-upload-')),
		[],
	);
});

test('after the run: the console uploads what is left, the job is done, and so is the exit status', async () => {
	const directory = scratchDirectory('out');
	const store = join(scratchDirectory('store'), 'disk');
	writeFileSync(store, 'in the way');
	const tools = recordingTools({pg_dump: 'exec "$REAL" "$@"'});
	const argv = [
		...connectTo(server, directory),
		...['--dump-only', '-B', tools.directory, '--upload', 'local', '--local-directory', store, 'a'],
	];
	const env = {PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? ''};
	const configuration = await loadConfiguration({commandLine: await parseCommandLine(argv), env});
	const bus = createBus();
	const engine = createEngine({
		bus,
		host: 'here',
		pid: process.pid,
		base: {
			configuration,
			env,
			toolEnv: env,
			signal: new AbortController().signal,
			now: () => new Date(),
			version: '3.0.0',
		},
	});
	bus.subscribe(event => {
		if (event.type !== 'job.finished' || event.outcome !== 'failed') return;
		rmSync(store);
		mkdirSync(store);
	});
	await engine.backup(['a']);
	await engine.idle();
	assert.equal(bus.state().jobs.get('database:a')?.status, 'failed');
	assert.equal(bus.state().jobs.get('database:a')?.canRetry, true);
	assert.notEqual(engine.exitCode(), 0);
	engine.retry('database:a');
	await engine.idle();
	assert.equal(bus.state().jobs.get('database:a')?.status, 'done');
	assert.equal(bus.state().jobs.get('database:a')?.stage.dump?.state, 'done');
	assert.equal(bus.state().jobs.get('database:a')?.uploads.length, 1);
	assert.equal(tools.calls().filter(call => JSON.stringify(call).includes('dbname=a ')).length, 1, 'one pg_dump of a');
	assert.equal(stored(store).length, 1);
	assert.equal(engine.exitCode(), 0, JSON.stringify(bus.state().finished));
});

test('with encryption too the stage that failed is the one that is shown, and none runs on', async () => {
	const {recipient} = await newAgeKeys();
	for (const more of [[], ['-F', 'd'], ['-F', 'p']]) {
		const tools = recordingTools({pg_dump: 'printf half; echo "pg_dump: error: no" >&2; exit 1'});
		const {stdout, code} = await runProgram([
			...connectTo(server, scratchDirectory('out')),
			...[
				'--dump-only',
				'-B',
				tools.directory,
				'--encrypt',
				'--cipher-public-key',
				recipient,
				'--log-format',
				'json',
				'a',
			],
			...more,
		]);
		assert.equal(code, 1);
		const events = stdout
			.trim()
			.split('\n')
			.map(line => JSON.parse(line) as RunEvent);
		const job = events.reduce(reduce, emptyState).jobs.get('database:a');
		assert.ok(job);
		assert.ok(Object.values(job.stage).every(({state}) => state !== 'running'));
		const first = events.find(event => event.type === 'stage.finished' && event.outcome !== 'done');
		assert.ok(first?.type === 'stage.finished');
		assert.equal(first.stage, 'dump');
	}
});
