/** Restores as a user makes them: into real servers, and judged by what is there afterwards. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {
	closeSync,
	openSync,
	readdirSync,
	readFileSync,
	rmSync,
	statSync,
	truncateSync,
	writeFileSync,
	writeSync,
} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {clientDirectory, type Cluster, realServerVersions, startCluster} from '../helpers/cluster.js';
import {connectTo, type Ended, newAgeKeys, runProgram, scratchDirectory, startProgram} from '../helpers/program.js';

const fixture = readFileSync(new URL('../../testdata/fixture.sql', import.meta.url), 'utf8').replace(
	/^\\set .*$/gm,
	'',
);
/** What a restore must not trip over: a space, quotes, a backslash, an equals sign, a leading dash, unicode, 63 bytes. */
const odd = `-a =b' "c\\ é${'x'.repeat(49)}`;

let source: Cluster;
let target: Cluster;
let directory: string;
let identity: string;

before(async () => {
	const [oldest] = realServerVersions().keys();
	source = await startCluster({name: 'restore-from'});
	target = await startCluster({name: 'restore-to', ...(oldest === undefined ? {} : {version: source.major})});
	await source.psql('postgres', 'create database shopdb; create database secondary');
	await source.psql('shopdb', fixture);
	await source.psql(
		'shopdb',
		"select lo_from_bytea(0, '\\x001122'); alter database shopdb set default_transaction_read_only = on; alter database shopdb connection limit 1",
	);
	await source.psql('secondary', 'create table t as select generate_series(1, 1000) as i');
	await source.psql('postgres', `create database ${quoted(odd)}`);
	await source.psql(odd, 'create table t as select 1 as i');
	directory = scratchDirectory('restore');
	const keys = await newAgeKeys();
	identity = join(scratchDirectory('restore-key'), 'identity');
	writeFileSync(identity, keys.identity, {mode: 0o600});
	for (const format of ['custom', 'plain', 'tar', 'directory'])
		for (const secret of [[], ['--encrypt', '--cipher-public-key', keys.recipient]])
			succeeded(
				await runProgram([
					...connectTo(source, join(directory, `${format}${secret.length}`)),
					'--format',
					format,
					...secret,
				]),
			);
});
after(async () => {
	await source.stop();
	await target.stop();
});

const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;

function succeeded(ended: Ended): Ended {
	assert.equal(ended.code, 0, ended.stderr);
	return ended;
}

function restore(from: string, ...args: readonly string[]): Promise<Ended> {
	return runProgram([
		...connectTo(target, join(directory, from)),
		'--cipher-identity-file',
		identity,
		'--restore',
		...args,
	]);
}

/** Returns the output of pg_dump, without what differs between any two dumps. */
function textOf(cluster: Cluster, database: string): string {
	return execFileSync(
		join(clientDirectory(cluster.major), 'pg_dump'),
		['-C', '-d', cluster.connectionString(database)],
		{
			encoding: 'utf8',
			maxBuffer: 1 << 28,
		},
	)
		.replace(/^\\(un)?restrict .*$/gm, '')
		.replaceAll(/^-- (Started|Completed) on .*$/gm, '');
}

async function databasesOf(cluster: Cluster): Promise<readonly string[]> {
	return (await cluster.psql('postgres', 'select datname from pg_database order by 1')).split('\n');
}

async function drop(...names: readonly string[]): Promise<void> {
	for (const name of names) await target.psql('postgres', `drop database if exists ${quoted(name)} with (force)`);
}

async function noneIsHidden(): Promise<void> {
	assert.deepEqual(
		(await databasesOf(target)).filter(name => name.includes('.pgbk-')),
		[],
	);
}

