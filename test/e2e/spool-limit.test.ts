/** `spool_limit` with the real pg_dump: a directory dump that leaves this disk table by table is equal when restored. */
import assert from 'node:assert/strict';
import {execFileSync, spawnSync} from 'node:child_process';
import {createHash} from 'node:crypto';
import {existsSync, mkdirSync, readdirSync, statSync, writeFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {clientDirectory, type Cluster, startCluster} from '../helpers/cluster.js';
import {textOf} from '../helpers/databases.js';
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
import {configFile, type Place, placeKinds, regularFiles, runWithin, startS3Place} from './remote-places.js';

const mebi = 1024 * 1024;
const hasAge = spawnSync('age', ['--version']).status === 0;
let cluster: Cluster;
let keys: KeyFile;

before(async () => {
	keys = await newKeyFile();
	cluster = await startCluster({name: 'spool-limit'});
	await cluster.psql('postgres', 'create database a');
	// Twelve tables of about two MiB and one of six, which do not compress, and two large objects.
	const table = (name: string, rows: number) =>
		`create table ${name} as select i, string_agg(md5(i::text || j::text), '') as t from generate_series(1, ${rows}) i, generate_series(1, 20) j group by i;`;
	await cluster.psql('a', Array.from({length: 12}, (_, index) => table(`t${index}`, 3000)).join('\n'));
	await cluster.psql('a', `${table('large', 10_000)} select lo_from_bytea(0, 'one'), lo_from_bytea(0, 'two');`);
});
after(async () => cluster.stop());

const program = (name: string) => join(clientDirectory(cluster.major), name);

const leftIn = (directory: string) => regularFiles(directory).filter(name => !name.includes('history'));

/** Bytes of the dump on this disk at the moment. */
function spooledIn(directory: string): number {
	const spools = readdirSync(directory).filter(name => name.endsWith('.part'));
	const paths = spools.flatMap(spool => {
		try {
			return readdirSync(join(directory, spool), {recursive: true, encoding: 'utf8'}).map(name =>
				join(directory, spool, name),
			);
		} catch {
			return []; // removed in the meantime, or a file
		}
	});
	return paths.reduce((sum, path) => sum + (statSync(path, {throwIfNoEntry: false})?.size ?? 0), 0);
}

const settings = (store: string, more: readonly string[]) => [
	...[`upload = ${store}`, 'format = directory', 'parallel_backup_jobs = 2', 'compress_level = 0', 'spool_limit = 4M'],
	...['checksum_algorithm = sha256', ...more],
];

for (const {store, missing, start} of placeKinds.filter(kind => ['s3', 'sftp', 'local'].includes(kind.store))) {
	describe(store, {skip: missing}, () => {
		let place: Place;
		before(async () => {
			place = await start();
		});
		after(async () => place.stop());

		const run = async (directory: string, lines: readonly string[], args: readonly string[]): Promise<Ended> => {
			const [, ...to] = connectTo(cluster, directory);
			const config = configFile([...place.settings, ...settings(store, lines)]);
			return runWithin(['-c', config, ...to, ...args], {env: place.env});
		};

		test('nothing here, all of it there, equal when restored', async () => {
			const directory = scratchDirectory('spool');
			const [, ...to] = connectTo(cluster, directory);
			const lines = ['upload_prefix = plain', 'local_copy = no', 'bandwidth_limit = 16M'];
			const config = configFile([...place.settings, ...settings(store, lines)]);
			const running = await startProgram(['-c', config, ...to, 'a'], {env: place.env});
			let most = 0;
			const poll = setInterval(() => (most = Math.max(most, spooledIn(directory))), 20);
			const {code, stderr} = await running.ended.finally(() => clearInterval(poll));
			assert.equal(code, 0, stderr);
			const made = (await place.keys()).filter(key => key.startsWith('plain/a_'));
			const dump = made.filter(key => /\.d\//.test(key));
			assert.ok(dump.some(key => key.endsWith('.d/toc.dat')));
			assert.ok(dump.length >= 16, dump.join(' '));
			assert.deepEqual(made.filter(key => !/\.d\//.test(key)).map(withoutTime), ['plain/a_T.d.sha256']);
			assert.deepEqual(leftIn(directory), []);
			const back = scratchDirectory('back');
			let bytes = 0;
			for (const key of dump) {
				const path = join(back, key);
				mkdirSync(dirname(path), {recursive: true});
				const content = await place.read(key);
				bytes += content.length;
				writeFileSync(path, content);
			}
			assert.ok(bytes > 24 * mebi, `${bytes} bytes`);
			// The 6 MiB are of one table, which is written whole before it can leave.
			console.log(`# ${store}: at most ${most} of ${bytes} bytes on this disk, limit ${4 * mebi}`);
			await cluster.psql('postgres', 'create database restored');
			const args = ['-j', '2', '-d', cluster.connectionString('restored'), join(back, dirname(dump[0] ?? ''))];
			execFileSync(program('pg_restore'), args);
			assert.equal(textOf(cluster, 'restored'), textOf(cluster, 'a'));
			await cluster.psql('postgres', 'drop database restored');
			const {code: verified, stderr: said} = await run(directory, ['upload_prefix = plain'], ['--verify', store]);
			assert.equal(verified, 0, said);
			const age = await run(directory, ['upload_prefix = plain'], ['--check-age', '1h']);
			assert.equal(age.code, 0, age.stdout + age.stderr);
		});

		test('encrypted, with a local copy of all else', {skip: hasAge ? false : 'age is not there'}, async () => {
			const directory = scratchDirectory('spool');
			const lines = ['upload_prefix = sealed', 'encrypt = true', `cipher_public_key = ${keys.recipient}`];
			const {code, stderr} = await run(directory, lines, ['a']);
			assert.equal(code, 0, stderr);
			const made = (await place.keys()).filter(key => key.startsWith('sealed/a_'));
			assert.ok(made.filter(key => key.includes('.d/')).every(key => key.endsWith('.age')));
			const left = leftIn(directory).map(withoutTime);
			assert.ok(left.includes('pg_globals_T.sql.age'), left.join(' '));
			assert.deepEqual(
				left.filter(name => name.startsWith('a_')),
				[],
			);
			const drill = [...lines, `cipher_identity_file = ${keys.file}`];
			const ended = await run(directory, drill, ['--restore-drill', store, 'a']);
			assert.equal(ended.code, 0, ended.stderr);
		});
	});
}

describe('records of dead runs are not believed', () => {
	const name = 'a_2026-01-01T00:00:00Z.d';
	type Case = readonly [what: string, keys: readonly string[], more: Record<string, unknown>, kept: boolean];
	for (const [what, members, more, kept] of [
		['without a table of contents it is removed', ['1.dat', 'blobs.toc'], {}, false],
		['with its table of contents it stays', ['1.dat', 'toc.dat'], {}, true],
		['with its encrypted table of contents it stays', ['1.dat.age', 'toc.dat.age'], {}, true],
		['another key than its own', ['1.dat'], {file: 'b_2026-01-01T00:00:00Z.d'}, true],
		['no dump of ours', ['1.dat'], {file: 'x', key: 'x'}, true],
	] as readonly Case[]) {
		test(what, async () => {
			const place = await startS3Place();
			try {
				const directory = scratchDirectory('spool');
				const others = [`${name.slice(0, -2)}.dump`, `x/${name}/1.dat`];
				for (const key of [...members.map(member => `${name}/${member}`), ...others])
					place.server.objects.set(key, {
						bytes: Buffer.from('x'),
						size: 1,
						etag: '"x"',
						modified: 0,
						headers: {},
						version: '1',
					});
				const known = await place.keys();
				const record = {
					...{run: 'abcdef', location: place.location, key: name, file: name, size: 0, deleteLocal: true},
					...{streamed: true, spooled: true, ...more},
				};
				const digest = createHash('sha256').update(`${record.location}\0${record.key}`).digest('hex').slice(0, 16);
				const path = join(directory, `.pg_back-upload-${digest}.json`);
				writeFileSync(path, JSON.stringify(record), {mode: 0o600});
				const [, ...to] = connectTo(cluster, directory);
				const config = configFile([...place.settings, 'upload = s3']);
				const {stderr} = await runWithin(['-c', config, ...to, '--resume-uploads']);
				assert.deepEqual(await place.keys(), kept ? known : others.toSorted(), stderr);
				assert.equal(existsSync(path), 'file' in more, stderr);
			} finally {
				await place.stop();
			}
		});
	}

	test('one that a manifest names stays', async () => {
		const place = await startS3Place();
		try {
			const directory = scratchDirectory('spool');
			const [, ...to] = connectTo(cluster, directory);
			const config = configFile([...place.settings, ...settings('s3', ['local_copy = no'])]);
			const first = await runWithin(['-c', config, ...to, 'a']);
			assert.equal(first.code, 0, first.stderr);
			const toc = (await place.keys()).find(key => key.endsWith('/toc.dat')) ?? '';
			place.server.objects.delete(toc);
			const known = await place.keys();
			const key = dirname(toc);
			const digest = createHash('sha256').update(`${place.location}\0${key}`).digest('hex').slice(0, 16);
			const path = join(directory, `.pg_back-upload-${digest}.json`);
			const record = {run: 'abcdef', location: place.location, key, file: key, size: 0, deleteLocal: true};
			writeFileSync(path, JSON.stringify({...record, streamed: true, spooled: true}), {mode: 0o600});
			const {stderr} = await runWithin(['-c', config, ...to, '--resume-uploads']);
			assert.match(stderr, /is kept, although it has no table of contents: pg_back_.*manifest\.json names it/);
			assert.deepEqual(await place.keys(), known);
		} finally {
			await place.stop();
		}
	});
});

describe('what is refused', () => {
	for (const [lines, args, text] of [
		[['format = directory'], [], /spool_limit: needs upload/],
		[['upload = local'], [], /spool_limit: needs format = directory/],
		[['upload = local', 'verify = full'], ['-F', 'd'], /spool_limit: cannot be used with verify = full/],
		[
			['upload = local', 'encrypt_keep_source = yes'],
			['-F', 'd'],
			/spool_limit: cannot be used with encrypt_keep_source/,
		],
		[['upload = local, s3', 's3_bucket = b'], ['-F', 'd'], /spool_limit: cannot be used with several places/],
		[
			['upload = local', 'split_tables_larger_than = 1G', 'parallel_backup_jobs = 2'],
			['-F', 'd'],
			/spool_limit: cannot be used with split_tables_larger_than/,
		],
	] as const) {
		test(String(text), async () => {
			const directory = scratchDirectory('spool');
			const [, ...to] = connectTo(cluster, directory);
			const config = configFile(['local_directory = /tmp', 'spool_limit = 1G', ...lines]);
			const {code, stderr} = await runWithin(['-c', config, ...to, ...args]);
			assert.ok([2, 10].includes(code ?? 0), stderr);
			assert.match(stderr, text);
			assert.deepEqual(filesIn(directory), []);
		});
	}

	test('the dry run shows where the bytes go', async () => {
		const directory = scratchDirectory('spool');
		const [, ...to] = connectTo(cluster, directory);
		const config = configFile([`local_directory = ${scratchDirectory('nas')}`, ...settings('local', [])]);
		const {code, stdout, stderr} = await runWithin(['-c', config, ...to, '--dry-run']);
		assert.equal(code, 0, stderr);
		assert.match(stdout, /^upload {5}local; directory dumps with at most 4.0 MiB here$/m);
		assert.match(stdout, /^ {2}a +directory .* -> a_[^ ]*\.d$/m);
		assert.match(stdout, /^ +-> a_[^ ]*\.d\.sha256$/m);
		assert.match(stdout, /pg_globals_[^ ]*\.sql -> pg_globals_[^ ]*\.sql$/m);
	});
});
