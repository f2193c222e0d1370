/** Which databases are dumped, and what reaches pg_dump and pg_dumpall: recorded by wrappers around the real ones. */
import assert from 'node:assert/strict';
import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {connectTo, runProgram, scratchDirectory, shapesIn} from '../helpers/program.js';
import {type Call, recordingTools} from '../helpers/recorder.js';

let server: Cluster;

before(async () => {
	server = await startCluster({name: 'arguments'});
	await server.psql(
		'postgres',
		'create database a; create database b; create database "a.b"; create database t is_template true; create role helper superuser login',
	);
	await server.psql(
		'a',
		'create schema s; create table s.x as select 1 as i; create table s.y as select 2 as i; create table public.z as select 3 as i',
	);
});
after(async () => server.stop());

/** What pg_dump was given, by database, but for the connection and what every dump gets. */
function argumentsOf(calls: readonly Call[]): Record<string, readonly string[]> {
	return Object.fromEntries(
		calls
			.filter(call => call.tool === 'pg_dump')
			.map(({args}) => {
				const at = args.indexOf('-d');
				const database = /dbname=('[^']*'|\S+)/.exec(args[at + 1] ?? '')?.[1] ?? '';
				return [
					database,
					[...args.slice(0, at), ...args.slice(at + 2)].filter(
						argument => !/\.part$|^-f$|^--snapshot=|^--no-sync$/.test(argument),
					),
				];
			}),
	);
}

describe('arguments', () => {
	test('of each format and option', async () => {
		const base = ['-w'];
		const cases: readonly (readonly [readonly string[], readonly string[]])[] = [
			[[], ['-Fc', ...base]],
			[
				['-F', 'p', '-Z', '5'],
				['-Fp', ...base, '-Z', '5'],
			],
			[
				['-F', 'tar', '-Z', '5'],
				['-Ft', ...base],
			],
			[
				['-F', 'd', '-J', '3', '-Z', '0'],
				['-Fd', ...base, '-j', '3', '-Z', '0'],
			],
			[
				['-F', 'c', '-J', '3'],
				['-Fc', ...base],
			],
			[
				['-F', 'd', '-J', '1'],
				['-Fd', ...base],
			],
		];
		for (const [options, expected] of cases) {
			const tools = recordingTools();
			const run = await runProgram([
				...connectTo(server, scratchDirectory('out')),
				'-B',
				tools.directory,
				'--dump-only',
				...options,
				'a',
			]);
			assert.equal(run.code, 0, run.stderr);
			assert.deepEqual([...(argumentsOf(tools.calls())['a'] ?? [])].sort(), [...expected].sort());
			const dump = tools.calls().find(({tool}) => tool === 'pg_dump');
			assert.ok(dump?.args.includes('--no-sync'), 'pg_back flushes the files itself');
			assert.equal(/WARN: .*compression level is not supported/.test(run.stderr), options.includes('tar'));
		}
	});

	test('of the sections of a configuration file, which the command line overrides where it may', async () => {
		const directory = scratchDirectory('out');
		const file = join(directory, 'pg_back.conf');
		writeFileSync(
			file,
			`host = ${server.socketDirectory}
port = ${server.port}
user = postgres
backup_directory = ${directory}/dumps
checksum_algorithm = sha1
pg_dump_options = "--no-comments" --quote-all-identifiers
purge_older_than = 7
[a]
format = plain
compress_level = 3
schemas = s
exclude_schemas = information_schema, pg_catalog
tables = s.x, public.z
exclude_tables = s.y
with_blobs = false
pg_dump_options =
user = helper
checksum_algorithm = none
[a.b]
format = directory
parallel_backup_jobs = 2
with_blobs = true
`,
		);
		const tools = recordingTools();
		const run = await runProgram(['-c', file, '-B', tools.directory]);
		assert.equal(run.code, 0, run.stderr);
		const byDatabase = argumentsOf(tools.calls());
		assert.deepEqual(byDatabase['a'], [
			'-Fp',
			'-w',
			'-n',
			's',
			'-N',
			'information_schema',
			'-N',
			'pg_catalog',
			'-t',
			's.x',
			'-t',
			'public.z',
			'-T',
			's.y',
			'-B',
			'-Z',
			'3',
		]);
		assert.deepEqual(byDatabase['a.b'], ['-Fd', '-w', '-j', '2', '-b', '--no-comments', '--quote-all-identifiers']);
		assert.deepEqual(byDatabase['b'], ['-Fc', '-w', '--no-comments', '--quote-all-identifiers']);
		const userOf = (name: string) =>
			tools
				.calls()
				.map(({args}) => args[args.indexOf('-d') + 1] ?? '')
				.find(connection => connection.includes(`dbname=${name} `))
				?.match(/user=(\S+)/)?.[1];
		assert.deepEqual([userOf('a'), userOf('b')], ['helper', 'postgres']);
		const shapes = shapesIn(join(directory, 'dumps'));
		for (const name of ['a_T.sql.gz', 'a_T.createdb.sql', 'b_T.dump', 'b_T.dump.sha1', 'a.b_T.d', 'a.b_T.d.sha1'])
			assert.ok(shapes.includes(name), `${name} in ${shapes.join(' ')}`);
		assert.ok(!shapes.includes('a_T.sql.gz.sha1'));

		const other = recordingTools();
		const over = await runProgram([
			'-c',
			file,
			'-B',
			other.directory,
			'-F',
			'c',
			'-Z',
			'1',
			'-J',
			'4',
			'-U',
			'postgres',
			'-S',
			'none',
			'-b',
			join(directory, 'second'),
			'a',
			'a.b',
		]);
		assert.equal(over.code, 0, over.stderr);
		const overridden = argumentsOf(other.calls());
		assert.equal(overridden['a']?.[0], '-Fc');
		assert.deepEqual(overridden['a.b'], ['-Fc', '-w', '-b', '-Z', '1', '--no-comments', '--quote-all-identifiers']);
		assert.ok(
			other.calls().every(({args}) => !args.join(' ').includes('user=helper')),
			'-U on the command line beats the section (11.4.34)',
		);
		assert.ok(!shapesIn(join(directory, 'second')).some(name => name.endsWith('.sha1')));
	});

	test('pg_dumpall: globals, with or without passwords, and the database to connect to', async () => {
		for (const [options, expected] of [
			[[], ['-g', '-w']],
			[['--without-role-passwords'], ['--no-role-passwords', '-g', '-w']],
			[
				['-d', 'b'],
				['-g', '-l', '-w', 'b'],
			],
		] as const) {
			const tools = recordingTools();
			const run = await runProgram([
				...connectTo(server, scratchDirectory('out')),
				'-B',
				tools.directory,
				...options,
				'a',
			]);
			assert.equal(run.code, 0, run.stderr);
			const call = tools.calls().find(({tool}) => tool === 'pg_dumpall');
			const at = call?.args.indexOf('-d') ?? -1;
			assert.deepEqual([...(call?.args ?? [])].filter((_, index) => index !== at && index !== at + 1).sort(), expected);
		}
	});

	test('a password in the connection string reaches no argument and no log', async () => {
		const secret = 'pa55-word';
		for (const connection of [
			`host=${server.socketDirectory} port=${server.port} user=postgres password=${secret}`,
			`postgresql://postgres:${secret}@/postgres?host=${encodeURIComponent(server.socketDirectory)}&port=${server.port}`,
		]) {
			const tools = recordingTools();
			const run = await runProgram([
				'--no-config-file',
				'-v',
				'-B',
				tools.directory,
				'-b',
				scratchDirectory('out'),
				'-d',
				connection,
				'a',
			]);
			assert.equal(run.code, 0, run.stderr);
			assert.ok(!run.stderr.includes(secret), run.stderr);
			assert.ok(tools.calls().length >= 2);
			for (const {args} of tools.calls()) assert.ok(!args.join(' ').includes(secret), args.join(' '));
		}
	});
});

