/** Restores from where dumps are kept: remote locations, and directories that pg_back 2.6 wrote. Hostile dumps and names among them. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {copyFileSync, existsSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {gzipSync} from 'node:zlib';
import {clientDirectory, type Cluster, startCluster} from '../helpers/cluster.js';
import {connectTo, type Ended, newAgeKeys, runProgram, scratchDirectory, startProgram} from '../helpers/program.js';
import {type Place, placeKinds, runConfigured} from './remote-places.js';

let source: Cluster;
let target: Cluster;
let keys: {readonly recipient: string; readonly identity: string};
let identity: string;

before(async () => {
	source = await startCluster({name: 'places-from'});
	target = await startCluster({name: 'places-to'});
	await source.psql('postgres', "create database app; alter database app set work_mem = '5MB'");
	await source.psql(
		'app',
		"create table t as select i, repeat(md5(i::text), 10) as text from generate_series(1, 3000) as i; create index on t (i); select lo_from_bytea(0, '\\x0011')",
	);
	keys = await newAgeKeys();
	identity = join(scratchDirectory('places-key'), 'identity');
	writeFileSync(identity, keys.identity, {mode: 0o600});
});
after(async () => {
	await source.stop();
	await target.stop();
});

const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;
const summary = 'select count(*), sum(i), md5(string_agg(text, null order by i)) from t';

function succeeded(ended: Ended): Ended {
	assert.equal(ended.code, 0, ended.stderr);
	return ended;
}

async function databasesOf(cluster: Cluster): Promise<readonly string[]> {
	return (await cluster.psql('postgres', 'select datname from pg_database order by 1')).split('\n');
}

async function drop(...names: readonly string[]): Promise<void> {
	for (const name of names) await target.psql('postgres', `drop database if exists ${quoted(name)} with (force)`);
}

async function onlyInitial(): Promise<void> {
	assert.deepEqual(await databasesOf(target), ['postgres', 'template0', 'template1']);
}

const remoteKinds = placeKinds.filter(({store}) => ['s3', 'local'].includes(store));
const forms = [
	['custom', 'encrypted'],
	['plain', 'encrypted'],
	['directory', 'encrypted'],
] as const;

for (const kind of remoteKinds) {
	const skip = kind.missing === undefined ? {} : {skip: kind.missing};
	describe(`from ${kind.store}`, skip, () => {
		for (const [format, secret] of forms) {
			test(`${format}, ${secret}: to another name and to its own; a name that is taken is refused`, async () => {
				const place = await kind.start();
				try {
					await fromPlace(place, format, secret);
				} finally {
					await place.stop();
				}
			});
		}
	});
}

async function fromPlace(place: Place, format: string, secret: 'encrypted' | 'clear'): Promise<void> {
	const encryption = secret === 'encrypted' ? ['--encrypt', '--cipher-public-key', keys.recipient] : [];
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
		succeeded(await restore(identity, ...args));
		const name = (await databasesOf(target)).find(one => /^(app|other)/.test(one)) ?? '';
		assert.equal(await target.psql(name, summary), await source.psql('app', summary), args.join(' '));
		assert.equal(await target.psql(name, 'show work_mem'), '5MB');
		if (args.length > 0) await drop(name);
		else {
			const again = await restore(identity);
			assert.equal(again.code, 1, again.stderr);
			assert.match(again.stderr, /app exists.*--into/);
			await drop(name);
		}
	}
	if (secret === 'encrypted') {
		const other = join(scratchDirectory('places-key2'), 'identity');
		writeFileSync(other, (await newAgeKeys()).identity, {mode: 0o600});
		const wrong = await restore(other);
		assert.equal(wrong.code, 16, wrong.stderr);
	}
	const dump =
		(await place.keys()).find(
			key => /(^|\/)app_.*\.(dump|sql|tar|d\/toc\.dat)(\.age)?$/.test(key) && !key.includes('createdb'),
		) ?? '';
	const bytes = Buffer.from(await place.read(dump));
	bytes[bytes.length - 30]! ^= 0xff;
	await place.replace(dump, bytes);
	const damaged = await restore(identity);
	assert.equal(damaged.code, 17, damaged.stderr);
	await place.replace(dump, bytes.subarray(0, bytes.length / 2));
	const cut = await restore(identity);
	assert.ok([14, 17].includes(cut.code ?? 0), cut.stderr);
	await onlyInitial();
}

/** A file as pg_dump of a crontab with pg_back 2.6 left it. */
function dumpTo(database: string, path: string, ...args: readonly string[]): void {
	execFileSync(join(clientDirectory(source.major), 'pg_dump'), [
		'-d',
		source.connectionString(database),
		'-f',
		path,
		...args,
	]);
}

