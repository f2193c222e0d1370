/** Restores from remote locations, of databases whose names are hard to carry, and into servers that die. */
import assert from 'node:assert/strict';
import {after, before, describe, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {databasesOf, dropDatabases, quoted} from '../helpers/databases.js';
import {
	connectTo,
	type Ended,
	type KeyFile,
	newKeyFile,
	runProgram,
	scratchDirectory,
	startProgram,
	succeeded,
} from '../helpers/program.js';
import {type Place, placeKinds, runConfigured} from './remote-places.js';

let source: Cluster;
let target: Cluster;
let keys: KeyFile;

before(async () => {
	source = await startCluster({name: 'places-from'});
	target = await startCluster({name: 'places-to'});
	await source.psql('postgres', "create database app; alter database app set work_mem = '5MB'");
	await source.psql(
		'app',
		"create table t as select i, repeat(md5(i::text), 10) as text from generate_series(1, 3000) as i; create index on t (i); select lo_from_bytea(0, '\\x0011')",
	);
	keys = await newKeyFile();
});
after(async () => {
	await source.stop();
	await target.stop();
});

const summary = 'select count(*), sum(i), md5(string_agg(text, null order by i)) from t';

const remoteKinds = placeKinds.filter(({store}) => ['s3', 'local'].includes(store));

for (const kind of remoteKinds) {
	const skip = kind.missing === undefined ? {} : {skip: kind.missing};
	describe(`from ${kind.store}`, skip, () => {
		for (const format of ['custom', 'plain', 'directory']) {
			test(`${format}, encrypted: to another name and to its own; a name that is taken is refused`, async () => {
				const place = await kind.start();
				try {
					await fromPlace(place, format);
				} finally {
					await place.stop();
				}
			});
		}
	});
}

async function fromPlace(place: Place, format: string): Promise<void> {
	const encryption = ['--encrypt', '--cipher-public-key', keys.recipient];
	const options = {env: place.env};
	const shipped = await runConfigured(
		source,
		[...place.settings, `upload = ${place.store}`],
		['--format', format, ...encryption, 'app'],
		options,
	);
	succeeded(shipped);
	const restore = (key: string, ...args: readonly string[]) =>
		runConfigured(
			target,
			place.settings,
			['--restore', place.store, 'app', '--cipher-identity-file', key, ...args],
			options,
		);
	for (const args of [[], ['--into', 'other_{time}', '--stream', 'yes']]) {
		succeeded(await restore(keys.file, ...args));
		const name = (await databasesOf(target)).find(one => /^(app|other)/.test(one)) ?? '';
		assert.equal(await target.psql(name, summary), await source.psql('app', summary), args.join(' '));
		assert.equal(await target.psql(name, 'show work_mem'), '5MB');
		if (args.length > 0) await dropDatabases(target, name);
		else {
			const again = await restore(keys.file);
			assert.equal(again.code, 1, again.stderr);
			assert.match(again.stderr, /app exists.*--into/);
			await dropDatabases(target, name);
		}
	}
	const wrong = await restore((await newKeyFile()).file);
	assert.equal(wrong.code, 16, wrong.stderr);
	const dump =
		(await place.keys()).find(
			key => /(^|\/)app_.*\.(dump|sql|tar|d\/toc\.dat)(\.age)?$/.test(key) && !key.includes('createdb'),
		) ?? '';
	const bytes = Buffer.from(await place.read(dump));
	bytes[bytes.length - 30]! ^= 0xff;
	await place.replace(dump, bytes);
	const damaged = await restore(keys.file);
	assert.equal(damaged.code, 17, damaged.stderr);
	await place.replace(dump, bytes.subarray(0, bytes.length / 2));
	const cut = await restore(keys.file);
	assert.ok([14, 17].includes(cut.code ?? 0), cut.stderr);
	assert.deepEqual(await databasesOf(target), []);
}

function restoreFrom(directory: string, ...args: readonly string[]): Promise<Ended> {
	return runProgram([...connectTo(target, directory), '--restore', 'backup', ...args]);
}

/** Quotes, blanks, what connection strings and shells and file names read, unicode, 63 bytes. */
const hostile = [
	'-rf',
	'--',
	"a'b",
	'a"b',
	'a b ',
	' dbname=postgres host=/tmp',
	'postgresql://x/y',
	'a/b',
	'..',
	'.hid',
	'$(touch x)`y`',
	'a\\b',
	'%41%00',
	'{dbname}',
	'{time}',
	'été☃💾',
	'A.B',
	'x\ny',
	'*',
	'pg_globals',
	'app_2024-03-01T04:00:07Z',
	'template1x.pgbk-abcdef',
	'x'.repeat(63),
	'é'.repeat(31),
];

describe('names of databases that are hard to carry', () => {
	const directory = scratchDirectory('places-names');

	before(async () => {
		const server = await startCluster({name: 'places-names', settings: {work_mem: '7MB'}});
		try {
			await server.psql('postgres', hostile.map(name => `create database ${quoted(name)};`).join('\n'));
			for (const [index, name] of hostile.entries()) await server.psql(name, `create table t as select ${index} as i`);
			succeeded(await runProgram(connectTo(server, directory)));
		} finally {
			await server.stop();
		}
	});

	test('all are restored', async () => {
		const {stderr} = succeeded(await restoreFrom(directory));
		assert.match(stderr, /to read, never applied: work_mem was '7MB', the target has '4MB'/);
		for (const [index, name] of hostile.entries())
			assert.equal(await target.psql(name, 'select i from t'), String(index), name);
		await dropDatabases(target, ...hostile);
		assert.deepEqual(await databasesOf(target), []);
	});

	for (const [name, into] of [
		['--', "a'b"],
		[' dbname=postgres host=/tmp', 'postgresql://x/y'],
		['é'.repeat(31), '-rf'],
	] as const)
		test(`${name} is restored by its name, to ${into}`, async () => {
			succeeded(await restoreFrom(directory, '--into', into, '--', name));
			assert.equal(await target.psql(into, 'select i from t'), String(hostile.indexOf(name)));
			await dropDatabases(target, into);
			assert.deepEqual(await databasesOf(target), []);
		});
});

describe('a server that dies in the middle of a restore', () => {
	const sleeper = "from pg_stat_activity where wait_event = 'PgSleep'";

	before(async () => {
		await source.psql('postgres', 'create database slow');
		await source.psql(
			'slow',
			`create function slow(i int) returns boolean language sql as 'select true';
			create table t (i int check (slow(i))); insert into t values (1);
			create or replace function slow(i int) returns boolean language sql as 'select pg_sleep(3600) is not null'`,
		);
	});

	for (const [format, options] of [
		['custom', []],
		['custom', ['--stream', 'yes']],
		['plain', []],
	] as const) {
		for (const returns of format === 'plain' ? [true, false] : [true]) {
			test(`${format} ${options.join(' ')}, ${returns ? 'and recovers' : 'for good'}: exit 1 and no name; the leftover can be dropped`, async () => {
				const directory = scratchDirectory('places-death');
				succeeded(await runProgram([...connectTo(source, directory), '--format', format, 'slow']));
				const server = await startCluster({name: 'places-death'});
				try {
					const running = await startProgram([
						...connectTo(server, directory),
						'--restore',
						'backup',
						'slow',
						...options,
					]);
					let pid = '';
					while (pid === '') pid = await server.psql('postgres', `select pid ${sleeper}`);
					if (returns) process.kill(Number(pid), 'SIGKILL');
					else await server.stop();
					const ended = await running.ended;
					assert.equal(ended.code, 1, ended.stderr);
					const left =
						/the unfinished database slow\.pgbk-\w{6} still exists .*: run pg_back .*--cleanup-restores .*to drop it/;
					if (!returns) {
						assert.match(ended.stderr, left);
						return;
					}
					while (!(await databasesOf(server).catch(() => undefined)));
					// If the server has recovered by then, the database is dropped over another session.
					const count = left.test(ended.stderr) ? 1 : 0;
					assert.equal((await databasesOf(server)).length, count);
					const cleaned = succeeded(await runProgram([...connectTo(server, directory), '--cleanup-restores']));
					assert.match(cleaned.stderr, count === 1 ? /dropped 1 database/ : /nothing to clean up/);
					assert.deepEqual(await databasesOf(server), []);
				} finally {
					await server.stop();
				}
			});
		}
	}

	test('--keep: what could not be marked as kept is not said to be', async () => {
		const directory = scratchDirectory('places-death');
		succeeded(await runProgram([...connectTo(source, directory), 'slow']));
		const server = await startCluster({name: 'places-death'});
		try {
			const running = await startProgram([...connectTo(server, directory), '--restore', 'backup', 'slow', '--keep']);
			while ((await server.psql('postgres', `select pid ${sleeper}`)) === '');
			await server.stop();
			const {code, stderr} = await running.ended;
			assert.equal(code, 1, stderr);
			assert.match(
				stderr,
				/slow\.pgbk-\w{6} could not be marked as kept .*: the next restore and pg_back .*--cleanup-restores .*drop/,
			);
			assert.doesNotMatch(stderr, /kept the/);
		} finally {
			await server.stop();
		}
	});
});