describe('selection', () => {
	const dumped = async (args: readonly string[], code = 0) => {
		const directory = scratchDirectory('out');
		const run = await runProgram([...connectTo(server, directory), '--dump-only', ...args]);
		assert.equal(run.code, code, run.stderr);
		return {
			run,
			names: shapesIn(directory)
				.filter(name => name.endsWith('_T.dump'))
				.map(name => name.replace('_T.dump', ''))
				.sort(),
		};
	};

	test('all but templates; with templates; without the excluded', async () => {
		assert.deepEqual((await dumped([])).names, ['a', 'a.b', 'b', 'postgres']);
		assert.deepEqual((await dumped(['-t'])).names, ['a', 'a.b', 'b', 'postgres', 't', 'template1']);
		assert.deepEqual((await dumped(['-t', '--without-templates'])).names, ['a', 'a.b', 'b', 'postgres']);
		assert.deepEqual((await dumped(['-D', 'b, postgres', '-D', 'a.b'])).names, ['a']);
	});

	test('databases named on the command line, also a template, are dumped once each; exclusions win', async () => {
		assert.deepEqual((await dumped(['b', 't', 'b', 'a'])).names, ['a', 'b', 't']);
		assert.deepEqual((await dumped(['-D', 'b', 'b', 'a'])).names, ['a']);
	});

	test('11.1.8 an unknown name is an error, and the others are dumped', async () => {
		const {run, names} = await dumped(['nosuch', 'a', 'B'], 1);
		assert.deepEqual(names, ['a']);
		assert.match(run.stderr, /ERROR: .*database "nosuch" does not exist/);
		assert.match(run.stderr, /did you mean "b"\? names are case-sensitive/);
	});

	test('11.1.8 nothing left to dump is an error', async () => {
		for (const args of [
			['-D', 'a', 'a'],
			['-D', 'a,b,a.b,postgres'],
		]) {
			const {run, names} = await dumped(args, 1);
			assert.deepEqual(names, []);
			assert.match(run.stderr, /FATAL: no database to dump\n.*HINT: /);
		}
	});

	test('a named database that allows no connections is an error; otherwise it is left out', async () => {
		await server.psql('postgres', 'create database closed allow_connections false');
		try {
			assert.ok(!(await dumped([])).names.includes('closed'));
			const {run, names} = await dumped(['closed', 'a'], 1);
			assert.deepEqual(names, ['a']);
			assert.match(run.stderr, /"closed" does not allow connections/);
		} finally {
			await server.psql('postgres', 'drop database closed');
		}
	});

	test('11.4.51 an invalid database (its drop was interrupted) is left out with a warning', async () => {
		await server.psql(
			'postgres',
			`create database half; update pg_database set datconnlimit = -2 where datname = 'half'`,
		);
		try {
			const {run, names} = await dumped([]);
			assert.deepEqual(names, ['a', 'a.b', 'b', 'postgres']);
			assert.match(run.stderr, /WARN: database "half" is invalid/);
			assert.match((await dumped(['half', 'a'], 1)).run.stderr, /ERROR: .*database "half" is invalid/);
		} finally {
			await server.psql('postgres', 'drop database half');
		}
	});
});
