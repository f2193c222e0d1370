import assert from 'node:assert/strict';
import {chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, describe, test} from 'node:test';
import {PgBackError} from '../../source/core/errors.js';
import {packagedDirectories} from '../../source/postgres/tool-programs.js';
import {findPsql, findTools} from '../../source/postgres/tools.js';
import * as versions from '../../source/postgres/versions.js';
import {clientDirectory} from '../helpers/cluster.js';
import {never} from '../helpers/postgres.js';

describe('versions', () => {
	const forms: readonly (readonly [string, number])[] = [
		['pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)', 150_018],
		['pg_dump (PostgreSQL) 10devel', 100_000],
		['pg_dump (PostgreSQL) 17beta1', 170_000],
		['pg_dump (PostgreSQL) 18rc1 (Ubuntu 18~rc1-1.pgdg24.04+1)', 180_000],
		['pg_dump (PostgreSQL) 9.6.24', 90_624],
		['pg_dump (PostgreSQL) 9.6beta1', 90_600],
		['pg_dump (PostgreSQL) 8.4', 80_400],
		['pg_dump (EnterpriseDB) 15.2', 150_002],
		['pg_dump (EnterpriseDB) 15.2.0', 150_002],
		['pg_dump (EDB Postgres Extended Server 16.3.1) 16.3', 160_003],
		['pg_dump (PostgreSQL) 17.5 - Percona Server for PostgreSQL 17.5.1', 170_005],
		['psql (Greenplum Database) 9.4.26\n', 90_426],
		['pg_dump 14.1', 140_001],
		['warning: something\npg_dump (PostgreSQL) 13.23\n', 130_023],
	];
	for (const [text, version] of forms) test(text.trim(), () => assert.equal(versions.parseVersion(text), version));
	test('none', () => {
		for (const text of ['', 'pg_dump', 'hello world', 'pg_dump (PostgreSQL) x.y'])
			assert.equal(versions.parseVersion(text), undefined);
	});
	test('are printed as people know them', () => {
		assert.deepEqual([150_018, 90_624, 100_000].map(versions.formatVersion), ['15.18', '9.6.24', '10.0']);
		assert.deepEqual([150_018, 90_624].map(versions.formatMajor), ['15', '9.6']);
	});
	test('thresholds', () => {
		const at = (check: (version: number) => boolean, version: number) =>
			assert.deepEqual([check(version - 1), check(version)], [false, true]);
		at(versions.supportsDirectory, 90_100);
		at(versions.supportsParallel, 90_300);
		at(versions.supportsConnectionString, 90_300);
		at(versions.supportsNoBlobs, 100_000);
		at(versions.supportsNoRolePasswords, 100_000);
		at(versions.dumpsDatabaseProperties, 110_000);
		at(versions.supportsZstd, 160_000);
	});
	test('which pg_dump dumps which server', () => {
		assert.equal(versions.canDump(150_001, 150_018), true);
		assert.equal(versions.canDump(150_018, 160_000), false);
		assert.equal(versions.canDump(90_624, 90_500), true);
		assert.equal(versions.canDump(90_500, 90_624), false);
		assert.equal(versions.canDump(150_000, 90_100), false);
		assert.equal(versions.canDump(140_000, 90_100), true);
	});
});

const packaged = (await packagedDirectories()).some(directory => existsSync(join(directory, 'pg_dump')));
/** These look for programs where packages put them, which an ordinary user cannot do. */
const packages = {skip: packaged ? false : 'no package with pg_dump is installed on this machine'};

