/** Uploads while the dump is being made, killed and resumed: what the server sees, what stays here, and how it is told. */
import assert from 'node:assert/strict';
import {createHash} from 'node:crypto';
import {existsSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {formatTimestamp} from '../../source/lib/time.js';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {waitFor} from '../helpers/postgres.js';
import {
	type Ended,
	filesIn,
	newAgeKeys,
	scratchDirectory,
	shapesIn,
	startProgram,
	withoutTime,
} from '../helpers/program.js';
import {recordingTools} from '../helpers/recorder.js';
import {runWithin} from './remote-places.js';
import {dumpOf, s3Backup, type S3Place, slowDump, withServer} from './remote-s3.js';

const mebi = 1024 * 1024;
let cluster: Cluster;
let encrypted: string[];

before(async () => {
	const keys = await newAgeKeys();
	encrypted = ['encrypt = true', `cipher_public_key = ${keys.recipient}`];
	cluster = await startCluster({name: 'uploads'});
	await cluster.psql('postgres', 'create database a; create database b');
	await cluster.psql('a', 'create table one as select i from generate_series(1, 1000) i');
});
after(async () => cluster.stop());

const backup = (url: string, directory: string, lines: readonly string[], args: readonly string[]): string[] =>
	s3Backup(cluster, url, directory, lines, args);
const run = (url: string, directory: string, lines: readonly string[], args: readonly string[]): Promise<Ended> =>
	runWithin(backup(url, directory, lines, args));
const records = (directory: string) => filesIn(directory).filter(name => /^\.pg_back-upload-/.test(name));
const unfinished = (directory: string) => filesIn(directory).filter(name => /^\.pg_back-.*(part|json)$/.test(name));

describe('while the dump is being made', () => {
	test('bytes reach the server before pg_dump ends; the object is there when all is', async () => {
		await withServer({}, async place => {
			const directory = scratchDirectory('uploads');
			const go = join(scratchDirectory('go'), 'go');
			const tools = slowDump(go, 40, 1);
			const running = await startProgram(
				backup(place.server.url, directory, encrypted, ['--dump-only', '-B', tools, 'a']),
			);
			await waitFor(() => Promise.resolve((place.server.counts.get('UploadPart') ?? 0) >= 2), 'parts', 60);
			assert.deepEqual(await place.keys(), [], 'nothing is visible yet');
			assert.ok(!existsSync(go));
			writeFileSync(go, '');
			const {code, stderr} = await running.ended;
			assert.equal(code, 0, stderr);
			const dump = filesIn(directory).find(name => name.endsWith('.age')) ?? '';
			assert.deepEqual(await place.read(dump), readFileSync(join(directory, dump)));
			assert.equal(place.server.uploads.size, 0);
			assert.deepEqual(unfinished(directory), []);
		});
	});

	test('a finished dump is uploaded although the only slot is that of a dump that still runs', async () => {
		await withServer({}, async place => {
			const directory = scratchDirectory('uploads');
			const go = join(scratchDirectory('go'), 'go');
			const {directory: tools} = recordingTools({
				pg_dump: `case "$*" in *dbname=b\\ *) head -c ${mebi} /dev/urandom; exit;; esac
head -c ${40 * mebi} /dev/urandom; while [ ! -e '${go}' ]; do sleep 0.1; done; head -c ${mebi} /dev/urandom`,
			});
			const running = await startProgram(
				backup(
					place.server.url,
					directory,
					[...encrypted, 'upload_jobs = 1'],
					[...['--dump-only', '-B', tools, '-j', '2', 'a', 'b']],
				),
			);
			await waitFor(() => Promise.resolve((place.server.counts.get('UploadPart') ?? 0) >= 2), 'parts of a', 60);
			await waitFor(async () => (await place.keys()).some(key => key.startsWith('b_')), 'the upload of b', 60);
			assert.ok(!existsSync(go), 'a is still being dumped');
			writeFileSync(go, '');
			const {code, stderr} = await running.ended;
			assert.equal(code, 0, stderr);
			assert.deepEqual(
				(await place.keys()).map(withoutTime).filter(key => /^[ab]_/.test(key)),
				['a_T.dump.age', 'b_T.dump.age'],
			);
			assert.deepEqual(unfinished(directory), []);
		});
	});

	test('a dump that fails midway leaves nothing at the server, and ends with the status of the dump', async () => {
		await withServer({}, async place => {
			const directory = scratchDirectory('uploads');
			const {directory: tools} = recordingTools({
				pg_dump: `head -c ${40 * mebi} /dev/urandom; sleep 1; echo 'pg_dump: error: it broke' >&2; exit 1`,
			});
			const {code, stderr} = await run(place.server.url, directory, encrypted, ['--dump-only', '-B', tools, 'a']);
			assert.equal(code, 1, stderr);
			assert.ok((place.server.counts.get('UploadPart') ?? 0) >= 1, 'it was being sent');
			assert.equal(place.server.uploads.size, 0, 'and was taken back');
			assert.deepEqual(
				(await place.keys()).filter(key => /^a_/.test(key)),
				[],
			);
			assert.deepEqual(unfinished(directory), []);
		});
	});

	test('a server that takes nothing does not hold the dump up, whose file stays; the next run ships it', async () => {
		await withServer({}, async place => {
			const directory = scratchDirectory('uploads');
			place.server.faults.push({do: 'stall', times: Infinity});
			const running = await startProgram(
				backup(
					place.server.url,
					directory,
					[...encrypted, 'remote_timeout = 5', 'remote_retry = 20'],
					['--dump-only', '-B', dumpOf(20), '-j', '2', 'a', 'b'],
				),
			);
			await waitFor(
				() => Promise.resolve(shapesIn(directory).filter(name => /^[ab]_T\.dump\.age$/.test(name)).length === 2),
				'both dumps, finished while the server is silent',
				60,
			);
			const {code, stderr} = await running.ended;
			assert.equal(code, 14, stderr);
			assert.match(stderr, /could not (upload|inspect) a_.*dump\.age (to|at) s3:\/\/bucket\/: /);
			assert.deepEqual(await place.keys(), []);
			assert.ok(records(directory).length >= 2);
			place.server.faults.length = 0;
			const resumed = await run(place.server.url, directory, encrypted, ['--resume-uploads']);
			assert.equal(resumed.code, 0, resumed.stderr);
			assert.deepEqual(
				(await place.keys()).map(withoutTime).filter(key => /^[ab]_/.test(key)),
				['a_T.dump.age', 'b_T.dump.age'],
			);
			assert.deepEqual(unfinished(directory), []);
		});
	});

	test('a remote that refuses one database: the others are shipped, its files stay, delete_uploaded or not', async () => {
		const may = (_id: string, action: string, key: string) => !(action === 'PutObject' && key.startsWith('a_'));
		await withServer({may}, async place => {
			const directory = scratchDirectory('uploads');
			const {code, stderr} = await run(
				place.server.url,
				directory,
				['delete_uploaded = yes', 'checksum_algorithm = sha256'],
				['--dump-only', 'a', 'b'],
			);
			assert.equal(code, 14, stderr);
			assert.match(stderr, /could not upload a_[^ ]* to s3:\/\/bucket\/: access denied/);
			assert.deepEqual(
				shapesIn(directory).filter(name => !name.startsWith('.')),
				['a_T.dump', 'a_T.dump.sha256'],
			);
			assert.deepEqual((await place.keys()).filter(key => !/manifest/.test(key)).map(withoutTime), [
				'b_T.dump',
				'b_T.dump.sha256',
			]);
		});
	});
});

describe('killed and resumed', () => {
	/** Kills the program when the server has so many parts, and takes no more. Gives the parts that are there. */
	async function killMidway(
		place: S3Place,
		directory: string,
		lines: readonly string[],
		args: readonly string[],
	): Promise<number> {
		place.server.faults.push({action: 'UploadPart', do: 'silence', skip: 3, times: Infinity});
		const running = await startProgram(
			backup(place.server.url, directory, ['remote_timeout = 60', ...lines].toReversed(), args),
		);
		await waitFor(
			() =>
				Promise.resolve(
					[...place.server.uploads.values()].some(one => one.parts.size === 3) && records(directory).length > 0,
				),
			'three parts',
			60,
		);
		await waitFor(
			() =>
				Promise.resolve(
					records(directory).some(name => readFileSync(join(directory, name), 'utf8').includes('uploadId')),
				),
			'the journal',
		);
		running.child.kill('SIGKILL');
		await running.ended;
		await waitFor(async () => (await place.server.connections()) === 0, 'the end of what was on its way', 60);
		place.server.faults.length = 0;
		place.server.counts.clear();
		return 3;
	}

	for (const [what, lines] of [
		['a whole file', () => ['s3_part_size = 8M']],
		['a file that was followed while it grew', () => encrypted],
	] as const) {
		test(`${what}: only the parts that are missing are sent, and the journal goes`, async () => {
			await withServer({}, async place => {
				const directory = scratchDirectory('uploads');
				const there = await killMidway(place, directory, lines(), ['--dump-only', '-B', dumpOf(50), 'a']);
				const {code, stderr} = await run(place.server.url, directory, lines(), ['--resume-uploads']);
				assert.equal(code, 0, stderr);
				const name = filesIn(directory).find(one => one.startsWith('a_')) ?? '';
				const all = Math.ceil(statSync(join(directory, name)).size / (8 * mebi));
				assert.equal(place.server.counts.get('UploadPart'), all - there);
				assert.equal(place.server.counts.get('CreateMultipartUpload') ?? 0, 0);
				assert.deepEqual(await place.read(name), readFileSync(join(directory, name)));
				assert.deepEqual(unfinished(directory), []);
				assert.match(stderr, /resuming the interrupted upload of a_.*: 3 parts are already stored/);
			});
		});
	}

	test('by two runs at once: only one goes on with it', async () => {
		await withServer({}, async place => {
			const directory = scratchDirectory('uploads');
			const there = await killMidway(place, directory, [], ['--dump-only', '-B', dumpOf(50), 'a']);
			const both = await Promise.all([1, 2].map(() => run(place.server.url, directory, [], ['--resume-uploads'])));
			for (const {code, stderr} of both) assert.equal(code, 0, stderr);
			assert.equal(place.server.counts.get('UploadPart'), 7 - there);
			assert.deepEqual(unfinished(directory), []);
		});
	});

	test('by the next backup, with delete_uploaded: the old file goes once it is there', async () => {
		await withServer({}, async place => {
			const directory = scratchDirectory('uploads');
			const lines = ['delete_uploaded = yes'];
			await killMidway(place, directory, lines, ['--dump-only', '-B', dumpOf(50), 'a']);
			const {code, stderr} = await run(place.server.url, directory, lines, ['--dump-only', 'b']);
			assert.equal(code, 0, stderr);
			const there = (await place.keys()).map(withoutTime).filter(key => !/manifest/.test(key));
			assert.deepEqual(there, ['a_T.dump', 'b_T.dump']);
			assert.deepEqual(
				readdirSync(directory).filter(name => !name.endsWith('.lock')),
				[],
			);
		});
	});

	const spoilers: readonly (readonly [string, (path: string) => void, string])[] = [
		[
			'has changed since',
			path => {
				const bytes = readFileSync(path);
				bytes[5]! ^= 1;
				writeFileSync(path, bytes);
				utimesSync(path, new Date(), new Date());
			},
			'has changed',
		],
		['is gone', path => rmSync(path), 'does not exist any more'],
	];
	for (const [name, spoil, reason] of spoilers) {
		test(`a file that ${name} is not uploaded: an error, and in the next backup a warning`, async () => {
			await withServer({}, async place => {
				for (const args of [['--resume-uploads'], ['--dump-only', 'b']]) {
					const directory = scratchDirectory('uploads');
					await killMidway(place, directory, [], ['--dump-only', '-B', dumpOf(50), 'a']);
					spoil(join(directory, filesIn(directory).find(one => one.startsWith('a_')) ?? ''));
					const {code, stderr} = await run(place.server.url, directory, [], args);
					const isBackup = args.includes('b');
					assert.equal(code, isBackup ? 0 : 14, stderr);
					const line = `${isBackup ? 'WARN: ' : 'ERROR: a_.* failed: '}upload of a_.* is not resumed: .* ${reason}`;
					assert.match(stderr, new RegExp(line));
					assert.deepEqual(
						(await place.keys()).filter(key => key.startsWith('a_')),
						[],
					);
					assert.deepEqual(records(directory), []);
				}
			});
		});
	}

	test('a part that was damaged at the server is sent again', async () => {
		await withServer({}, async place => {
			const directory = scratchDirectory('uploads');
			await killMidway(place, directory, [], ['--dump-only', '-B', dumpOf(50), 'a']);
			const [upload] = place.server.uploads.values();
			const part = upload?.parts.get(2);
			if (part) part.crc32 = 'AAAAAA==';
			const {code, stderr} = await run(place.server.url, directory, [], ['--resume-uploads']);
			assert.equal(code, 0, stderr);
			assert.equal(place.server.counts.get('UploadPart'), 7 - 2);
			const name = filesIn(directory).find(one => one.startsWith('a_')) ?? '';
			assert.deepEqual(await place.read(name), readFileSync(join(directory, name)));
		});
	});

	test('the name of the manifest is that of a run of another machine: this run takes a later second', async () => {
		await withServer({}, async place => {
			const text = Buffer.from('of another run');
			const etag = `"${createHash('md5').update(text).digest('hex')}"`;
			const held = {bytes: text, size: text.length, etag, modified: Date.now(), headers: {}, version: '1'};
			const start = Date.now();
			const taken = Array.from(
				{length: 30},
				(_, second) => `pg_back_${formatTimestamp(new Date(start + second * 1000), 'rfc3339')}.manifest.json`,
			);
			for (const key of taken) place.server.objects.set(key, held);
			const {code, stderr} = await run(place.server.url, scratchDirectory('uploads'), [], ['--dump-only', 'a']);
			assert.equal(code, 0, stderr);
			const manifests = (await place.keys()).filter(key => key.endsWith('.manifest.json'));
			assert.equal(manifests.length, taken.length + 1);
			for (const key of taken) assert.deepEqual(await place.read(key), text);
		});
	});

	test('cleanup-remote aborts uploads older than a day below the prefix, and no others', async () => {
		await withServer({}, async place => {
			const day = 86_400_000;
			const upload = (id: string, key: string, age: number) =>
				place.server.uploads.set(id, {
					key,
					id,
					initiated: Date.now() - age,
					headers: {},
					parts: new Map(),
					checksums: true,
				});
			upload('old', 'mine/a_x.dump', 2 * day);
			upload('new', 'mine/b_x.dump', day / 2);
			upload('foreign', 'theirs/a.dump', 9 * day);
			const {code, stderr} = await run(
				place.server.url,
				scratchDirectory('uploads'),
				['upload_prefix = mine'],
				['--cleanup-remote', 's3'],
			);
			assert.equal(code, 0, stderr);
			assert.deepEqual([...place.server.uploads.keys()], ['new', 'foreign']);
			assert.match(stderr, /aborted 1 unfinished upload at s3:\/\/bucket\/mine\//);
		});
	});
});
