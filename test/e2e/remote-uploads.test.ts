/** Uploads while the dump is being made, killed, resumed and failing: what the server sees, what stays here, and how it is told. */
import assert from 'node:assert/strict';
import {existsSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {startCluster, type Cluster} from '../helpers/cluster.js';
import {waitFor} from '../helpers/postgres.js';
import {
	connectTo,
	filesIn,
	newAgeKeys,
	scratchDirectory,
	shapesIn,
	startProgram,
	withoutTime,
	type Ended,
} from '../helpers/program.js';
import {recordingTools} from '../helpers/recorder.js';
import {testCredential, type S3ServerOptions} from '../helpers/s3-server.js';
import {configFile, impatient, runWithin, s3Settings, startS3Place} from './remote-places.js';

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

type S3Place = Awaited<ReturnType<typeof startS3Place>>;

async function withServer(options: S3ServerOptions, work: (place: S3Place) => Promise<void>): Promise<void> {
	const place = await startS3Place(options);
	try {
		await work(place);
	} finally {
		await place.stop();
	}
}

/** The arguments of a run against S3. */
function backup(url: string, directory: string, lines: readonly string[], args: readonly string[]): string[] {
	const [, ...connection] = connectTo(cluster, directory);
	const config = configFile([...s3Settings(url), ...impatient, 'upload = s3', ...lines]);
	return ['-c', config, ...connection, ...args];
}

const run = (url: string, directory: string, lines: readonly string[], args: readonly string[]): Promise<Ended> =>
	runWithin(backup(url, directory, lines, args));

const records = (directory: string) => filesIn(directory).filter(name => /^\.pg_back-upload-/.test(name));
const unfinished = (directory: string) => filesIn(directory).filter(name => /^\.pg_back-.*(part|json)$/.test(name));

/** A pg_dump that writes `first` MiB, waits for the file `go`, and writes `second` MiB more. */
function slowDump(go: string, first: number, second: number): string {
	const tools = recordingTools({
		pg_dump: `head -c ${first * mebi} /dev/urandom; while [ ! -e '${go}' ]; do sleep 0.1; done; head -c ${second * mebi} /dev/urandom`,
	});
	return tools.directory;
}

/** A pg_dump of so many MiB, by the name of the database. */
function dumpOf(size: number): string {
	return recordingTools({pg_dump: `head -c ${size * mebi} /dev/urandom`}).directory;
}

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
				backup(place.server.url, directory, encrypted, ['--dump-only', '-B', dumpOf(20), '-j', '2', 'a', 'b']),
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
				assert.match(stderr, /going on with the interrupted upload of a_.*: 3 parts are there already/);
			});
		});
	}

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

	test('a file that has changed since is not gone on with, and it is told', async () => {
		await withServer({}, async place => {
			const directory = scratchDirectory('uploads');
			await killMidway(place, directory, [], ['--dump-only', '-B', dumpOf(50), 'a']);
			const name = filesIn(directory).find(one => one.startsWith('a_')) ?? '';
			const bytes = readFileSync(join(directory, name));
			bytes[5]! ^= 1;
			writeFileSync(join(directory, name), bytes);
			utimesSync(join(directory, name), new Date(), new Date());
			const {code, stderr} = await run(place.server.url, directory, [], ['--resume-uploads']);
			assert.equal(code, 0, stderr);
			assert.match(stderr, /WARN: a_.* is not uploaded any further: .* has changed/);
			assert.deepEqual(await place.keys(), []);
			assert.deepEqual(records(directory), []);
		});
	});

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

