/** A remote location that takes nothing: the log and `--status` say so, and since when. */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {connectTo, runProgram, scratchDirectory, startProgram} from '../helpers/program.js';
import {configFile, s3Settings} from './remote-places.js';
import {dumpOf, withServer} from './remote-s3.js';

let cluster: Cluster;
before(async () => {
	cluster = await startCluster({name: 'stall'});
	await cluster.psql('postgres', 'create database a');
});
after(async () => cluster.stop());

test('a server that never answers', async () => {
	await withServer({}, async ({server}) => {
		server.faults.push({do: 'stall', times: Infinity});
		const directory = scratchDirectory('stall');
		const config = configFile([
			...s3Settings(server.url),
			...['remote_timeout = 60', 'remote_retry = 120', 'upload = s3'],
		]);
		const [, ...connection] = connectTo(cluster, directory);
		const run = await startProgram(['-c', config, ...connection, '--dump-only', '-B', dumpOf(1), 'a']);
		const fact = /nothing sent to or received from s3:\/\/bucket\/ since \d\d:\d\d:\d\d/;
		await run.untilLog(new RegExp(`WARN: ${fact.source}`));
		const {stdout, code} = await runProgram(['--no-config-file', '-b', directory, '--status']);
		assert.equal(code, 0);
		assert.match(stdout, fact);
		run.child.kill('SIGTERM');
		assert.equal((await run.ended).code, 143);
	});
});
