/** Each kind of store, the whole way: backup, listing, download with decryption, restore, purge, nothing left behind. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {existsSync, readFileSync, writeFileSync} from 'node:fs';
import {basename, join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {clientDirectory, type Cluster, startCluster} from '../helpers/cluster.js';
import {waitFor} from '../helpers/postgres.js';
import {
	connectTo,
	type Ended,
	filesIn,
	type KeyFile,
	newKeyFile,
	scratchDirectory,
	withoutTime,
} from '../helpers/program.js';
import {configFile, type Place, placeKinds, regularFiles, runWithin} from './remote-places.js';

let cluster: Cluster;
let keys: KeyFile;

before(async () => {
	keys = await newKeyFile();
	cluster = await startCluster({name: 'remote'});
	await cluster.psql('postgres', 'create database a');
	await cluster.psql(
		'a',
		'create table one as select i from generate_series(1, 1000) i; create table two as select 2 as i',
	);
});
after(async () => cluster.stop());

/** The files of a dump that is encrypted and has checksums. */
const sealed = (name: string) =>
	['.age', '.age.sha256', '.sha256.age', '.sha256.age.sha256'].map(end => `${name}${end}`);

for (const {store, missing, start} of placeKinds) {
	describe(store, {skip: missing}, () => {
		let place: Place;
		let config: string;
		const base = scratchDirectory('remote');
		before(async () => {
			place = await start();
			config = configFile([
				...place.settings,
				`upload = ${store}`,
				'upload_prefix = pre/fix',
				'checksum_algorithm = sha256',
				'encrypt = true',
				`cipher_public_key = ${keys.recipient}`,
			]);
		});
		after(async () => place.stop());

		const run = (directory: string, args: readonly string[]): Promise<Ended> => {
			const [, ...connection] = connectTo(cluster, directory);
			return runWithin(['-c', config, ...connection, ...args], {env: place.env});
		};
		const good = async (directory: string, args: readonly string[]): Promise<Ended> => {
			const ended = await run(directory, args);
			assert.equal(ended.code, 0, ended.stderr);
			return ended;
		};
		const dumps = join(base, '{dbname}/dumps');

		test('check-config=connect: writes, reads, lists, deletes, and leaves nothing', async () => {
			const {stderr} = await good(dumps, ['--check-config=connect']);
			assert.match(stderr, new RegExp(`remote location ${store}: .*pre/fix/ can be written, read, listed and purged`));
			assert.deepEqual(await place.keys(), []);
		});

		test('custom format: keys are the local names behind the prefix', async () => {
			await good(dumps, ['-F', 'c', 'a']);
			const there = await place.keys();
			const local = regularFiles(base).filter(name => !name.endsWith('.lock'));
			assert.deepEqual(there, local.map(name => `pre/fix/${name}`).sort());
			const shapes = there.map(withoutTime);
			for (const name of sealed('pre/fix/a/dumps/a_T.dump'))
				assert.ok(shapes.includes(name), `${name}: ${shapes.join(' ')}`);
			for (const name of sealed('pre/fix/pg_globals/dumps/pg_globals_T.sql')) assert.ok(shapes.includes(name), name);
			assert.ok(shapes.some(name => /\.manifest\.json$/.test(name)));
			assert.deepEqual(
				filesIn(base).filter(name => /\.pg_back-/.test(name)),
				[],
				'nothing of the transfers is left',
			);
			for (const key of there)
				assert.deepEqual(await place.read(key), readFileSync(join(base, key.slice('pre/fix/'.length))));
		});

		test('list-remote: one key a line; patterns with and without the prefix', async () => {
			const there = await place.keys();
			const plain = await good(dumps, ['--list-remote', store]);
			assert.deepEqual(plain.stdout.split('\n').slice(0, -1).sort(), there);
			const dump = there.find(key => key.endsWith('.dump.age')) ?? '';
			for (const pattern of [dump, 'a/dumps/a_*.dump.age', 'pre/fix/a/*/a_*.dump.age', 'a_*.dump.age']) {
				const {stdout} = await good(dumps, ['--list-remote', store, pattern]);
				assert.equal(stdout, `${dump}\n`, pattern);
			}
			const none = await run(dumps, ['--list-remote', store, 'nothing*']);
			assert.deepEqual([none.code, none.stdout], [1, '']);
			assert.match(none.stderr, /nothing at .* matches nothing\*: searched \d+ files/);
			const long = await good(dumps, ['--list-remote', store, '--long', dump]);
			assert.match(
				long.stdout,
				/^ *[\d.]+ [KM]?i?B +\d{4}-\d\d-\d\dT[\d:]+Z +dump, encrypted +pre\/fix\/a\/dumps\/a_[^ ]+\.dump\.age\n$/,
			);
			const json = await good(dumps, ['--list-remote', store, '--json']);
			const objects = json.stdout
				.split('\n')
				.slice(0, -1)
				.map(line => JSON.parse(line) as {key: string; size: number; kind?: string});
			assert.deepEqual(objects.map(one => one.key).sort(), there);
			assert.equal(objects.find(one => one.key === dump)?.size, (await place.read(dump)).length);
		});

		test('download and decrypt in one pass; the dump restores', async () => {
			const target = scratchDirectory('fetched');
			const {stderr} = await good(target, [
				'--download',
				store,
				'--decrypt',
				'--cipher-identity-file',
				keys.file,
				'a_*',
				'pg_globals*',
			]);
			assert.match(stderr, /sha256 of a_.*\.age\.sha256 verified/);
			const fetched = filesIn(target);
			const dump = fetched.find(name => name.endsWith('.dump')) ?? '';
			assert.match(dump, /^pre\/fix\/a\/dumps\/a_/);
			assert.deepEqual(
				fetched.filter(name => /\.part$|upload/.test(name)),
				[],
			);
			const database = `back_${store}`;
			await cluster.psql('postgres', `create database ${database}`);
			execFileSync(join(clientDirectory(cluster.major), 'pg_restore'), [
				'-d',
				cluster.connectionString(database),
				join(target, dump),
			]);
			assert.equal(await cluster.psql(database, 'select count(*) from one'), '1000');
		});

		test('a damaged object: status 17, and nothing under its name; existing files stay without --force', async () => {
			const there = await place.keys();
			const key = there.find(one => one.endsWith('.dump.age')) ?? '';
			const bytes = await place.read(key);
			const flipped = Buffer.from(bytes);
			flipped[flipped.length >> 1]! ^= 1;
			await place.replace(key, flipped);
			const target = scratchDirectory('fetched');
			const damaged = await run(target, ['--download', store, basename(key), 'pg_globals*.age']);
			await place.replace(key, bytes);
			assert.equal(damaged.code, 17, damaged.stderr);
			assert.match(damaged.stderr, /a_.*\.dump\.age(?: is damaged|.*: the (?:crc32c|md5) of the received data is )/);
			assert.ok(!existsSync(join(target, key)));
			assert.ok(
				filesIn(target).some(name => /pg_globals_.*\.sql\.age$/.test(name)),
				'the others are fetched',
			);
			await good(target, ['--download', store, basename(key)]);
			writeFileSync(join(target, key), 'mine');
			const again = await run(target, ['--download', store, basename(key)]);
			assert.equal(again.code, 1, again.stderr);
			assert.match(again.stderr, /exists/);
			assert.equal(readFileSync(join(target, key), 'utf8'), 'mine');
			await good(target, ['--download', store, '--force', basename(key)]);
			assert.deepEqual(readFileSync(join(target, key)), bytes);
		});

		test('directory format with delete_uploaded: only the remote copies stay, with their members', async () => {
			const [before_, own] = [await place.keys(), join(scratchDirectory('remote'), '{dbname}/dumps')];
			await good(own, ['-F', 'd', '-J', '2', '--dump-only', '--delete-uploaded', 'yes', 'a']);
			const left = filesIn(own.replace('/{dbname}/dumps', ''), {manifests: true});
			assert.deepEqual(
				left.filter(name => /_\d{4}-|\.d$|\.pg_back-/.test(name)),
				[],
			);
			const added = (await place.keys())
				.filter(key => !before_.includes(key))
				.map(key => withoutTime(key).replace(/\d+\.dat/, 'N.dat'));
			assert.deepEqual(
				added.filter(key => !/manifest|private/.test(key)),
				[
					...['N.dat.gz.age', 'N.dat.gz.age', 'toc.dat.age'].map(name => `pre/fix/a/dumps/a_T.d/${name}`),
					...['.age.sha256', '.sha256.age', '.sha256.age.sha256'].map(end => `pre/fix/a/dumps/a_T.d${end}`),
				].sort(),
			);
			const target = scratchDirectory('fetched');
			await good(target, ['--download', store, '--decrypt', '--cipher-identity-file', keys.file, 'a/*/a_*.d/*']);
			const toc = filesIn(target).find(name => name.endsWith('toc.dat')) ?? '';
			const listing = execFileSync(
				join(clientDirectory(cluster.major), 'pg_restore'),
				['-l', join(target, toc, '..')],
				{encoding: 'utf8'},
			);
			assert.match(listing, /TABLE DATA public one/);
		});

		test('purge_remote keeps what the policy keeps, with all that belongs to it', async () => {
			const second = Math.floor(Date.now() / 1000);
			await waitFor(async () => Math.floor(Date.now() / 1000) > second, 'the next second: ages count by it');
			const {stderr} = await good(dumps, [
				'-F',
				'c',
				'--dump-only',
				'--purge-older-than',
				'0',
				'--purge-min-keep',
				'1',
				'--purge-remote',
				'yes',
				'a',
			]);
			const there = (await place.keys()).filter(key => /\/a_/.test(key));
			assert.deepEqual(there.map(withoutTime), sealed('pre/fix/a/dumps/a_T.dump').sort(), stderr);
			const local = filesIn(base).filter(name => /\/a_/.test(name));
			assert.deepEqual(there, local.map(name => `pre/fix/${name}`).sort());
			assert.ok(
				(await place.keys()).some(key => /pg_globals/.test(key)),
				'what this run did not dump is not touched',
			);
		});

		test('read_back_uploads: every file is downloaded again, streamed ones too', async () => {
			for (const more of [[], ['--local-copy', 'no']]) {
				const own = scratchDirectory('remote');
				const args = ['-F', 'c', '--upload-prefix', `again${more.length}`, '--read-back-uploads', 'yes', ...more];
				const {stdout} = await good(own, ['--log-format', 'json', ...args, 'a']);
				const sent = stdout
					.split('\n')
					.filter(line => line.includes('"file.uploaded"'))
					.map(line => JSON.parse(line) as {readonly key: string; readonly checked: string});
				const read = sent.filter(({checked}) => checked.startsWith('read back'));
				assert.ok(sent.some(({key}) => key.endsWith('.dump.age')));
				assert.deepEqual(read, sent);
			}
		});
	});
}
