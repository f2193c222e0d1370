/** What a killed upload left unfinished at the other side goes with the next run, unless it is of another run. */
import assert from 'node:assert/strict';
import {existsSync, readdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {waitFor} from '../helpers/postgres.js';
import {connectTo, runProgram, scratchDirectory, startProgram} from '../helpers/program.js';

let server: Cluster;
before(async () => {
	server = await startCluster({name: 'sweep-remote'});
	await server.psql('postgres', 'create database big');
	await server.psql('big', 'create table t as select repeat(md5(i::text), 20) from generate_series(1, 20000) i');
});
after(async () => server.stop());

const partials = (directory: string) => readdirSync(directory).filter(name => /^\.pg_back-.*\.part$/.test(name));

test('local: the unfinished file of a run that was killed is removed by the next, one of another run stays', async () => {
	const directory = scratchDirectory('backup');
	const nas = scratchDirectory('nas');
	const foreign = '.pg_back-zzzzzz-00000001.part';
	writeFileSync(join(nas, foreign), 'of a run on another host');
	const args = [...connectTo(server, directory), '--upload', 'local', '--local-directory', nas];
	const slow = await startProgram([...args, '--bandwidth-limit', '64K', '-Z', '0', 'big']);
	await waitFor(() => Promise.resolve(partials(nas).length > 1), 'an unfinished file', 60);
	slow.child.kill('SIGKILL');
	await slow.ended;
	const [left] = partials(nas).filter(name => name !== foreign);
	assert.ok(left !== undefined && existsSync(join(nas, left)));
	const next = await runProgram([...args, 'postgres']);
	assert.equal(next.code, 0, next.stderr);
	assert.deepEqual(partials(nas), [foreign], next.stderr);
});
