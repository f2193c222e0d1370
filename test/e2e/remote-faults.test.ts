/** Connections that break, stall or end with the program, on the stores that are not S3, through a proxy. */
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import type {FaultProxy} from '../helpers/fault-proxy.js';
import {waitFor} from '../helpers/postgres.js';
import {
	connectTo,
	filesIn,
	newAgeKeys,
	scratchDirectory,
	shapesIn,
	startProgram,
	withoutTime,
} from '../helpers/program.js';
import {recordingTools} from '../helpers/recorder.js';
import {behindProxy, configFile, type Place, placeKinds, runWithin} from './remote-places.js';

const mebi = 1024 * 1024;
let cluster: Cluster;
let encrypted: string[];

before(async () => {
	const keys = await newAgeKeys();
	encrypted = ['encrypt = true', `cipher_public_key = ${keys.recipient}`];
	cluster = await startCluster({name: 'faults'});
});
after(async () => cluster.stop());

const unfinished = (directory: string) => filesIn(directory).filter(name => /^\.pg_back-.*(part|json)$/.test(name));
const dumps = async (place: Place) =>
	(await place.keys()).filter(key => /(^|\/)postgres_/.test(key) && !/\.part$/.test(key));

for (const {store, missing, start} of placeKinds.filter(kind => ['sftp', 'gcs', 'azure'].includes(kind.store))) {
	describe(store, {skip: missing}, () => {
		let place: Place;
		let proxy: FaultProxy;
		let settings: readonly string[];
		let env: Readonly<Record<string, string>>;
		before(async () => {
			place = await start();
			({proxy, settings, env} = await behindProxy(place));
		});
		after(async () => {
			await proxy.close();
			await place.stop();
		});

		const args = (directory: string, lines: readonly string[], more: readonly string[]): string[] => {
			const [, ...connection] = connectTo(cluster, directory);
			return [
				'-c',
				configFile([...settings, `upload = ${store}`, 'remote_timeout = 4', 'remote_retry = 10', ...lines]),
				...connection,
				...more,
			];
		};
		const dumpOf = (size: number) => [
			'--dump-only',
			'-B',
			recordingTools({pg_dump: `head -c ${size * mebi} /dev/urandom`}).directory,
			'postgres',
		];

		test('a reset in the middle is overcome, with delete_uploaded', async () => {
			const directory = scratchDirectory('faults');
			proxy.faults.push({direction: 'up', after: 12 * mebi, do: 'reset'});
			const before_ = await dumps(place);
			const {code, stderr} = await runWithin(args(directory, ['delete_uploaded = yes'], dumpOf(30)), {env});
			assert.equal(code, 0, stderr);
			assert.equal(proxy.faults[0]?.times, 0, 'it was met');
			const [key = '', ...others] = (await dumps(place)).filter(one => !before_.includes(one));
			assert.deepEqual(others, []);
			assert.equal((await place.read(key)).length, 30 * mebi);
			assert.deepEqual(
				shapesIn(directory).filter(name => name.startsWith('postgres')),
				[],
			);
		});

		test('a partition: status 14, the file stays, nothing half-visible; the next run ships it', async () => {
			const directory = scratchDirectory('faults');
			const before_ = await dumps(place);
			proxy.faults.length = 0;
			proxy.faults.push(
				{direction: 'up', after: 12 * mebi, do: 'stall'},
				{direction: 'up', after: 0, do: 'stall', times: Infinity},
			);
			const {code, stderr} = await runWithin(args(directory, [...encrypted, 'delete_uploaded = yes'], dumpOf(30)), {
				env,
			});
			assert.equal(code, 14, stderr);
			assert.match(stderr, new RegExp(`ERROR: .*postgres_.*${store}`));
			assert.deepEqual(
				shapesIn(directory).filter(name => name.startsWith('postgres')),
				['postgres_T.dump.age'],
			);
			assert.deepEqual(await dumps(place), before_);
			proxy.faults.length = 0;
			proxy.resetAll();
			const resumed = await runWithin(args(directory, ['delete_uploaded = yes'], ['--resume-uploads']), {env});
			assert.equal(resumed.code, 0, resumed.stderr);
			assert.deepEqual((await dumps(place)).filter(one => !before_.includes(one)).map(withoutTime), [
				'postgres_T.dump.age',
			]);
			assert.deepEqual(
				filesIn(directory).filter(name => !name.endsWith('.lock')),
				[],
			);
		});

		test('killed midway: what is there is not sent again', async () => {
			const directory = scratchDirectory('faults');
			const before_ = await dumps(place);
			proxy.faults.length = 0;
			const start_ = proxy.bytes.up;
			const running = await startProgram(args(directory, ['bandwidth_limit = 16M'], dumpOf(60)), {env});
			const journal = () =>
				filesIn(directory)
					.filter(name => /upload-.*json$/.test(name))
					.map(name => readFileSync(join(directory, name), 'utf8'));
			await waitFor(
				() =>
					Promise.resolve(proxy.bytes.up - start_ > 40 * mebi && journal().some(text => text.includes('"journal"'))),
				'most of it',
				60,
			);
			running.child.kill('SIGKILL');
			await running.ended;
			assert.deepEqual(await dumps(place), before_, 'nothing half-visible');
			const sent = proxy.bytes.up;
			const {code, stderr} = await runWithin(args(directory, [], ['--resume-uploads']), {env});
			assert.equal(code, 0, stderr);
			assert.ok(proxy.bytes.up - sent < 45 * mebi, `${Math.round((proxy.bytes.up - sent) / mebi)} MiB were sent again`);
			const [key = ''] = (await dumps(place)).filter(one => !before_.includes(one));
			assert.deepEqual(await place.read(key), readFileSync(join(directory, key)));
			assert.deepEqual(unfinished(directory), []);
		});
	});
}
