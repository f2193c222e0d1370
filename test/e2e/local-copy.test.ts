/** `local_copy = no`: dumps that never touch this disk, at every store; what is lost with an upload is a failed dump. */
import assert from 'node:assert/strict';
import {execFileSync, spawnSync} from 'node:child_process';
import {existsSync, statSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {clientDirectory, type Cluster, startCluster} from '../helpers/cluster.js';
import {textOf} from '../helpers/databases.js';
import {waitFor} from '../helpers/postgres.js';
import {
	connectTo,
	type Ended,
	filesIn,
	type KeyFile,
	newKeyFile,
	scratchDirectory,
	startProgram,
	withoutTime,
} from '../helpers/program.js';
import {recordingTools} from '../helpers/recorder.js';
import {configFile, type Place, placeKinds, regularFiles, runWithin} from './remote-places.js';
import {s3Backup, type S3Place, slowDump, withServer} from './remote-s3.js';

const mebi = 1024 * 1024;
const hasAge = spawnSync('age', ['--version']).status === 0;
let cluster: Cluster;
let keys: KeyFile;

before(async () => {
	keys = await newKeyFile();
	cluster = await startCluster({name: 'local-copy'});
	await cluster.psql('postgres', 'create database a');
	// Several parts of S3 and blocks of Azure: it does not compress.
	await cluster.psql(
		'a',
		`create table t as select i, string_agg(md5(i::text || j::text), '') from generate_series(1, 10000) i, generate_series(1, 60) j group by i;
		create table two as select 2 as i; create index on two (i)`,
	);
});
after(async () => cluster.stop());

const program = (name: string) => join(clientDirectory(cluster.major), name);

let count = 0;
async function restored(bytes: Buffer, kind: 'archive' | 'sql'): Promise<string> {
	const name = `restored${++count}`;
	const path = join(scratchDirectory('restored'), 'dump');
	writeFileSync(path, bytes);
	await cluster.psql('postgres', `create database ${name}`);
	if (kind === 'archive') execFileSync(program('pg_restore'), ['-d', cluster.connectionString(name), path]);
	else execFileSync(program('psql'), ['-q', '-v', 'ON_ERROR_STOP=1', '-d', cluster.connectionString(name), '-f', path]);
	const text = textOf(cluster, name);
	await cluster.psql('postgres', `drop database ${name}`);
	return text;
}

/** The bytes in a backup directory that are not of the run itself: locks and the history. */
const bytesIn = (directory: string): number =>
	regularFiles(directory)
		.filter(name => !/(^|\/)(\.pg_back-(history|upload).*\.json|[^/]*\.lock)$/.test(name))
		.reduce((sum, name) => sum + (statSync(join(directory, name), {throwIfNoEntry: false})?.size ?? 0), 0);

const dumpsOf = (all: readonly string[]) => all.filter(key => /(^|\/)a_/.test(key)).map(withoutTime);

for (const {store, missing, start} of placeKinds) {
	describe(store, {skip: missing}, () => {
		let place: Place;
		before(async () => {
			place = await start();
		});
		after(async () => place.stop());

		const run = async (directory: string, lines: readonly string[], args: readonly string[]): Promise<Ended> => {
			const [, ...to] = connectTo(cluster, directory);
			const config = configFile([...place.settings, `upload = ${store}`, 'local_copy = no', ...lines]);
			return runWithin(['-c', config, ...to, ...args], {env: place.env});
		};
		const newKeys = async (known: readonly string[]) => (await place.keys()).filter(key => !known.includes(key));

		const formats = store === 's3' || store === 'sftp' ? (['custom', 'tar', 'plain'] as const) : (['custom'] as const);
		for (const format of formats) {
			const suffix = {custom: 'dump', tar: 'tar', plain: 'sql'}[format];
			test(`${format}: nothing here, all of it there, equal when restored`, async () => {
				const directory = scratchDirectory('local-copy');
				const known = await place.keys();
				const prefix = `upload_prefix = ${format}`;
				const {code, stderr} = await run(
					directory,
					[prefix, 'checksum_algorithm = sha256', 'jobs = 2'],
					['-F', format],
				);
				assert.equal(code, 0, stderr);
				assert.doesNotMatch(stderr, /ERROR|WARN(?!.*(tar|collation))/);
				const made = await newKeys(known);
				const names = [...(format === 'plain' ? ['a_T.createdb.sql'] : []), `a_T.${suffix}`];
				assert.deepEqual(
					dumpsOf(made).sort(),
					names.flatMap(name => [`${format}/${name}`, `${format}/${name}.sha256`]).sort(),
				);
				for (const shape of ['pg_globals_T.sql', 'pg_settings_T.out', 'pg_back_T.manifest.json'])
					assert.ok(made.map(withoutTime).includes(`${format}/${shape}`), `${shape}: ${made.join(' ')}`);
				assert.deepEqual(bytesIn(directory), 0, regularFiles(directory).join(' '));
				const dump = made.find(key => /\/a_[^/.]*\.(dump|tar|sql)$/.test(key)) ?? '';
				const bytes = await place.read(dump);
				assert.ok(bytes.length > 16 * mebi || format === 'custom');
				assert.equal(await restored(bytes, format === 'plain' ? 'sql' : 'archive'), textOf(cluster, 'a'));
				const {code: verified, stderr: said} = await run(directory, [prefix], ['--verify', store]);
				assert.equal(verified, 0, said);
			});
		}

		test('encrypted: age reads it, and a drill restores it', {skip: hasAge ? false : 'age is not there'}, async () => {
			const directory = scratchDirectory('local-copy');
			const known = await place.keys();
			const lines = ['upload_prefix = sealed', 'encrypt = true', `cipher_public_key = ${keys.recipient}`];
			const {code, stderr} = await run(directory, lines, ['-S', 'sha256', 'a']);
			assert.equal(code, 0, stderr);
			const made = await newKeys(known);
			assert.deepEqual(
				dumpsOf(made),
				['.age', '.age.sha256', '.sha256.age', '.sha256.age.sha256'].map(end => `sealed/a_T.dump${end}`),
			);
			assert.equal(bytesIn(directory), 0, regularFiles(directory).join(' '));
			const bytes = await place.read(made.find(key => key.endsWith('.dump.age')) ?? '');
			const plain = execFileSync('age', ['-d', '-i', keys.file], {input: bytes, maxBuffer: 1 << 28});
			assert.equal(await restored(plain, 'archive'), textOf(cluster, 'a'));
			const drill = [...lines, `cipher_identity_file = ${keys.file}`];
			const ended = await run(directory, drill, ['--restore-drill', store, 'a']);
			assert.equal(ended.code, 0, ended.stderr);
		});
	});
}

describe('what is lost with an upload', () => {
	const within = async (work: (place: S3Place, directory: string) => Promise<void>) =>
		withServer({}, async place => work(place, scratchDirectory('local-copy')));
	const args = (place: S3Place, directory: string, more: readonly string[], lines: readonly string[] = []) =>
		s3Backup(cluster, place.server.url, directory, ['local_copy = no', ...lines], ['--dump-only', ...more]);
	const partsSent = (place: S3Place) => place.server.counts.get('UploadPart') ?? 0;

	test('nothing is here while the dump runs, and nothing is visible there', async () => {
		await within(async (place, directory) => {
			const go = join(scratchDirectory('go'), 'go');
			const running = await startProgram(args(place, directory, ['-B', slowDump(go, 40, 1), 'a']));
			await waitFor(() => Promise.resolve(partsSent(place) >= 3), 'parts', 60);
			assert.equal(bytesIn(directory), 0, regularFiles(directory).join(' '));
			assert.deepEqual(await place.keys(), []);
			assert.ok(!existsSync(go));
			writeFileSync(go, '');
			const {code, stderr} = await running.ended;
			assert.equal(code, 0, stderr);
			assert.deepEqual(dumpsOf(await place.keys()), ['a_T.dump']);
			assert.equal((await place.read((await place.keys())[0] ?? '')).length, 41 * mebi);
		});
	});

	test('a dump that fails midway leaves nothing, and ends with the status of the dump', async () => {
		await within(async (place, directory) => {
			const {directory: tools} = recordingTools({
				pg_dump: `head -c ${40 * mebi} /dev/urandom; sleep 1; echo 'pg_dump: error: it broke' >&2; exit 1`,
			});
			const {code, stderr} = await runWithin(args(place, directory, ['-B', tools, 'a']));
			assert.equal(code, 1, stderr);
			assert.match(stderr, /it broke/);
			assert.ok(partsSent(place) >= 1);
			assert.equal(place.server.uploads.size, 0);
			assert.deepEqual(dumpsOf(await place.keys()), []);
			assert.deepEqual(filesIn(directory), []);
		});
	});

	test('a server that refuses midway: the dump failed, as is said; a retry dumps again', async () => {
		const may = (_id: string, action: string, key: string) =>
			!(isFull && action === 'UploadPart' && key.startsWith('a_'));
		let isFull = false;
		await withServer({may}, async place => {
			const directory = scratchDirectory('local-copy');
			const go = join(scratchDirectory('go'), 'go');
			const running = await startProgram(args(place, directory, ['-B', slowDump(go, 40, 40), 'a']));
			await waitFor(() => Promise.resolve(partsSent(place) >= 3), 'parts', 60);
			isFull = true;
			writeFileSync(go, '');
			const {code, stderr} = await running.ended;
			assert.equal(code, 1, stderr);
			assert.match(
				stderr,
				/dump of a failed: the upload of the dump failed, and there is no local copy: could not upload a_/,
			);
			assert.match(stderr, /HINT: .*a retry dumps again/);
			assert.equal(place.server.uploads.size, 0);
			assert.deepEqual(dumpsOf(await place.keys()), []);
			assert.deepEqual(filesIn(directory), []);
			isFull = false;
			const again = await runWithin(args(place, directory, ['a']));
			assert.equal(again.code, 0, again.stderr);
			assert.deepEqual(dumpsOf(await place.keys()), ['a_T.dump']);
		});
	});

	test('a checksum file that is refused takes the dump with it', async () => {
		const may = (_id: string, action: string, key: string) => !(action === 'PutObject' && key.endsWith('.sha256'));
		await withServer({may}, async place => {
			const directory = scratchDirectory('local-copy');
			const {code, stderr} = await runWithin(args(place, directory, ['-S', 'sha256', 'a']));
			assert.equal(code, 1, stderr);
			assert.deepEqual(dumpsOf(await place.keys()), []);
			assert.equal(place.server.uploads.size, 0);
		});
	});

	test('what arrives damaged does not stay', async () => {
		await within(async (place, directory) => {
			place.server.faults.push({do: 'damage', how: 'flip', truthful: true, action: 'UploadPart', times: Infinity});
			const {code, stderr} = await runWithin(args(place, directory, ['a']));
			assert.equal(code, 1, stderr);
			assert.deepEqual(dumpsOf(await place.keys()), []);
			assert.equal(place.server.uploads.size, 0);
		});
	});

	test('killed midway: nothing has its final name, and the next run aborts what was sent', async () => {
		await within(async (place, directory) => {
			const go = join(scratchDirectory('go'), 'go');
			const running = await startProgram(args(place, directory, ['-B', slowDump(go, 40, 1), 'a']));
			await waitFor(() => Promise.resolve(partsSent(place) >= 3), 'parts', 60);
			running.child.kill('SIGKILL');
			await running.ended;
			writeFileSync(go, '');
			assert.deepEqual(await place.keys(), []);
			assert.equal(place.server.uploads.size, 1);
			const {code, stderr} = await runWithin(args(place, directory, ['a']));
			assert.equal(code, 0, stderr);
			assert.match(stderr, /removing a_.*: the unfinished upload of a run that was killed/);
			assert.equal(place.server.uploads.size, 0);
			assert.deepEqual(dumpsOf(await place.keys()), ['a_T.dump']);
			assert.deepEqual(filesIn(directory), []);
		});
	});
});

describe('what is refused', () => {
	for (const [lines, args, text] of [
		[[], [], /--local-copy: no needs upload/],
		[['upload = local'], ['-F', 'd'], /no cannot be used with format = directory/],
		[['upload = local', 'verify = full'], [], /no cannot be used with verify = full/],
		[['upload = local', 'encrypt_keep_source = yes'], [], /no cannot be used with encrypt_keep_source/],
	] as const) {
		test(String(text), async () => {
			const directory = scratchDirectory('local-copy');
			const [, ...to] = connectTo(cluster, directory);
			const config = configFile(['local_directory = /tmp', ...lines]);
			const {code, stderr} = await runWithin(['-c', config, ...to, '--local-copy', 'no', ...args]);
			assert.equal(code, 2, stderr);
			assert.match(stderr, text);
			assert.deepEqual(filesIn(directory), []);
		});
	}

	test('a database section with the directory format', async () => {
		const directory = scratchDirectory('local-copy');
		const [, ...to] = connectTo(cluster, directory);
		const config = configFile(['local_directory = /tmp', 'upload = local', 'local_copy = no', '[a]', 'format = d']);
		const {code, stderr} = await runWithin(['-c', config, ...to]);
		assert.equal(code, 10, stderr);
		assert.match(stderr, /local_copy: no cannot be used with format = directory of the database a/);
	});

	test('the dry run shows where the bytes go', async () => {
		const directory = scratchDirectory('local-copy');
		const [, ...to] = connectTo(cluster, directory);
		const config = configFile([`local_directory = ${scratchDirectory('nas')}`, 'upload = local', 'local_copy = no']);
		const {code, stdout, stderr} = await runWithin(['-c', config, ...to, '--dry-run']);
		assert.equal(code, 0, stderr);
		assert.match(stdout, /^upload {5}local, without a local copy$/m);
		assert.match(stdout, /^ {2}a +custom .* -> a_[^ ]*\.dump$/m);
	});
});