describe('every format', () => {
	for (const from of ['custom0', 'custom3', 'plain0', 'plain3', 'tar0', 'tar3', 'directory0', 'directory3']) {
		test(`${from}: the restored database is as the dumped one, properties and privileges too`, async () => {
			const {stderr} = succeeded(await restore(from, 'backup', 'shopdb'));
			assert.match(stderr, /restored into .* rows in \d+ tables match the dump/);
			assert.equal(textOf(target, 'shopdb'), textOf(source, 'shopdb'));
			await drop('shopdb');
			await noneIsHidden();
		});
	}

	test('all databases of the run, with names that are hard to quote', async () => {
		succeeded(await restore('custom0', '--into', '{dbname}'));
		assert.equal(textOf(target, odd), textOf(source, odd));
		assert.equal(await target.psql('secondary', 'select count(*) from t'), '1000');
		await drop('shopdb', 'secondary', odd);
	});

	test('streamed, by one connection and without a file', async () => {
		succeeded(await restore('custom3', 'backup', 'shopdb', '--stream', 'yes', '--into', odd.slice(0, 20)));
		assert.equal(textOf(target, odd.slice(0, 20)).length > 1000, true);
		await drop(odd.slice(0, 20));
	});
});

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
			const ended = await restore('custom0', 'backup', ...args);
			assert.equal(ended.code, code, `${args.join(' ')}\n${ended.stderr}`);
			assert.equal(
				await target.psql('postgres', 'select datname, oid, datacl, datconnlimit from pg_database order by 1'),
				before,
			);
		}
		await drop('secondary');
	});

	test('is replaced when it is confirmed, and comes back with --swap-back', async () => {
		await target.psql(
			'postgres',
			`create database secondary connection limit 7; comment on database secondary is 'it''s old'`,
		);
		await target.psql('secondary', 'create table old()');
		succeeded(await restore('custom0', 'backup', 'secondary', '--replace', '--confirm', 'secondary'));
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
		await drop(...(await databasesOf(target)).filter(name => name.startsWith('secondary')));
	});

	test('whoever connects during a swap gets the old database or the new one', async () => {
		await target.psql('postgres', 'create database secondary');
		await target.psql('secondary', 'create table t as select generate_series(1, 5) as i');
		let going = true;
		const seen = new Set<string>();
		const loops = Array.from({length: 8}, async () => {
			while (going) seen.add(await target.psql('secondary', 'select count(*) from t').catch(() => 'refused'));
		});
		succeeded(await restore('custom0', 'backup', 'secondary', '--replace', '--confirm', 'secondary'));
		const [after] = [await target.psql('secondary', 'select count(*) from t')];
		going = false;
		await Promise.all(loops);
		assert.equal(after, '1000');
		assert.deepEqual(
			[...seen].filter(one => !['5', '1000', 'refused'].includes(one)),
			[],
		);
		assert.ok(seen.has('5'));
		await drop(...(await databasesOf(target)).filter(name => name.startsWith('secondary')));
	});
});

describe('--only', () => {
	const pristine = () =>
		textOf(target, 'shopdb')
			.split('\n')
			.filter(line => !line.startsWith('-- '))
			.sort()
			.join('\n');
	let before = '';

	test('brings a dropped table, a partition and a whole schema back with all that belongs to them', async () => {
		succeeded(await restore('custom0', 'backup', 'shopdb', '--amcheck', 'yes'));
		await target.psql(
			'postgres',
			'alter database shopdb reset default_transaction_read_only; alter database shopdb connection limit -1',
		);
		before = pristine();
		for (const [statement, ...args] of [
			['drop table shop.customer cascade', '--only', 'shop.customer'],
			['drop table shop.sale_2024', '--only', 'SHOP.sale_20?4'],
			['drop table shop.sale cascade', '--only', 'shop.sale'],
			['drop schema shop cascade', '--only-schema', 'shop'],
		] as const) {
			await target.psql('shopdb', statement);
			assert.notEqual(pristine(), before);
			for (const from of args[1] === 'shop.customer' ? ['custom3'] : ['custom0'])
				succeeded(await restore(from, 'backup', 'shopdb', ...args));
			assert.equal(pristine(), before, statement);
		}
	});

	test('what exists is not touched, and what the dump does not have is said', async () => {
		const exists = await restore('tar0', 'backup', 'shopdb', '--only', 'shop.customer');
		assert.equal(exists.code, 1, exists.stderr);
		assert.match(exists.stderr, /table shop\.customer exists in shopdb/);
		const unknown = await restore('directory0', 'backup', 'shopdb', '--only', 'no.such');
		assert.equal(unknown.code, 1, unknown.stderr);
		assert.match(unknown.stderr, /has no no\.such/);
		const plain = await restore('plain0', 'backup', 'shopdb', '--only', 'shop.customer');
		assert.equal(plain.code, 2, plain.stderr);
		assert.equal(pristine(), before);
		await drop('shopdb');
		const absent = await restore('custom0', 'backup', 'shopdb', '--only', 'shop.customer');
		assert.equal(absent.code, 18, absent.stderr);
	});

	test('without its dependents when they are not wanted', async () => {
		succeeded(await restore('custom0', 'backup', 'shopdb'));
		await target.psql(
			'postgres',
			'alter database shopdb reset default_transaction_read_only; alter database shopdb connection limit -1',
		);
		await target.psql('shopdb', 'drop table shop.customer cascade');
		succeeded(await restore('custom0', 'backup', 'shopdb', '--only', 'shop.customer', '--no-dependents'));
		assert.equal(
			await target.psql('shopdb', "select to_regclass('shop.customer'), to_regclass('shop.happy')"),
			'shop.customer|',
		);
		await drop('shopdb');
	});
});

