/** The status of a server, made again from its manifests. */
import assert from 'node:assert/strict';
import {readFileSync, rmSync} from 'node:fs';
import {hostname} from 'node:os';
import {join} from 'node:path';
import {test} from 'node:test';
import {parseServerStatus, type ServerStatus, statusKey} from '../../source/fleet/status.js';
import {startCluster} from '../helpers/cluster.js';
import {connectTo, nextSecond, runProgram, scratchDirectory} from '../helpers/program.js';

test('says what the runs have reported', async () => {
	const cluster = await startCluster({name: 'rebuild'});
	try {
		await cluster.psql('postgres', 'create database app; create database gone');
		const remote = scratchDirectory('remote');
		const args = [
			...connectTo(cluster, scratchDirectory('b')),
			...['--upload=local', `--local-directory=${remote}`, '--upload-prefix=x', '--fleet-prefix=fleet', '--dump-only'],
		];
		const path = join(remote, statusKey('fleet', hostname(), 'status'));
		const read = (): ServerStatus => {
			const found = parseServerStatus(readFileSync(path, 'utf8'), hostname());
			assert.ok('value' in found, found.problem);
			return found.value;
		};
		const none = await runProgram([...args, '--fleet-rebuild=local']);
		assert.equal(none.code, 1, none.stderr);
		assert.match(none.stderr, /no manifest to rebuild the status/);
		assert.equal((await runProgram(args)).code, 0);
		await nextSecond();
		await cluster.psql('postgres', 'drop database gone');
		assert.equal((await runProgram(args)).code, 0);
		const reported = read();
		rmSync(path);
		const rebuilt = await runProgram([...args, '--fleet-rebuild=local']);
		assert.equal(rebuilt.code, 0, rebuilt.stderr);
		assert.match(rebuilt.stderr, /rebuilt the status of .* from 2 runs: 2 databases/);
		const facts = ({runId, exitCode, serverVersion, databases}: ServerStatus) => ({
			...{runId, exitCode, serverVersion},
			databases: databases
				.map(({database, lastGood}) => [database, lastGood?.key, lastGood?.bytes])
				.toSorted((a, b) => (String(a[0]) < String(b[0]) ? -1 : 1)),
		});
		assert.deepEqual(facts(read()), facts(reported));
	} finally {
		await cluster.stop();
	}
});