function restoreFrom(directory: string, ...args: readonly string[]): Promise<Ended> {
	return runProgram([
		...connectTo(target, directory),
		'--cipher-identity-file',
		identity,
		'--restore',
		'backup',
		...args,
	]);
}

describe('runs of pg_back 2.6, without a manifest', () => {
	for (const [suffix, args, time] of [
		['dump', ['-Fc'], '2024-03-01T04:00:07Z'],
		['tar', ['-Ft'], '2024-03-01T04:00:07+05:30'],
		['d', ['-Fd'], '2024-03-01_04-00-07'],
		['sql', [], '2024-03-01T04:00:07Z'],
		['sql.gz', ['-Z', '6'], '2024-03-01_04-00-07'],
	] as const) {
		test(`.${suffix} of ${time}`, async () => {
			const directory = scratchDirectory('places-26');
			dumpTo('app', join(directory, `app_${time}.${suffix}`), ...args);
			writeFileSync(
				join(directory, `app_${time}.createdb.sql`),
				'--\n-- Database creation\n--\n\nCREATE DATABASE "app" WITH TEMPLATE = template0 OWNER = "postgres" ENCODING = \'UTF8\' LC_COLLATE = \'C.UTF-8\' LC_CTYPE = \'C.UTF-8\';\n\nALTER DATABASE "app" SET "work_mem" TO \'5MB\';\n',
			);
			writeFileSync(
				join(directory, `pg_globals_${time}.sql`),
				'CREATE ROLE postgres;\nALTER ROLE postgres WITH SUPERUSER;\n',
			);
			const {stderr} = succeeded(await restoreFrom(directory, 'app'));
			assert.match(stderr, /no manifest/);
			assert.equal(await target.psql('app', summary), await source.psql('app', summary));
			assert.equal(await target.psql('app', 'show work_mem'), '5MB');
			await drop('app');
			succeeded(await restoreFrom(directory));
			await drop('app');
			await onlyInitial();
		});
	}

	test('are taken last: a run with a manifest counts first, and --as-of reaches behind it', async () => {
		const directory = scratchDirectory('places-26-last');
		succeeded(await runProgram([...connectTo(source, directory), 'app']));
		dumpTo('app', join(directory, 'app_2099-01-01T00:00:00Z.dump'), '-Fc');
		dumpTo('app', join(directory, 'app_2020-01-01T00:00:00Z.dump'), '-Fc');
		const {stderr} = succeeded(await restoreFrom(directory, 'app', '--into', 'newest'));
		assert.doesNotMatch(stderr, /no manifest/);
		const old = succeeded(await restoreFrom(directory, 'app', '--into', 'old', '--as-of', '2021-01-01'));
		assert.match(old.stderr, /WARN.*no manifest/);
		const named = succeeded(await restoreFrom(directory, 'app', '--into', 'named', '--run', '2099-01-01T00:00:00Z'));
		assert.match(named.stderr, /WARN.*no manifest/);
		await drop('newest', 'old', 'named');
		await onlyInitial();
	});
});

test('a plain dump: each table in its tablespace, in the default one if the target lacks it', async t => {
	if (source.major < 15) return t.skip('PostgreSQL 15 or newer has tablespaces without a directory of their own');
	const create = (name: string) => `set allow_in_place_tablespaces = on; create tablespace ${name} location ''`;
	for (const cluster of [source, target]) await cluster.psql('postgres', create(`"it's "" 1"`));
	await source.psql('postgres', `create database placed; ${create('only_here')}`);
	await source.psql(
		'placed',
		`create table a (i int) tablespace "it's "" 1"; create table b (i int); create index on b (i) tablespace "it's "" 1";
		create table c (i int) tablespace only_here; create table d (i int)`,
	);
	const directory = scratchDirectory('places-tablespaces');
	dumpTo('placed', join(directory, 'placed_2024-03-01T04:00:07Z.sql'));
	const {stderr} = succeeded(await restoreFrom(directory, 'placed'));
	assert.match(stderr, /tablespace only_here does not exist in the target: the default one is used/);
	assert.equal(
		await target.psql(
			'placed',
			`select string_agg(relname || ': ' || coalesce(spcname, 'default'), ', ' order by relname) from pg_class c
			left join pg_tablespace t on t.oid = reltablespace where relnamespace = 'public'::regnamespace`,
		),
		`a: it's " 1, b: default, b_i_idx: it's " 1, c: default, d: default`,
	);
	await drop('placed');
	await source.psql('postgres', 'drop database placed');
});

