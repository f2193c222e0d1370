/** One plan for several servers. */
import assert from 'node:assert/strict';
import {mkdirSync, readdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {runProgram, scratchDirectory} from '../helpers/program.js';

let cluster: Cluster;
before(async () => {
	cluster = await startCluster({name: 'shardservers'});
	for (const name of ['a', 'b', 'c']) await cluster.psql('postgres', `create database ${name}`);
});
after(() => cluster.stop());

function configuration(): {readonly config: string; readonly remote: string} {
	const directory = scratchDirectory('shardservers');
	const remote = scratchDirectory('remote');
	mkdirSync(join(directory, 'servers.d'), {mode: 0o755});
	const write = (path: string, lines: readonly string[]) =>
		writeFileSync(join(directory, path), `${lines.join('\n')}\n`, {mode: 0o600});
	write('pg_back.conf', [
		...[`host = ${cluster.socketDirectory}`, `port = ${cluster.port}`, 'user = postgres'],
		...[`backup_directory = ${scratchDirectory('b')}`, 'upload = local', `local_directory = ${remote}`],
		...['upload_prefix = x', 'fleet_prefix = fleet', 'dump_only = yes'],
	]);
	write('servers.d/one.conf', ['include_dbs = a,b']);
	write('servers.d/two.conf', ['include_dbs = b,c']);
	write('servers.d/away.conf', ['host = /nowhere']);
	return {config: join(directory, 'pg_back.conf'), remote};
}

describe('shards of several servers', () => {
	test('share one plan; an unreachable server fails in one of them and does not stop the others', async () => {
		const {config, remote} = configuration();
		const ends = await Promise.all(
			[1, 2].map(index => runProgram(['-c', config, '--servers=all', `--shard=${index}/2`, '--run-name=night'])),
		);
		assert.deepEqual(ends.map(({code}) => code).toSorted(), [0, 1], ends.map(({stderr}) => stderr).join('\n'));
		assert.equal(ends.filter(({stdout}) => /^away /m.test(stdout)).length, 1);
		const dumps = (server: string) =>
			readdirSync(join(remote, 'x', server)).flatMap(name => /^(\w+)_.*\.dump$/.exec(name)?.[1] ?? []);
		assert.deepEqual(dumps('one').toSorted(), ['a', 'b']);
		assert.deepEqual(dumps('two').toSorted(), ['b', 'c']);
		assert.deepEqual(readdirSync(join(remote, 'fleet/plans')).toSorted(), ['night', 'night.json', 'probe']);
		const verified = await runProgram(['-c', config, '--servers=one,two', '--verify=local']);
		assert.equal(verified.code, 0, verified.stdout);
	});

	test('--write-plan plans all of them and dumps nothing', async () => {
		const {config, remote} = configuration();
		const planned = await runProgram([
			...['-c', config, '--servers=one,two', '--shard=auto/3', '--run-name=n', '--write-plan'],
		]);
		assert.equal(planned.code, 0, planned.stderr);
		assert.match(planned.stderr, /run n: 4 databases of 2 servers in 3 shards/);
		assert.deepEqual(readdirSync(remote), ['fleet']);
	});
});
