/** Objects whose bytes change while they are stored: every command that fetches them fails, and leaves nothing under the final name. */
import assert from 'node:assert/strict';
import {existsSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {runFetch} from '../../source/restore/fetch.js';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {newAgeKeys, nextSecond, scratchDirectory} from '../helpers/program.js';
import {runContext} from '../helpers/run-context.js';
import {type Place, placeKinds, regularFiles, runConfigured, startS3Place} from './remote-places.js';

let cluster: Cluster;
let keys: Awaited<ReturnType<typeof newAgeKeys>>;
let identity: string;
before(async () => {
	cluster = await startCluster({name: 'altered'});
	await cluster.psql('postgres', 'create database app');
	await cluster.psql('app', 'create table t as select i, md5(i::text) from generate_series(1, 2000) i');
	keys = await newAgeKeys();
	identity = join(scratchDirectory('altered-key'), 'identity');
	writeFileSync(identity, keys.identity, {mode: 0o600});
});
after(async () => cluster.stop());

/** Other bytes of the same size. */
function altered(bytes: Buffer): Buffer {
	const copy = Buffer.from(bytes);
	copy[copy.length - 3]! ^= 0x20;
	return copy;
}

for (const {store, missing, start} of placeKinds) {
	describe(store, {skip: missing}, () => {
		let place: Place;
		before(async () => {
			place = await start();
			for (const args of [
				['-F', 'c'],
				['-F', 'd'],
				['-F', 'p', '--encrypt', '--cipher-public-key', keys.recipient],
			]) {
				await nextSecond(); // the runs have different names
				const {code, stderr} = await run(scratchDirectory('made'), [...args, 'app'], [`upload = ${store}`]);
				assert.equal(code, 0, stderr);
			}
		});
		after(async () => place.stop());

		const run = (directory: string, args: readonly string[], lines: readonly string[] = []) =>
			runConfigured(cluster, [...place.settings, ...lines], args, {env: place.env, directory});
		const keyOf = async (pattern: RegExp) =>
			(await place.keys()).find(key => pattern.test(key)) ?? assert.fail(String(pattern));
		/** Calls `act` while the object has other bytes. */
		const whileAltered = async (key: string, act: () => Promise<void>) => {
			const bytes = await place.read(key);
			await place.replace(key, altered(bytes));
			await act();
			await place.replace(key, bytes);
		};

		for (const [name, pattern, more] of [
			['a custom dump', /app_[^/]*\.dump$/, []],
			['a member of a directory dump', /app_[^/]*\.d\/.*\.dat\.gz$/, []],
			['an encrypted dump that is decrypted', /app_[^/]*\.sql\.age$/, ['--decrypt']],
		] as const) {
			test(`${name}: the download fails and publishes nothing; unaltered it is fetched`, async () => {
				const key = await keyOf(pattern);
				const secret = ['--cipher-identity-file', identity, ...more];
				await whileAltered(key, async () => {
					const directory = scratchDirectory('fetched');
					const fetched = await run(directory, ['--download', store, key, ...secret]);
					assert.equal(fetched.code, 17, fetched.stderr);
					assert.deepEqual(regularFiles(directory), []);
				});
				const directory = scratchDirectory('fetched');
				const {code, stderr} = await run(directory, ['-v', '--download', store, key, ...secret]);
				assert.equal(code, 0, stderr);
				assert.match(stderr, /sha256 of the manifest/);
				assert.ok((await place.read(key)).equals(readFileSync(join(directory, key))));
			});
		}
	});
}

/** A directory as the remote location, with a dump in each format. */
async function localPlaceWith(...formats: readonly string[]): Promise<Place> {
	const place = await (placeKinds.find(({store}) => store === 'local') ?? assert.fail()).start();
	for (const format of formats) {
		const lines = [...place.settings, 'upload = local', 'checksum_algorithm = sha256'];
		const directory = scratchDirectory('made');
		await nextSecond(); // the runs have different names
		const {code, stderr} = await runConfigured(cluster, lines, ['-F', format, 'app'], {directory});
		assert.equal(code, 0, stderr);
	}
	return place;
}

const runOf = (key: string) => /^app_([^/]*?)\.(?:dump|d|sql)\b/.exec(key)?.[1] ?? assert.fail(key);

test('without manifests, as from pg_back 2.6, the checksum files are compared by every command', async () => {
	const place = await localPlaceWith('c', 'd', 'p');
	for (const key of await place.keys()) if (key.endsWith('manifest.json')) rmSync(join(place.location, key));
	const dumps = (await place.keys()).filter(key => /app_.*(\.dump|Z\.sql|\.dat\.gz)$/.test(key));
	assert.equal(dumps.length, 3);
	for (const key of dumps) {
		const bytes = await place.read(key);
		const changed = altered(bytes);
		// In a plain dump, a byte that psql does not care about.
		if (key.endsWith('.sql')) {
			bytes.copy(changed);
			changed.write('--  ', bytes.indexOf('-- PostgreSQL'));
		}
		await place.replace(key, changed);
		const run = runOf(key);
		for (const args of [
			['--download', 'local', `app_${run}*`],
			['--verify', 'local', `app_${run}*`],
			['--restore-drill', 'local', `app_${run}*`],
			['--restore', 'local', '--run', run, 'app', '--into', 'restored'],
		]) {
			const directory = scratchDirectory('fetched');
			const {code, stderr} = await runConfigured(cluster, place.settings, args, {directory});
			assert.equal(code, 17, `${args.join(' ')}\n${stderr}`);
			assert.ok(!existsSync(join(directory, key)), key);
		}
		await place.replace(key, bytes);
	}
	assert.doesNotMatch(await cluster.psql('postgres', 'select datname from pg_database'), /restored/);
});

test('without manifests and checksum files, the metadata of the objects is compared by every command', async () => {
	const place = await startS3Place();
	try {
		for (const format of ['c', 'd', 'p']) {
			await nextSecond(); // the runs have different names
			const made = ['-F', format, '--compress', '0', 'app'];
			const {code, stderr} = await runConfigured(cluster, [...place.settings, 'upload = s3'], made, {
				directory: scratchDirectory('made'),
			});
			assert.equal(code, 0, stderr);
		}
		for (const key of await place.keys()) if (key.endsWith('manifest.json')) place.server.objects.delete(key);
		const row = 'c4ca4238a0b923820dcc509a6f75849b';
		for (const key of (await place.keys()).filter(one => /app_.*(\.dump|Z\.sql|\.dat)$/.test(one))) {
			const bytes = await place.read(key);
			const at = bytes.indexOf(row);
			if (at === -1) continue;
			// Of another row: only a checksum shows the difference.
			await place.replace(key, Buffer.concat([bytes.subarray(0, at), Buffer.from('d'), bytes.subarray(at + 1)]));
			const run = runOf(key);
			for (const args of [
				['--download', 's3', `app_${run}*`],
				['--verify', 's3', `app_${run}*`],
				['--restore-drill', 's3', `app_${run}*`],
				['--restore', 's3', '--run', run, 'app', '--into', 'restored'],
				['--restore', 's3', '--run', run, 'app', '--into', 'restored', '--stream', 'yes'],
			]) {
				const directory = scratchDirectory('fetched');
				const {code, stderr} = await runConfigured(cluster, place.settings, args, {directory});
				assert.equal(code, 17, `${key}: ${args.join(' ')}\n${stderr}`);
				assert.match(stderr, /does not match its metadata/);
			}
			await place.replace(key, bytes);
		}
		assert.doesNotMatch(await cluster.psql('postgres', 'select datname from pg_database'), /restored/);
	} finally {
		await place.stop();
	}
});

for (const [name, withManifest] of [
	['manifest', true],
	['checksum file', false],
] as const) {
	test(`a member that the ${name} of a directory dump names, and that is gone, is missed by downloads and verify`, async () => {
		const place = await localPlaceWith('d');
		const keys = await place.keys();
		const member = keys.find(key => key.endsWith('.dat.gz')) ?? assert.fail();
		const gone = [member, ...keys.filter(key => !withManifest && key.endsWith('manifest.json'))];
		for (const key of gone) rmSync(join(place.location, key));
		for (const args of [
			['--download', 'local', 'app_*'],
			['--download', 'local', 'app'],
			['--verify', 'local', 'app'],
		]) {
			const {code, stderr} = await runConfigured(cluster, place.settings, args);
			assert.equal(code, 17, `${args.join(' ')}\n${stderr}`);
			assert.match(stderr, /\.dat\.gz is missing/);
		}
		const target = scratchDirectory('fetched');
		const run = await runContext(['-b', target, '--local-directory', place.location]);
		const left = (await place.keys()).filter(key => key.startsWith(`app_${runOf(member)}.d/`));
		const fetched = await runFetch(run, {
			location: 'local',
			keys: left,
			target,
			decrypt: false,
			verify: false,
			force: false,
		});
		assert.equal(fetched.exitCode, 17, run.logged().join('\n'));
		const toc = await runConfigured(cluster, place.settings, [
			'--download',
			'local',
			left.find(key => key.endsWith('toc.dat')) ?? '',
		]);
		assert.equal(toc.code, 0, toc.stderr);
	});
}