describe('a plain dump with commands of psql', () => {
	const planted = [
		String.raw`\! touch MARK`,
		String.raw`\copy t to program 'touch MARK'`,
		String.raw`select 1; \! touch MARK`,
		String.raw`select 'MARK' \g |touch MARK`,
		'\\setenv PAGER x\n',
		String.raw`\i /etc/passwd`,
		'\\o |touch MARK',
		'select $x$ \\! $x$ \\! touch MARK',
		"select E'\\'' \\! touch MARK\n;",
		'/* /* */ \\! */ \\! touch MARK',
	];
	for (const [form, line] of planted.map((text, index) => [index === 0 ? 'sql.gz' : 'sql', text] as const)) {
		test(`.${form}: ${JSON.stringify(line)}`, async () => {
			const directory = scratchDirectory('places-hostile');
			const mark = join(directory, 'mark');
			const path = join(directory, 'app_2024-03-01T04:00:07Z.sql');
			dumpTo('app', path);
			const lines = readFileSync(path, 'utf8').split('\n');
			const at = lines.findIndex(text => text.startsWith('CREATE TABLE'));
			const text = [...lines.slice(0, at), ...line.replaceAll('MARK', mark).split('\n'), ...lines.slice(at)].join('\n');
			writeFileSync(path, form === 'sql' ? text : gzipSync(text));
			if (form === 'sql.gz') {
				copyFileSync(path, `${path}.gz`);
				execFileSync('rm', [path]);
			}
			for (const args of [['app', '--into', 'x']]) {
				const ended = await restoreFrom(directory, ...args);
				assert.equal(ended.code, 17, ended.stderr);
				assert.match(ended.stderr, new RegExp(`line ${at + 1}\\b`), ended.stderr);
				assert.ok(!existsSync(mark));
				await onlyInitial();
			}
		});
	}
});

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
	test('all are dumped and restored; single ones by their name and to such a name', async () => {
		const directory = scratchDirectory('places-names');
		const server = await startCluster({name: 'places-names', settings: {work_mem: '7MB'}});
		try {
			for (const [index, name] of hostile.entries()) {
				await server.psql('postgres', `create database ${quoted(name)}`);
				await server.psql(name, `create table t as select ${index} as i`);
			}
			succeeded(await runProgram(connectTo(server, directory)));
			const {stderr} = succeeded(await restoreFrom(directory));
			assert.match(stderr, /to read, never applied: work_mem was '7MB', the target has '4MB'/);
			for (const [index, name] of hostile.entries()) {
				assert.equal(await target.psql(name, 'select i from t'), String(index), name);
				await drop(name);
			}
			await onlyInitial();
			for (const [name, into] of [
				['--', "a'b"],
				[' dbname=postgres host=/tmp', 'postgresql://x/y'],
				['é'.repeat(31), '-rf'],
			] as const) {
				succeeded(await restoreFrom(directory, '--into', into, '--', name));
				assert.equal(await target.psql(into, 'select i from t'), String(hostile.indexOf(name)));
				await drop(into);
				await onlyInitial();
			}
		} finally {
			await server.stop();
		}
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
					assert.match(
						ended.stderr,
						/the unfinished database slow\.pgbk-\w{6} still exists .*--cleanup-restores to drop it/,
					);
					if (!returns) return;
					while (!(await databasesOf(server).catch(() => undefined)));
					assert.equal((await databasesOf(server)).filter(name => name.includes('.pgbk-')).length, 1);
					const cleaned = succeeded(await runProgram([...connectTo(server, directory), '--cleanup-restores']));
					assert.match(cleaned.stderr, /dropped 1 database/);
					assert.deepEqual(await databasesOf(server), ['postgres', 'template0', 'template1']);
				} finally {
					await server.stop();
				}
			});
		}
	}
});
