/** Restores as a user makes them: into real servers, and judged by what is there afterwards. */
import assert from 'node:assert/strict';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {assertSameText, databasesOf, dropDatabases, fixture, quoted, textOf} from '../helpers/databases.js';
import {
	connectTo,
	type Ended,
	type KeyFile,
	newKeyFile,
	runProgram,
	scratchDirectory,
	succeeded,
} from '../helpers/program.js';

/** What a restore must not trip over: a space, quotes, a backslash, an equals sign, a leading dash, unicode, 63 bytes. */
const odd = `-a =b' "c\\ é${'x'.repeat(49)}`;

let source: Cluster;
let target: Cluster;
let directory: string;
let keys: KeyFile;

before(async () => {
	source = await startCluster({name: 'restore-from'});
	target = await startCluster({name: 'restore-to'});
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
	keys = await newKeyFile();
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

function restore(from: string, ...args: readonly string[]): Promise<Ended> {
	const key = ['--cipher-identity-file', keys.file];
	return runProgram([...connectTo(target, join(directory, from)), ...key, '--restore', ...args]);
}

async function noneIsHidden(): Promise<void> {
	const hidden = (await databasesOf(target)).filter(name => name.includes('.pgbk-'));
	assert.deepEqual(hidden, []);
}

describe('every format', () => {
	for (const from of ['custom0', 'custom3', 'plain0', 'plain3', 'tar0', 'tar3', 'directory0', 'directory3']) {
		test(`${from}: the restored database is as the dumped one, properties and privileges too`, async () => {
			const {stderr} = succeeded(await restore(from, 'backup', 'shopdb'));
			assert.match(stderr, /restored into .* rows in \d+ tables match the dump/);
			assertSameText(textOf(target, 'shopdb', '-C'), textOf(source, 'shopdb', '-C'));
			await dropDatabases(target, 'shopdb');
			await noneIsHidden();
		});
	}

	test('all databases of the run, with names that are hard to quote', async () => {
		succeeded(await restore('custom0', '--into', '{dbname}'));
		assertSameText(textOf(target, odd, '-C'), textOf(source, odd, '-C'));
		assert.equal(await target.psql('secondary', 'select count(*) from t'), '1000');
		await dropDatabases(target, 'shopdb', 'secondary', odd);
	});

	test('streamed, by one connection and without a file', async () => {
		succeeded(await restore('custom3', 'backup', 'shopdb', '--stream', 'yes', '--into', odd.slice(0, 20)));
		assert.equal(textOf(target, odd.slice(0, 20)).length > 1000, true);
		await dropDatabases(target, odd.slice(0, 20));
	});
});

describe('--only', () => {
	const pristine = () =>
		textOf(target, 'shopdb', '-C')
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
			assertSameText(pristine(), before);
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
		assertSameText(pristine(), before);
		await dropDatabases(target, 'shopdb');
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
		await dropDatabases(target, 'shopdb');
	});
});
