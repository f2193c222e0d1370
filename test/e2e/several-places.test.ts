/** `upload = s3, sftp`: what each place has, what one that fails does to the others, and what is resumed, purged and removed. */
import assert from 'node:assert/strict';
import {existsSync, readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {waitFor} from '../helpers/postgres.js';
import {connectTo, type Ended, filesIn, nextSecond, scratchDirectory, startProgram} from '../helpers/program.js';
import {sshdMissing} from '../helpers/sshd.js';
import {behindProxy, configFile, type Place, placeKinds, runWithin, startS3Place} from './remote-places.js';
import {dumpOf, type S3Place} from './remote-s3.js';

const skip = sshdMissing ?? false;
let cluster: Cluster;

before(async () => {
	cluster = await startCluster({name: 'places'});
	await cluster.psql('postgres', 'create database a; create database b');
	await cluster.psql('a', 'create table one as select i from generate_series(1, 1000) i');
});
after(async () => cluster.stop());

/** A loaded machine must not look like a place that is down; where one is down, `soon` gives up. */
const patient = ['remote_timeout = 60', 'remote_retry = 60'];
const soon = ['remote_retry = 1'];

type Two = {
	readonly s3: S3Place;
	readonly sftp: Place;
	readonly proxy: Awaited<ReturnType<typeof behindProxy>>['proxy'];
	readonly directory: string;
	/** Arguments of a run with these lines of configuration. */
	readonly backup: (lines: readonly string[], args: readonly string[]) => string[];
	readonly run: (lines: readonly string[], args: readonly string[]) => Promise<Ended>;
};

/** An S3 server and an SSH server behind a proxy, and a backup directory. */
async function withTwo(work: (two: Two) => Promise<void>): Promise<void> {
	const s3 = await startS3Place({});
	const sftp = (await placeKinds.find(({store}) => store === 'sftp')?.start()) as Place;
	const {proxy, settings} = await behindProxy(sftp);
	const directory = scratchDirectory('places');
	const backup: Two['backup'] = (lines, args) => {
		const [, ...connection] = connectTo(cluster, directory);
		const config = configFile([...patient, ...s3.settings, ...settings, 'upload = s3, sftp', ...lines]);
		return ['-c', config, ...connection, ...args];
	};
	try {
		await work({s3, sftp, proxy, directory, backup, run: (lines, args) => runWithin(backup(lines, args))});
	} finally {
		await proxy.close();
		await s3.stop();
		await sftp.stop();
	}
}

const records = (directory: string) => readdirSync(directory).filter(name => /^\.pg_back-upload-.*json$/.test(name));
const recordOf = (directory: string, name: string) =>
	JSON.parse(readFileSync(join(directory, name), 'utf8')) as {location: string; file: string};
/** False when a record changes while it is read. */
function everyRecord(directory: string, test: (record: ReturnType<typeof recordOf>) => boolean): boolean {
	try {
		return records(directory).every(name => test(recordOf(directory, name)));
	} catch {
		return false;
	}
}
const kept = (directory: string) => filesIn(directory, {manifests: true}).filter(name => !/^\.|\.lock$/.test(name));
const isDown = {direction: 'down', after: 0, do: 'reset', times: Infinity} as const;

describe('several places in one run', {skip}, () => {
	test('each has every file, checked, and the manifest names both', async () => {
		await withTwo(async ({s3, sftp, directory, run}) => {
			const {code, stderr} = await run([], []);
			assert.equal(code, 0, stderr);
			const names = kept(directory).sort();
			assert.ok(names.length > 5);
			for (const place of [s3, sftp]) {
				assert.deepEqual((await place.keys()).sort(), names);
				for (const name of names)
					assert.deepEqual(await place.read(name), readFileSync(join(directory, name)), `${place.store} ${name}`);
			}
			const manifest = names.find(name => name.endsWith('.manifest.json')) ?? '';
			const {files} = JSON.parse(readFileSync(join(directory, manifest), 'utf8')) as {
				files: {path: string; shipped: {location: string; checked: string}[]}[];
			};
			for (const {path, shipped} of files) {
				assert.deepEqual(
					shipped.map(({location}) => location),
					['s3://bucket/', shipped[1]?.location],
					path,
				);
				assert.match(shipped[1]?.location ?? '', /^sftp:/);
				for (const {checked} of shipped) assert.notEqual(checked, '');
			}
			assert.match(stderr, /dump of a to .* done .*, uploaded to s(?:3|ftp):\/\/\S+ \(.*\), to s(?:3|ftp):\/\/\S+ \(/);
		});
	});

	test('the local copy is removed when each has it', async () => {
		await withTwo(async ({s3, sftp, directory, run}) => {
			const {code, stderr} = await run(['delete_uploaded = yes'], []);
			assert.equal(code, 0, stderr);
			assert.deepEqual(kept(directory), []);
			const keys = await s3.keys();
			assert.deepEqual(await sftp.keys(), keys);
			assert.ok(keys.some(key => /^a_.*\.dump$/.test(key)));
		});
	});

	test('one that is down fails the run, keeps the local copies and does not stop the other', async () => {
		await withTwo(async ({s3, sftp, proxy, directory, run}) => {
			proxy.faults.push({...isDown});
			const {code, stderr} = await run(['delete_uploaded = yes', ...soon], []);
			assert.notEqual(code, 0);
			assert.match(stderr, /dump of a failed: .*sftp:/);
			const names = kept(directory).sort();
			assert.deepEqual(await s3.keys(), names, 'the other has everything');
			assert.deepEqual(await sftp.keys(), []);
			for (const record of records(directory)) assert.match(recordOf(directory, record).location, /^sftp:/);
			assert.equal(records(directory).length, names.length);
			const manifest = JSON.parse(
				readFileSync(join(directory, names.find(name => name.endsWith('.manifest.json')) ?? ''), 'utf8'),
			) as {files: {shipped: {location: string}[]}[]};
			for (const {shipped} of manifest.files)
				assert.deepEqual(
					shipped.map(({location}) => location),
					['s3://bucket/'],
				);

			proxy.faults.length = 0;
			const puts = s3.server.counts.get('PutObject') ?? 0;
			const resumed = await run(['delete_uploaded = yes'], ['--resume-uploads']);
			assert.equal(resumed.code, 0, resumed.stderr);
			assert.deepEqual((await sftp.keys()).sort(), names);
			assert.equal(s3.server.counts.get('PutObject') ?? 0, puts, 'nothing is sent to the place that has it');
			assert.deepEqual(kept(directory), [], 'now each has it');
			assert.deepEqual(records(directory), []);
		});
	});

	test('what is missing at one is not removed here by the resumed upload to the other', async () => {
		await withTwo(async ({s3, sftp, proxy, directory, run}) => {
			proxy.faults.push({...isDown});
			await run(['delete_uploaded = yes', ...soon], ['--dump-only', 'a']);
			const [dump = ''] = (await s3.keys()).filter(key => key.endsWith('.dump'));
			s3.server.objects.delete(dump);
			proxy.faults.length = 0;
			const {code, stderr} = await run(['delete_uploaded = yes'], ['--resume-uploads']);
			assert.equal(code, 0, stderr);
			assert.match(stderr, /kept despite delete_uploaded: there is no copy of it at s3:\/\/bucket\//);
			assert.ok((await sftp.keys()).includes(dump));
			assert.ok(existsSync(join(directory, dump)));
		});
	});

	test('killed while the second receives it, the next run finishes that one', async () => {
		await withTwo(async ({s3, sftp, directory, backup, run}) => {
			s3.server.faults.push({do: 'stall', times: Infinity});
			const running = await startProgram(
				backup(['remote_timeout = 600', 'delete_uploaded = yes'], ['--dump-only', '-B', dumpOf(20), 'a']),
			);
			await waitFor(async () => (await sftp.keys()).some(key => key.endsWith('.dump')), 'the upload to sftp', 60);
			await waitFor(
				() => Promise.resolve(everyRecord(directory, ({location}) => location.startsWith('s3:'))),
				'the record of the other only',
				60,
			);
			running.child.kill('SIGKILL');
			await running.ended;
			const [dump = ''] = kept(directory).filter(name => name.endsWith('.dump'));
			s3.server.faults.length = 0;
			const {code, stderr} = await run(['delete_uploaded = yes'], ['--resume-uploads']);
			assert.equal(code, 0, stderr);
			assert.ok((await s3.keys()).includes(dump));
			assert.deepEqual(await sftp.read(dump), await s3.read(dump));
			assert.deepEqual(kept(directory), []);
			assert.deepEqual(records(directory), []);
		});
	});

	test('both are purged as --dry-run says', async () => {
		await withTwo(async ({s3, sftp, run}) => {
			const lines = ['purge_remote = yes', 'purge_older_than = 0s', 'purge_min_keep = 1'];
			for (let n = 0; n < 2; n++) {
				const {code, stderr} = await run([], ['--dump-only', 'a']);
				assert.equal(code, 0, stderr);
				await nextSecond();
			}
			const before = await s3.keys();
			assert.deepEqual(await sftp.keys(), before);
			const dry = await run(lines, ['--dry-run', '--json', '--dump-only', 'a']);
			assert.equal(dry.code, 0, dry.stderr);
			const plan = JSON.parse(dry.stdout) as {
				places: {place: string}[];
				purge: {place: string; remove: {path: string}[]}[];
			};
			assert.deepEqual(
				plan.places.map(({place}) => place),
				['s3', 'sftp'],
			);
			assert.deepEqual(
				plan.purge.map(({place}) => place),
				['backup', 's3', 'sftp'],
			);
			const text = await run(lines, ['--dry-run', '--dump-only', 'a']);
			assert.match(text.stdout, /^upload {5}s3, sftp$/m);
			assert.match(text.stdout, /^to remove from s3:\/\/bucket\//m);
			assert.match(text.stdout, /^to remove from sftp:\/\//m);
			const {code, stderr} = await run(lines, ['--dump-only', 'a']);
			assert.equal(code, 0, stderr);
			for (const [index, place] of [s3, sftp].entries()) {
				const left = new Set(await place.keys());
				const planned = plan.purge[index + 1]?.remove.map(({path}) => path) ?? [];
				assert.ok(planned.length > 0);
				assert.deepEqual(
					before.filter(key => !left.has(key)),
					planned.toSorted(),
					place.store,
				);
			}
		});
	});

	test('one is purged although the other is down; --check-age names the one that lacks a dump', async () => {
		await withTwo(async ({s3, sftp, proxy, run}) => {
			const lines = ['purge_remote = yes', 'purge_older_than = 0s', 'purge_min_keep = 1'];
			assert.equal((await run([], ['--dump-only', 'a'])).code, 0);
			const [first = ''] = (await sftp.keys()).filter(key => key.endsWith('.dump'));
			const good = await run([], ['--check-age=1h']);
			assert.equal(good.code, 0, good.stdout);
			assert.match(good.stdout, /^PG_BACK OK - 1 database at 2 places, oldest good backup .* \(a at s(?:3|ftp)\)/);
			await nextSecond();
			proxy.faults.push({...isDown});
			const {code, stderr} = await run([...lines, ...soon], ['--dump-only', 'a']);
			assert.notEqual(code, 0, stderr);
			proxy.faults.length = 0;
			assert.ok((await sftp.keys()).includes(first), stderr);
			assert.ok(!(await s3.keys()).includes(first), stderr);
			await run([], ['--dump-only', 'b', '--upload', 's3']);
			const late = await run([], ['--check-age=1h']);
			assert.equal(late.code, 2, late.stdout);
			assert.match(late.stdout, /^PG_BACK CRITICAL - b at sftp: no good backup/);
		});
	});

	test('a place named twice, and a divided run, are refused', async () => {
		await withTwo(async ({run}) => {
			const twice = await run([], ['--upload', 's3,S3', 'a']);
			assert.equal(twice.code, 2);
			assert.match(twice.stderr, /names s3 twice/);
			const divided = await run(['fleet_prefix = fleet'], ['--shard', '1/2', '--run-name', 'r']);
			assert.notEqual(divided.code, 0);
			assert.match(divided.stderr, /--shard needs one place in upload/);
		});
	});
});
