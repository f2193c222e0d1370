/** Shards that are started again, and what they meet. */
import assert from 'node:assert/strict';
import {readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {configFile, impatient, startS3Place} from '../e2e/remote-places.js';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {connectTo, type Ended, newAgeKeys, runProgram, scratchDirectory} from '../helpers/program.js';
import {recordingTools} from '../helpers/recorder.js';
import {assertOneRun, joined, watchRewrites} from '../helpers/shard-place.js';

let cluster: Cluster;
before(async () => {
	cluster = await startCluster({name: 'retries'});
	for (const name of ['a', 'b', 'c']) await cluster.psql('postgres', `create database ${name}`);
});
after(() => cluster.stop());

const all = ['a', 'b', 'c', 'postgres'];

type S3 = Awaited<ReturnType<typeof startS3Place>>;

function starter(place: S3, more: readonly string[] = []): (...args: readonly string[]) => Promise<Ended> {
	const lines = [...impatient, ...place.settings, 'upload = s3', 'upload_prefix = x', 'fleet_prefix = fleet', ...more];
	const args = ['-c', configFile(lines), ...connectTo(cluster, scratchDirectory('retries')).slice(1)];
	return (...words) => runProgram([...args, ...words]);
}

const failingFor = (database: string) =>
	recordingTools({
		pg_dump: `case "$*" in *dbname=${database}*|*dbname=\\'${database}\\'*|*" ${database}") exit 1;; esac; exec "$REAL" "$@"`,
	}).directory;

describe('a shard that is started again', () => {
	test('dumps what failed, takes over the rest, and adds a manifest', async () => {
		const place = await startS3Place();
		try {
			const rewritten = watchRewrites(place.server);
			const start = starter(place);
			const first = await start('--shard=1/1', '--run-name=n', `--bin-directory=${failingFor('b')}`);
			assert.equal(first.code, 1, first.stderr);
			const [partial] = await joined(place);
			assert.deepEqual(
				[partial?.manifest.outcome, partial?.manifest.failed.map(({database}) => database)],
				['partial', ['b']],
			);
			const second = await start('--shard=1/1', '--run-name=n');
			assert.equal(second.code, 0, second.stderr);
			assert.match(
				second.stderr,
				/dump of a .* uploaded by another process of this run to s3:\/\/bucket\/x\/a_\S+\.dump/,
			);
			assert.doesNotMatch(second.stderr, /dumping database a\b/);
			await assertOneRun(place, all);
			assert.deepEqual(rewritten, []);
			assert.equal((await place.keys()).filter(key => key.endsWith('.manifest.json')).length, 2);
		} finally {
			await place.stop();
		}
	});

	test('of a run that encrypts: the same, and all of it can be read', async () => {
		const place = await startS3Place();
		try {
			const {recipient, identity} = await newAgeKeys();
			const start = starter(place, [
				'encrypt = yes',
				`cipher_public_key = ${recipient}`,
				'checksum_algorithm = sha256',
			]);
			const failing = `--bin-directory=${failingFor('b')}`;
			assert.equal((await start('--shard=1/1', '--run-name=n', failing)).code, 1);
			const second = await start('--shard=1/1', '--run-name=n');
			assert.equal(second.code, 0, second.stderr);
			const key = join(scratchDirectory('key'), 'identity');
			writeFileSync(key, `${identity}\n`, {mode: 0o600});
			const verified = await start('--verify=s3', `--cipher-identity-file=${key}`);
			assert.equal(verified.code, 0, verified.stderr);
		} finally {
			await place.stop();
		}
	});

	test('does not replace an object that no process of the run has uploaded', async () => {
		const place = await startS3Place();
		try {
			const start = starter(place);
			assert.equal((await start('--shard=auto/1', '--run-name=n', '--write-plan')).code, 0);
			const plan = JSON.parse((await place.read('fleet/plans/n.json')).toString()) as {
				readonly servers: readonly {readonly timeText: string}[];
			};
			const key = `x/a_${plan.servers[0]?.timeText}.dump`;
			const planted = {bytes: Buffer.from('mine'), size: 4, etag: 'x', modified: Date.now(), headers: {}, version: '1'};
			place.server.objects.set(key, planted);
			const {code, stderr} = await start('--shard=1/1', '--run-name=n');
			assert.equal(code, 14, stderr);
			assert.match(stderr, /an object with different content already exists/);
			assert.equal((await place.read(key)).toString(), 'mine');
			const [run] = await joined(place);
			assert.deepEqual(
				run?.manifest.failed.map(({database}) => database),
				['a'],
			);
		} finally {
			await place.stop();
		}
	});

	test('reports a database that was dropped after the plan was made, and succeeds', async () => {
		const place = await startS3Place();
		try {
			const start = starter(place);
			await cluster.psql('postgres', 'create database short');
			assert.equal((await start('--shard=auto/1', '--run-name=n', '--write-plan')).code, 0);
			await cluster.psql('postgres', 'drop database short');
			const {code, stderr} = await start('--shard=1/1', '--run-name=n');
			assert.equal(code, 0, stderr);
			assert.match(stderr, /WARN: database short was dropped or excluded after the plan of this run was made/);
			await assertOneRun(place, all);
		} finally {
			await place.stop();
		}
	});

	test('is refused after the deadline, with another number of shards, and in another time zone', async () => {
		const remote = scratchDirectory('remote');
		const args = [
			...connectTo(cluster, scratchDirectory('b')),
			...['--upload=local', `--local-directory=${remote}`, '--fleet-prefix=fleet', '--run-name=n'],
		];
		assert.equal((await runProgram([...args, '--shard=auto/2', '--write-plan'])).code, 0);
		const count = await runProgram([...args, '--shard=1/3']);
		assert.equal(count.code, 10);
		assert.match(count.stderr, /run n has 2 shards, and this process was told 3/);
		const zone = await runProgram([...args, '--shard=1/2'], {env: {TZ: 'Asia/Tokyo'}});
		assert.equal(zone.code, 10);
		assert.match(zone.stderr, /give all processes of a run the same time zone/);
		const path = join(remote, 'fleet/plans/n.json');
		const plan = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
		writeFileSync(path, JSON.stringify({...plan, deadline: new Date(Date.now() - 1000).toISOString()}));
		const late = await runProgram([...args, '--shard=1/2']);
		assert.equal(late.code, 10);
		assert.match(late.stderr, /the deadline of run n was /);
		writeFileSync(path, '{"schema":1,');
		const damaged = await runProgram([...args, '--shard=1/2']);
		assert.equal(damaged.code, 17, damaged.stderr);
		assert.deepEqual(readdirSync(remote), ['fleet']);
	});
});
