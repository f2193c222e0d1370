/**
 * Divided runs with processes that are killed and duplicated at random: each must become one complete run, with each
 * database once.
 */
import {configFile, startS3Place} from '../../test/e2e/remote-places.js';
import {startCluster} from '../../test/helpers/cluster.js';
import {connectTo, runProgram, scratchDirectory} from '../../test/helpers/program.js';
import {runShards, seededRandom} from '../../test/helpers/shard-controller.js';
import {assertOneRun, watchRewrites} from '../../test/helpers/shard-place.js';
import type {Figure} from './sweep.js';

export type ShardSweep = {readonly rounds: number; readonly databases: number; readonly shards: number};

export async function shardSweep({rounds, databases, shards}: ShardSweep): Promise<Figure> {
	const cluster = await startCluster({name: 'shards', settings: {max_connections: '100'}});
	const names = Array.from({length: databases}, (_, index) => `d${String(index).padStart(3, '0')}`);
	const violations: string[] = [];
	let killed = 0;
	let processes = 0;
	try {
		for (const name of names) await cluster.psql('postgres', `create database ${name}`);
		for (let round = 1; round <= rounds; round++) {
			const place = await startS3Place();
			const rewritten = watchRewrites(place.server);
			// With the default patience: a busy machine is no fault of the service.
			const lines = [...place.settings, 'upload = s3', 'upload_prefix = x', 'fleet_prefix = fleet'];
			const config = configFile(lines);
			const directory = scratchDirectory('shards');
			const args = ['-c', config, ...connectTo(cluster, directory).slice(1)];
			try {
				const outcome = await runShards({
					...{shards, parallel: Math.min(shards, 6), kills: shards, doubles: Math.ceil(shards / 3)},
					within: 300 * Math.ceil(databases / shards) + 1500,
					random: seededRandom(round),
					args: () => [...args, `--shard=auto/${shards}`, `--run-name=round-${round}`],
				});
				killed += outcome.killed;
				processes += outcome.ended.length + outcome.killed;
				await assertOneRun(place, [...names, 'postgres'].toSorted());
				const verified = await runProgram([...args, '--verify=s3']);
				if (verified.code !== 0) violations.push(`round ${round}: --verify ended with ${verified.code}`);
			} catch (error) {
				violations.push(`round ${round}: ${String(error)}`);
			}
			violations.push(...rewritten.map(key => `round ${round}: ${key} was written again with other bytes`));
			await place.stop();
		}
	} finally {
		await cluster.stop();
	}
	return {
		goal: 'shards',
		what: `divided runs, ${databases} databases on ${shards} shards, one complete run`,
		total: rounds,
		violations,
		notes: {processes, killed},
	};
}