describe('tools', () => {
	const root = mkdtempSync(join(tmpdir(), 'pgb-tools-'));
	after(() => rmSync(root, {recursive: true, force: true}));
	/** Tools that tell a version and count how often they are asked. */
	const fake = (name: string, version: string, tools = ['pg_dump', 'pg_dumpall', 'psql', 'pg_restore']) => {
		const directory = join(root, name);
		mkdirSync(directory, {recursive: true});
		for (const tool of tools) {
			writeFileSync(
				join(directory, tool),
				`#!/bin/sh\necho "$0" >>${join(directory, 'calls')}\necho "${tool} ${version}"\n`,
			);
			chmodSync(join(directory, tool), 0o755);
		}
		return directory;
	};
	const failure = async (work: Promise<unknown>) => {
		const error = await work.then(
			() => assert.fail('nothing was refused'),
			(one: unknown) => one,
		);
		assert.ok(error instanceof PgBackError, String(error));
		assert.deepEqual([error.code, error.exitCode], ['TOOLS', 13]);
		return `${error.message} / ${error.hint ?? ''}`;
	};
	const PATH = (...directories: string[]) => ({PATH: [...directories, '/bin'].join(':')});

	const isRun = (directory: string) => existsSync(join(directory, 'calls'));

	test("the server's own major, first in PATH order for any minor; no program after it is run", async () => {
		const old = fake('old', '(PostgreSQL) 13.1');
		const newer = fake('own-newer', '(PostgreSQL) 98.1');
		const one = fake('one', '(PostgreSQL) 97.1');
		const two = fake('two', '(PostgreSQL) 97.2');
		const env = PATH(old, newer, one, two);
		const tools = await findTools({env, signal: never, serverVersion: 970_003});
		assert.equal(tools.directory, one);
		assert.match(tools.reason, /server's major version/);
		assert.equal(tools.warning, undefined);
		assert.deepEqual(tools.pgDumpall, {path: join(one, 'pg_dumpall'), version: 970_001});
		assert.equal(tools.pgRestore?.path, join(one, 'pg_restore'));
		assert.equal(isRun(two), false);
		await findTools({env, signal: never, serverVersion: 970_003});
		const calls = readFileSync(join(one, 'calls'), 'utf8').trim().split('\n');
		assert.equal(new Set(calls).size, calls.length, 'each program is asked once');
	});

	test('else the first in PATH that can dump the server', async () => {
		const env = PATH(
			fake('p13', '(PostgreSQL) 13.1'),
			fake('p98', '(PostgreSQL) 98.1'),
			fake('p97', '(PostgreSQL) 97.1'),
		);
		const tools = await findTools({env, signal: never, serverVersion: 960_000});
		assert.equal(tools.directory, join(root, 'p98'));
		assert.match(tools.reason, /first in PATH that can dump/);
		assert.equal(tools.warning, undefined);
		const first = await findTools({env, signal: never});
		assert.equal(first.directory, join(root, 'p13'), 'the first where the server is not known');
		assert.equal(first.pgRestore?.path, join(root, 'p98', 'pg_restore'), 'what has to be read is not known either');
	});

	test('else the oldest newer one that is installed, with what its archives need', packages, async () => {
		const tools = await findTools({env: {PATH: '/bin'}, signal: never, serverVersion: 120_000});
		assert.match(tools.directory, /^\/usr\/lib\/postgresql\//);
		assert.match(
			tools.warning ?? '',
			/no pg_dump 12 is installed: the archives of pg_dump \d+ need pg_restore \d+ or newer/,
		);
	});

	test('no program that others can change', async () => {
		const shared = fake('shared', '(PostgreSQL) 97.1');
		chmodSync(shared, 0o1777);
		const good = fake('good', '(PostgreSQL) 97.1');
		const told: string[] = [];
		const options = {env: PATH(shared, good), signal: never, onUntrusted: (text: string) => told.push(text)};
		assert.equal((await findTools({...options, serverVersion: 970_001})).directory, good);
		assert.equal(isRun(shared), false);
		assert.match(told[0] ?? '', /shared\/pg_dump will not be executed: .*is writable by every user/);
		assert.match(await failure(findTools({...options, binDirectory: shared})), /shared\/pg_dump will not be executed/);
		chmodSync(shared, 0o755);
	});

	test('bin_directory: exactly those, and psql from elsewhere where it lacks one', async () => {
		const record = fake('record', '(PostgreSQL) 15.99', ['pg_dump', 'pg_dumpall']);
		const env = PATH(fake('newer', '(PostgreSQL) 96.1'));
		const tools = await findTools({binDirectory: record, env, signal: never, serverVersion: 150_018});
		assert.deepEqual([tools.pgDump.path, tools.pgDumpall?.path], [join(record, 'pg_dump'), join(record, 'pg_dumpall')]);
		assert.equal(tools.psql.path, join(root, 'newer', 'psql'));
		assert.ok(tools.pgRestore);
	});

	test('bin_directory with links: psql from behind them', async () => {
		const links = join(root, 'links');
		mkdirSync(links);
		for (const tool of ['pg_dump', 'pg_dumpall']) symlinkSync(join(clientDirectory(), tool), join(links, tool));
		assert.equal(
			(await findPsql({binDirectory: links, env: PATH(), signal: never})).path,
			join(clientDirectory(), 'psql'),
		);
	});

	test("Debian's wrapper is passed over", packages, async () => {
		const tools = await findTools({env: {PATH: '/usr/bin'}, signal: never, serverVersion: 150_000});
		assert.match(tools.directory, /^\/usr\/lib\/postgresql\//);
	});

	test('older than the server: what is needed, and where it is or how to get it', async () => {
		const env = PATH(fake('old-only', '(PostgreSQL) 9.6.3'));
		assert.match(
			await failure(findTools({env, signal: never, serverVersion: 990_000})),
			/pg_dump is \d.*, older than the server \(99\.0\): pg_dump 99 is needed .*install postgresql-client-99/,
		);
	});

	test('older than the server, but asked for by its directory: taken, with a warning that says what is needed', async () => {
		const old = fake('ancient', '(PostgreSQL) 9.2.24');
		const env = PATH(fake('right', '(PostgreSQL) 15.3'));
		const near = await findTools({binDirectory: old, env, signal: never, serverVersion: 150_000});
		assert.deepEqual([near.pgDump.version, near.pgDumpall?.version], [90_224, 90_224]);
		assert.match(
			near.warning ?? '',
			/ancient\/pg_dump is 9\.2\.24, older than the server \(15\.0\): pg_dump 15 is needed.*\/pg_dump is 15\./,
		);
		const far = await findTools({binDirectory: old, env, signal: never, serverVersion: 990_000});
		assert.match(far.warning ?? '', /install postgresql-client-99/);
	});

	test('missing, too old for us, or not running', async () => {
		const empty = fake('empty', '', []);
		assert.match(
			await failure(findTools({binDirectory: empty, env: PATH(), signal: never})),
			/pg_dump not found in .*empty .*--bin-directory/,
		);
		const oldest = fake('oldest', '(PostgreSQL) 8.3.1');
		assert.match(
			await failure(findTools({binDirectory: oldest, env: PATH(), signal: never})),
			/is 8\.3\.1: pg_dump 8\.4 or newer is needed/,
		);
		const broken = fake('broken', '(PostgreSQL) x');
		assert.match(
			await failure(findTools({binDirectory: broken, env: PATH(), signal: never, serverVersion: 150_000})),
			/the version of \S+broken\/pg_dump is not known: it printed .*\(PostgreSQL\) x: pg_dump/,
		);
		const dead = fake('dead', '(PostgreSQL) 15.1');
		writeFileSync(join(dead, 'pg_dump'), '#!/bin/sh\necho "cannot open shared object file" >&2\nexit 127\n');
		assert.match(
			await failure(findTools({binDirectory: dead, env: PATH(), signal: never})),
			/the version of \S+dead\/pg_dump is not known: .*127.*cannot open shared object file/,
		);
		const half = fake('half', '(PostgreSQL) 15.1', ['pg_dump']);
		assert.match(await failure(findTools({binDirectory: half, env: PATH(), signal: never})), /pg_dumpall/);
	});
});