describe('damage', () => {
	test('a wrong key, a flipped byte and a cut file: 16, 17, 17, and no database', async () => {
		const other = join(scratchDirectory('restore-key2'), 'identity');
		writeFileSync(other, (await newAgeKeys()).identity, {mode: 0o600});
		const wrong = await runProgram([
			...connectTo(target, join(directory, 'custom3')),
			'--cipher-identity-file',
			other,
			'--restore',
			'backup',
			'secondary',
		]);
		assert.equal(wrong.code, 16, wrong.stderr);
		const copy = scratchDirectory('restore-damaged');
		execFileSync('cp', ['-a', `${join(directory, 'custom0')}/.`, copy]);
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
		const args = [...connectTo(target, join(directory, 'custom0')), '--restore', 'backup', 'secondary', ...hook];
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
		await drop('mine.pgbk-abcdef');
	});
});

describe('what the target lacks', () => {
	test('a role, an extension and a locale: all in one report, exit 18, nothing created', async () => {
		const other = await startCluster({name: 'restore-lacks'});
		const place = scratchDirectory('restore-lacks');
		try {
			await source.psql('postgres', 'create role only_here; create database lacking owner only_here');
			await source.psql(
				'lacking',
				'create extension citext; create table t (c citext); grant select on t to only_here',
			);
			succeeded(await runProgram([...connectTo(source, place), '--dump-only', 'lacking']));
			const dry = await runProgram([
				...connectTo(other, place),
				'--restore',
				'backup',
				'lacking',
				'--dry-run',
				'--json',
			]);
			assert.equal(dry.code, 18, dry.stderr);
			assert.match(dry.stdout, /role only_here does not exist/);
			const ended = await runProgram([
				...connectTo(other, place),
				'--restore',
				'backup',
				'lacking',
				'--locale',
				'xx_YY.UTF-8',
			]);
			assert.equal(ended.code, 18, ended.stderr);
			assert.match(ended.stderr, /role only_here does not exist[^]*locale xx_YY\.UTF-8/);
			assert.deepEqual((await databasesOf(other)).length, 3);
			succeeded(
				await runProgram([
					...connectTo(other, place),
					'--restore',
					'backup',
					'lacking',
					'--owner',
					'postgres',
					'--no-privileges',
				]),
			);
			assert.equal(await other.psql('lacking', "select tableowner from pg_tables where tablename = 't'"), 'postgres');
		} finally {
			await other.stop();
		}
	});

	test('a dry run creates nothing', async () => {
		const before = target.log().length;
		await target.psql('postgres', "alter system set log_statement = 'ddl'; select pg_reload_conf()");
		const ended = succeeded(await restore('custom0', 'backup', '--dry-run'));
		assert.match(ended.stdout, /restoring \d databases of run/);
		assert.doesNotMatch(target.log().slice(before), /statement: (create|alter|drop) /i);
	});
});
