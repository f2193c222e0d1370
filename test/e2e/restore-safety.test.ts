/** What a restore does not touch without a confirmation, and what is left when it fails or is interrupted. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {closeSync, openSync, readdirSync, rmSync, statSync, truncateSync, writeSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {databasesOf, dropDatabases} from '../helpers/databases.js';
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

let source: Cluster;
let target: Cluster;
let directory: string;
let keys: KeyFile;

before(async () => {
	source = await startCluster({name: 'safety-from'});
	target = await startCluster({name: 'safety-to'});
	await source.psql('postgres', 'create database shopdb; create database secondary');
	await source.psql('secondary', 'create table t as select generate_series(1, 1000) as i');
	directory = scratchDirectory('safety');
	keys = await newKeyFile();
	for (const [name, encryption] of [
		['clear', []],
		['encrypted', ['--encrypt', '--cipher-public-key', keys.recipient]],
	] as const)
		succeeded(await runProgram([...connectTo(source, join(directory, name)), ...encryption]));
});
after(async () => {
	await source.stop();
	await target.stop();
});

function restore(from: string, ...args: readonly string[]): Promise<Ended> {
	const key = ['--cipher-identity-file', keys.file];
	return runProgram([...connectTo(target, join(directory, from)), ...key, '--restore', ...args]);
}

async function noneIsHidden(): Promise<void> {
	const hidden = (await databasesOf(target)).filter(name => name.includes('.pgbk-'));
	assert.deepEqual(hidden, []);
}

describe('what exists', () => {
	test('is not touched without its name: exit 1, and 2 for another confirmation', async () => {
		await target.psql('postgres', 'create database secondary');
		const before = await target.psql(
			'postgres',
			'select datname, oid, datacl, datconnlimit from pg_database order by 1',
		);
		for (const [args, code] of [
			[['secondary'], 1],
			[['secondary', '--replace'], 2],
			[['secondary', '--replace', '--confirm', 'shopdb'], 2],
			[['secondary', '--replace', '--confirm', 'secondary,shopdb'], 2],
			[['shopdb', 'secondary', '--into', 'one'], 2],
		] as const) {
			const ended = await restore('clear', 'backup', ...args);
			assert.equal(ended.code, code, `${args.join(' ')}\n${ended.stderr}`);
			assert.equal(
				await target.psql('postgres', 'select datname, oid, datacl, datconnlimit from pg_database order by 1'),
				before,
			);
		}
		await dropDatabases(target, 'secondary');
	});

	test('is replaced when it is confirmed, and comes back with --swap-back', async () => {
		await target.psql(
			'postgres',
			`create database secondary connection limit 7; comment on database secondary is 'it''s old'`,
		);
		await target.psql('secondary', 'create table old()');
		succeeded(await restore('clear', 'backup', 'secondary', '--replace', '--confirm', 'secondary'));
		assert.equal(await target.psql('secondary', 'select count(*) from t'), '1000');
		const kept = (await databasesOf(target)).find(name => name.startsWith('secondary_before_')) ?? '';
		assert.equal(await target.psql(kept, "select to_regclass('old')"), 'old');
		succeeded(await runProgram([...connectTo(target, directory), '--swap-back', 'secondary']));
		assert.equal(await target.psql('secondary', "select to_regclass('old')"), 'old');
		assert.equal(
			await target.psql(
				'postgres',
				"select datconnlimit, shobj_description(oid, 'pg_database') from pg_database where datname = 'secondary'",
			),
			"7|it's old",
		);
		await dropDatabases(target, ...(await databasesOf(target)).filter(name => name.startsWith('secondary')));
	});

	test('whoever connects during a swap gets the old database or the new one', async () => {
		await target.psql('postgres', 'create database secondary');
		await target.psql('secondary', 'create table t as select generate_series(1, 5) as i');
		let going = true;
		const seen = new Set<string>();
		const loops = Array.from({length: 8}, async () => {
			while (going) seen.add(await target.psql('secondary', 'select count(*) from t').catch(() => 'refused'));
		});
		succeeded(await restore('clear', 'backup', 'secondary', '--replace', '--confirm', 'secondary'));
		const [after] = [await target.psql('secondary', 'select count(*) from t')];
		going = false;
		await Promise.all(loops);
		assert.equal(after, '1000');
		assert.deepEqual(
			[...seen].filter(one => !['5', '1000', 'refused'].includes(one)),
			[],
		);
		assert.ok(seen.has('5'));
		await dropDatabases(target, ...(await databasesOf(target)).filter(name => name.startsWith('secondary')));
	});
});

describe('damage', () => {
	test('a wrong key, a flipped byte and a cut file: 16, 17, 17, and no database', async () => {
		const other = await newKeyFile();
		const wrong = await runProgram([
			...connectTo(target, join(directory, 'encrypted')),
			'--cipher-identity-file',
			other.file,
			'--restore',
			'backup',
			'secondary',
		]);
		assert.equal(wrong.code, 16, wrong.stderr);
		const copy = scratchDirectory('restore-damaged');
		execFileSync('cp', ['-a', `${join(directory, 'clear')}/.`, copy]);
		const name = readdirSync(copy).find(one => /^secondary_.*\.dump$/.test(one)) ?? '';
		const path = join(copy, name);
		const {size} = statSync(path);
		const descriptor = openSync(path, 'r+');
		writeSync(descriptor, Buffer.from([0xff]), 0, 1, size - 200);
		closeSync(descriptor);
		const flipped = await runProgram([...connectTo(target, copy), '--restore', 'backup', 'secondary']);
		assert.equal(flipped.code, 17, flipped.stderr);
		truncateSync(path, size - 300);
		const cut = await runProgram([...connectTo(target, copy), '--restore', 'backup', 'secondary']);
		assert.equal(cut.code, 17, cut.stderr);
		// Nothing says how long it should be: pg_restore sees the damage.
		for (const file of readdirSync(copy)) if (/manifest|sha256/.test(file)) rmSync(join(copy, file));
		const unknown = await runProgram([...connectTo(target, copy), '--restore', 'backup', 'secondary']);
		assert.equal(unknown.code, 17, unknown.stderr);
		assert.match(unknown.stderr, /HINT: the dump is damaged or incomplete: restore another run/);
		assert.ok(!(await databasesOf(target)).includes('secondary'));
		await noneIsHidden();
	});
});

describe('interruption', () => {
	test('SIGTERM: 143, nothing of it is left; SIGKILL: the next restore, or --cleanup-restores, drops what was left', async () => {
		const hook = ['--after-restore-hook', 'sleep 300'];
		const args = [...connectTo(target, join(directory, 'clear')), '--restore', 'backup', 'secondary', ...hook];
		const ended = await startProgram(args);
		await ended.untilLog(/running after-restore command/);
		process.kill(ended.pid, 'SIGTERM');
		assert.equal((await ended.ended).code, 143);
		await noneIsHidden();
		const killed = await startProgram(args);
		await killed.untilLog(/running after-restore command/);
		const alive = await runProgram([...connectTo(target, directory), '--cleanup-restores']);
		assert.match(alive.stderr, /nothing to clean up/);
		process.kill(killed.pid, 'SIGKILL');
		await killed.ended;
		assert.equal((await databasesOf(target)).filter(name => name.includes('.pgbk-')).length, 1);
		await target.psql('postgres', 'create database "mine.pgbk-abcdef"');
		await target.psql('mine.pgbk-abcdef', 'create table precious()');
		succeeded(await runProgram([...connectTo(target, directory), '--cleanup-restores']));
		assert.deepEqual(
			(await databasesOf(target)).filter(name => name.includes('.pgbk-')),
			['mine.pgbk-abcdef'],
		);
		await dropDatabases(target, 'mine.pgbk-abcdef');
	});
});

describe('what the target lacks', () => {
	test('a role, an extension and a locale: all in one report, exit 18, nothing created', async () => {
		const place = scratchDirectory('restore-lacks');
		await source.psql('postgres', 'create role only_here; create database lacking owner only_here');
		await source.psql('lacking', 'create extension citext; create table t (c citext); grant select on t to only_here');
		succeeded(await runProgram([...connectTo(source, place), '--dump-only', 'lacking']));
		const lacking = (...args: readonly string[]) =>
			runProgram([...connectTo(target, place), '--restore', 'backup', 'lacking', ...args]);
		const dry = await lacking('--dry-run', '--json');
		assert.equal(dry.code, 18, dry.stderr);
		assert.match(dry.stdout, /role only_here does not exist/);
		const ended = await lacking('--locale', 'xx_YY.UTF-8');
		assert.equal(ended.code, 18, ended.stderr);
		assert.match(ended.stderr, /role only_here does not exist[^]*locale xx_YY\.UTF-8/);
		assert.deepEqual(await databasesOf(target), []);
		succeeded(await lacking('--owner', 'postgres', '--no-privileges'));
		assert.equal(await target.psql('lacking', "select tableowner from pg_tables where tablename = 't'"), 'postgres');
		await dropDatabases(target, 'lacking');
	});

	test('a dry run creates nothing', async () => {
		const before = target.log().length;
		await target.psql('postgres', "alter system set log_statement = 'ddl'; select pg_reload_conf()");
		const ended = succeeded(await restore('clear', 'backup', '--dry-run'));
		assert.match(ended.stdout, /restoring \d databases of run/);
		assert.doesNotMatch(target.log().slice(before), /statement: (create|alter|drop) /i);
	});
});

test('a damaged template1 does not stop the restore of another database', async () => {
	await target.psql('postgres', "alter database template1 set session_preload_libraries = 'none_such'");
	succeeded(await restore('clear', 'secondary', '--into', 'beside'));
	await dropDatabases(target, 'beside');
	await target.psql('postgres', 'alter database template1 reset all');
});
