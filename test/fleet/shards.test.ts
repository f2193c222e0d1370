/** A run that several processes share: one plan, one joined manifest, each database exactly once. */
import assert from 'node:assert/strict';
import {readdirSync} from 'node:fs';
import {after, before, describe, test} from 'node:test';
import {configFile, impatient, type Place, placeKinds, startS3Place} from '../e2e/remote-places.js';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {connectTo, type Ended, runProgram, scratchDirectory} from '../helpers/program.js';
import {runShards, seededRandom} from '../helpers/shard-controller.js';
import {assertOneRun, joined, watchRewrites} from '../helpers/shard-place.js';

const databases = Array.from({length: 12}, (_, index) => `d${String(index).padStart(2, '0')}`);
const all = [...databases, 'postgres'].toSorted();

let cluster: Cluster;
before(async () => {
	cluster = await startCluster({name: 'shards'});
	for (const [index, name] of databases.entries()) {
		await cluster.psql('postgres', `create database ${name}`);
		await cluster.psql(name, `create table t as select n from generate_series(1, ${(index + 1) * 500}) n`);
	}
});
after(() => cluster.stop());

type Spot = {readonly config: string; readonly directory: string; readonly env: Readonly<Record<string, string>>};

/** A configuration that uploads to the place. */
function spot({settings, env}: Pick<Place, 'settings' | 'env'>, more: readonly string[] = []): Spot {
	const lines = [...impatient, ...settings, 'upload_prefix = x', 'fleet_prefix = fleet', ...more];
	return {config: configFile(lines), directory: scratchDirectory('shards'), env};
}

function arguments_({config, directory}: Spot, ...args: readonly string[]): string[] {
	return ['-c', config, ...connectTo(cluster, directory).slice(1), ...args];
}

function program(where: Spot, ...args: readonly string[]): Promise<Ended> {
	return runProgram(arguments_(where, ...args), {env: where.env});
}

function shard(where: Spot, index: string, name: string, ...args: readonly string[]): Promise<Ended> {
	return program(where, `--shard=${index}`, `--run-name=${name}`, ...args);
}

describe('a run of shards', () => {
	for (const kind of placeKinds.filter(({store}) => store !== 'b2')) {
		test(
			`at ${kind.store}: each database once, and one run in all readers`,
			{skip: kind.missing ?? false},
			async () => {
				const place = await kind.start();
				try {
					const where = spot(place, [`upload = ${place.store}`, 'checksum_algorithm = sha256']);
					const ends = await Promise.all(['1/3', '2/3', '3/3'].map(one => shard(where, one, 'night')));
					for (const {code, stderr} of ends) assert.equal(code, 0, stderr);
					await assertOneRun(place, all);
					assert.deepEqual(readdirSync(where.directory), []);

					const verified = await program(where, `--verify=${place.store}`);
					assert.equal(verified.code, 0, verified.stderr);
					const [run] = await joined(place);
					const pinned = await program(where, `--pin=${run?.manifest.runId}@${place.store}`);
					assert.equal(pinned.code, 0, pinned.stderr);
					const again = await shard(where, '1/3', 'night');
					assert.equal(again.code, 10, again.stderr);
					assert.match(again.stderr, /run night is complete/);
				} finally {
					await place.stop();
				}
			},
		);
	}

	test('at b2, which knows no conditions: refused, and made with --write-plan', async () => {
		const kind = placeKinds.find(({store}) => store === 'b2');
		assert.ok(kind);
		const place = await kind.start();
		try {
			const where = spot(place, ['upload = b2']);
			const refused = await program(where, '--shard=1/2', '--run-name=n');
			assert.equal(refused.code, 10, refused.stderr);
			assert.match(refused.stderr, /cannot write an object on the condition that it does not exist/);
			assert.deepEqual(
				(await place.keys()).filter(key => key.startsWith('x/')),
				[],
			);
			const planned = await program(where, '--shard=auto/2', '--run-name=n', '--write-plan');
			assert.equal(planned.code, 0, planned.stderr);
			for (const index of [1, 2]) {
				const {code, stderr} = await program(where, `--shard=${index}/2`, '--run-name=n');
				assert.equal(code, 0, stderr);
			}
			await assertOneRun(place, all);
		} finally {
			await place.stop();
		}
	});

	test('killed and doubled at random: one complete run, nothing written twice with other bytes', async () => {
		const place = await startS3Place();
		try {
			const rewritten = watchRewrites(place.server);
			const where = spot(place, ['upload = s3']);
			const outcome = await runShards({
				shards: 4,
				parallel: 4,
				kills: 5,
				doubles: 3,
				random: seededRandom(7),
				args: () => arguments_(where, '--shard=auto/4', '--run-name=chaos'),
			});
			assert.ok(outcome.killed > 0, 'nothing was killed');
			assert.deepEqual(rewritten, []);
			await assertOneRun(place, all);
			const verified = await program(where, '--verify=s3');
			assert.equal(verified.code, 0, verified.stderr);
		} finally {
			await place.stop();
		}
	});
});