describe('faults', () => {
	type Fault = S3Place['server']['faults'][number];
	const cases: readonly {
		readonly what: string;
		readonly fault: Fault;
		/** What the run ends with; 0 where it is to be overcome. */
		readonly code: number;
		readonly says?: RegExp;
		/** MiB. */
		readonly size?: number;
	}[] = [
		{
			what: '503 with Retry-After',
			fault: {action: 'PutObject', do: 'answer', status: 503, code: 'SlowDown', headers: {'retry-after': '1'}},
			code: 0,
			says: /trying again in 1\.\d s/,
		},
		{
			what: '503 for ever',
			fault: {do: 'answer', status: 503, code: 'SlowDown', times: Infinity},
			code: 14,
			says: /asks to slow down.*gave up/,
		},
		{
			what: 'a reset in the middle of a part',
			fault: {action: 'UploadPart', part: 2, do: 'reset', after: 100_000},
			code: 0,
			size: 20,
		},
		{what: 'silence', fault: {action: 'UploadPart', part: 2, do: 'silence'}, code: 0, size: 20},
		{
			what: 'silence for ever',
			fault: {do: 'silence', times: Infinity},
			code: 14,
			says: /timed out|nothing was heard|timeout/i,
		},
		{
			what: 'a wrong checksum',
			fault: {action: 'UploadPart', part: 2, do: 'wrongChecksum', times: Infinity},
			code: 14,
			size: 20,
			says: /crc32/,
		},
		{
			what: '200 with an error in its body',
			fault: {action: 'CompleteMultipartUpload', do: 'errorIn200', times: Infinity},
			code: 14,
			size: 20,
			says: /InternalError|did not confirm/,
		},
		{what: 'an answer that is lost', fault: {action: 'CompleteMultipartUpload', do: 'lose'}, code: 0, size: 20},
		{
			what: 'bytes that are damaged at the server',
			fault: {action: 'PutObject', do: 'damage', how: 'truncate', times: Infinity},
			code: 14,
			says: /bytes|size/,
		},
		{
			what: 'a token that has expired',
			fault: {
				action: 'UploadPart',
				do: 'answer',
				status: 400,
				code: 'ExpiredToken',
				message: 'The provided token has expired.',
				times: Infinity,
			},
			code: 14,
			size: 20,
			says: /ExpiredToken/,
		},
		{
			what: 'a quota that is used up',
			fault: {action: 'PutObject', do: 'answer', status: 403, code: 'QuotaExceeded', times: Infinity},
			code: 14,
			says: /QuotaExceeded/,
		},
		{
			what: 'no access',
			fault: {do: 'answer', status: 403, code: 'AccessDenied', times: Infinity},
			code: 14,
			says: /access denied/,
		},
		{
			what: 'no such bucket',
			fault: {do: 'answer', status: 404, code: 'NoSuchBucket', times: Infinity},
			code: 14,
			says: /NoSuchBucket/,
		},
	];
	for (const {what, fault, code: expected, says, size = 1} of cases) {
		test(`${what}: status ${expected}`, async () => {
			await withServer({}, async place => {
				const directory = scratchDirectory('uploads');
				place.server.faults.push({...fault});
				const {code, stderr} = await run(
					place.server.url,
					directory,
					['delete_uploaded = yes'],
					['--dump-only', '-B', dumpOf(size), 'a'],
				);
				assert.equal(code, expected, stderr);
				if (says) assert.match(stderr, says);
				const here = shapesIn(directory).filter(name => name === 'a_T.dump');
				const there = (await place.keys()).map(withoutTime).filter(key => key === 'a_T.dump');
				if (expected === 0) return assert.deepEqual([here, there], [[], ['a_T.dump']]);
				assert.deepEqual(here, ['a_T.dump'], 'the local file stays');
				assert.match(stderr, /ERROR: .*a_\d[^ ]*\.dump .*s3:\/\/bucket\//, 'names the key and the place');
				if (fault.do !== 'damage') assert.deepEqual(there, [], 'nothing half-visible');
				assert.ok(!stderr.includes(testCredential.secret));
			});
		});
	}

	test('a clock that is an hour off is named, and corrected', async () => {
		await withServer({clockOffset: 3_600_000}, async place => {
			const {code, stderr} = await run(place.server.url, scratchDirectory('uploads'), [], ['--dump-only', 'a']);
			assert.equal(code, 0, stderr);
			assert.match(stderr, /the clock of this machine is 3\d\d\d s behind the server's/);
		});
	});

	test('a key that exists with other content is not overwritten', async () => {
		await withServer({}, async place => {
			const directory = scratchDirectory('uploads');
			const go = join(scratchDirectory('go'), 'go');
			const running = await startProgram(
				backup(
					place.server.url,
					directory,
					['timestamp_format = legacy'],
					['--dump-only', '-B', slowDump(go, 1, 1), 'a'],
				),
			);
			await waitFor(() => Promise.resolve(filesIn(directory).some(name => name.endsWith('.part'))), 'the dump');
			const foreign = Buffer.from('somebody else was here');
			const proxy = place.server.objects;
			// Whatever its second: everything that the name may be.
			for (let second = -60; second < 60; second++) {
				const text = new Date(Date.now() + second * 1000)
					.toISOString()
					.replace('T', '_')
					.replaceAll(':', '-')
					.slice(0, 19);
				proxy.set(`a_${text}.dump`, {
					bytes: foreign,
					size: foreign.length,
					etag: 'x',
					modified: Date.now(),
					headers: {},
					version: 'x',
				});
			}
			writeFileSync(go, '');
			const {code, stderr} = await running.ended;
			assert.equal(code, 14, stderr);
			assert.match(stderr, /could not upload a_.* it exists already/);
			for (const {bytes} of [...proxy].filter(([key]) => key.startsWith('a_')).map(([, held]) => held))
				assert.equal(bytes, foreign);
		});
	});

	test('a purge that may not delete: status 14, each key once, a summary, and the dump counts', async () => {
		const may = (_id: string, action: string) => !action.startsWith('Delete');
		await withServer({may}, async place => {
			const directory = scratchDirectory('uploads');
			const purge = ['purge_remote = yes', 'purge_older_than = 0', 'purge_min_keep = 1'];
			assert.equal((await run(place.server.url, directory, purge, ['--dump-only', 'a'])).code, 0);
			const [dump] = [...place.server.objects].find(([key]) => key.startsWith('a_')) ?? [''];
			const old = [1, 2, 3].map(day => `a_2020-01-0${day}T00:00:00Z.dump`);
			for (const key of old) place.server.objects.set(key, place.server.objects.get(dump)!);
			const second = Math.floor(Date.now() / 1000);
			await waitFor(async () => Math.floor(Date.now() / 1000) > second, 'the next second: ages count by it');
			const {code, stderr} = await run(place.server.url, directory, purge, ['--dump-only', 'a']);
			assert.equal(code, 14, stderr);
			const manifest = /could not remove (pg_back_\S+) from/.exec(stderr)?.[1] ?? '';
			const told = [...stderr.matchAll(/ ERROR: could not remove (\S+) from s3:\/\/bucket\/: access denied/g)];
			assert.deepEqual(told.map(([, key]) => key).toSorted(), [...old, manifest].toSorted(), stderr);
			assert.match(
				stderr,
				/FATAL: 4 operations failed, the first: could not remove \S+ from s3:\/\/bucket\/: access denied/,
			);
			assert.doesNotMatch(stderr, /could not remove.*could not remove/);
			assert.equal((await place.keys()).filter(key => key.endsWith('.dump')).length, 5);
		});
	});
});
