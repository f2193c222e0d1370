/** Restores from the console, by keys only, into a real server. */
import assert from 'node:assert/strict';
import {createHash} from 'node:crypto';
import {chmodSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {waitFor} from '../helpers/postgres.js';
import {connectTo, newAgeKeys, runProgram, scratchDirectory} from '../helpers/program.js';
import {startS3Server} from '../helpers/s3-server.js';
import {keys, type OnTerminal, onTerminal, patience} from './console-terminal.js';
import {configFile, s3Settings} from './remote-places.js';

const down = '\u001B[B';

const f2 = '\u001BOQ';

let source: Cluster;
let target: Cluster;
let directory: string;
let encrypted: string;
let ageKeys: {readonly recipient: string; readonly identity: string};

before(async () => {
	source = await startCluster({name: 'console-restore-from'});
	target = await startCluster({name: 'console-restore-to', version: source.major});
	await source.psql('postgres', 'create database shop; create role clerk');
	await source.psql(
		'shop',
		`create schema sales;
		create table sales.customers (id int primary key, name text);
		insert into sales.customers select i, 'c' || i from generate_series(1, 500) i;
		create table sales.orders (id int primary key, customer int references sales.customers);
		insert into sales.orders select i, i from generate_series(1, 300) i;
		create index on sales.orders (customer);
		create view sales.open_orders as select * from sales.orders;
		grant select on sales.orders to clerk`,
	);
	directory = scratchDirectory('console-restore');
	encrypted = scratchDirectory('console-restore-age');
	ageKeys = await newAgeKeys();
	for (const [where, more] of [
		[directory, []],
		[encrypted, ['--encrypt', '--cipher-public-key', ageKeys.recipient]],
	] as const) {
		const {code, stderr} = await runProgram([...connectTo(source, where), ...more, 'shop']);
		assert.equal(code, 0, stderr);
	}
});
after(async () => {
	await source.stop();
	await target.stop();
});

function held(bytes: Buffer) {
	const etag = createHash('md5').update(bytes).digest('hex');
	return {bytes, size: bytes.length, etag, modified: Date.now(), headers: {}, version: '1'};
}

/** A database with fewer rows than the dump, in which the table and its view were dropped. */
async function damaged(): Promise<void> {
	await drop('shop');
	await target.psql('postgres', 'create database shop');
	await target.psql(
		'shop',
		'create schema sales; create table sales.customers (id int primary key, name text); insert into sales.customers select i, null from generate_series(1, 500) i',
	);
}

async function databases(): Promise<readonly string[]> {
	return (await target.psql('postgres', 'select datname from pg_database order by 1')).split('\n');
}

async function drop(...names: readonly string[]): Promise<void> {
	for (const name of names) await target.psql('postgres', `drop database if exists "${name}" with (force)`);
}

/** Files, with the cursor on the dump of shop, and the menu open. */
async function openMenu(from: string | readonly string[], size = {columns: 100, rows: 30}): Promise<OnTerminal> {
	const args = typeof from === 'string' ? [...connectTo(target, from), '-i'] : from;
	const screen = await onTerminal(args, size);
	if (args.includes('-i')) screen.type('2');
	await screen.sees(/complete|1 run/);
	await screen.sees(/\[ \] shop/);
	screen.type('/shop');
	await screen.sees('/shop');
	screen.type(keys.enter);
	await screen.sees(/▸ \[ \] shop/);
	screen.type('R');
	await screen.sees('for practice');
	return screen;
}

/** Types into the field under the cursor. */
async function fill(screen: OnTerminal, text: string): Promise<void> {
	screen.type(keys.ctrlU);
	screen.type(text);
	await screen.sees(new RegExp(`▸ [a-z ]+ ${text}`));
}

/** Esc, and what it closes: a key right behind it would be read as Alt with that key. */
async function close(screen: OnTerminal, what: string): Promise<void> {
	screen.type(keys.escape);
	await screen.waitFor(text => !text.includes(what), `${what} is closed`, patience);
}

function copied(screen: OnTerminal): string {
	const last = screen.bytes().split('\u001B]52;c;').at(-1) ?? '';
	return Buffer.from(last.split('\u0007')[0] ?? '', 'base64').toString();
}

describe('into a new database', {timeout: 170_000}, () => {
	for (const [columns, rows] of [
		[100, 30],
		[80, 24],
		[60, 20],
	] as const) {
		test(`by keys only, at ${columns}x${rows}`, async () => {
			await drop('shop', 'shop_again');
			await using screen = await openMenu(directory, {columns, rows});
			screen.type('n');
			await screen.sees(/shop.*✓ free/);
			await fill(screen, 'shop_again');
			screen.type(f2);
			await screen.waitFor(() => copied(screen).includes('shop_again'), 'the copied command');
			assert.match(copied(screen), /^pg_back .*--restore backup .*--into shop_again .*shop$/);
			screen.type(keys.enter);
			await screen.sees(/sales/);
			await screen.sees('everything, with its rows');
			screen.type(keys.enter);
			await screen.sees(/has been changed so far/);
			assert.equal(await target.psql('postgres', `select count(*) from pg_database where datname ~ 'shop'`), '0');
			screen.type(keys.enter);
			await screen.sees('shop_again: restored');
			await screen.sees('copy: psql');
			assert.equal(await target.psql('shop_again', 'select count(*) from sales.orders'), '300');
			screen.type(keys.escape);
			await screen.waitFor(text => !text.includes('copy: psql'), 'the jobs');
			screen.type('q');
			assert.equal(await screen.status(), 0);
		});
	}

	test('the copied command does the same in a shell', async () => {
		await drop('shop');
		await using screen = await openMenu(directory);
		screen.type('n');
		await screen.sees(/shop.*✓ free/);
		screen.type(f2);
		await screen.waitFor(() => copied(screen).startsWith('pg_back'), 'the copied command');
		const words = copied(screen).split(' ').slice(1);
		screen.type(keys.escape);
		const {code, stderr} = await runProgram(words);
		assert.equal(code, 0, stderr);
		assert.equal(await target.psql('shop', 'select count(*) from sales.orders'), '300');
	});

	test('a name that is taken is said at once, and Esc keeps what was typed', async () => {
		await drop('shop', 'shop_again', 'other_name');
		await target.psql('postgres', 'create database taken');
		await using screen = await openMenu(directory);
		screen.type('n');
		await screen.sees(/✓ free/);
		await fill(screen, 'taken');
		await screen.sees('✗ taken exists');
		screen.type(keys.enter);
		await screen.sees(/✗ taken exists[^]*✗ taken exists/);
		await fill(screen, 'other_name');
		screen.type(keys.escape);
		await screen.waitFor(text => !text.includes('1 where'), 'Files');
		screen.type('R');
		await screen.sees('for practice');
		screen.type('n');
		await screen.sees(/▸ new database +other_name/);
	});
});

describe('an encrypted dump', {timeout: 170_000}, () => {
	test('the key is asked for before anything is fetched, a wrong one again', async () => {
		await drop('shop');
		const wrong = await newAgeKeys();
		await using screen = await openMenu(encrypted);
		screen.type('n');
		await screen.sees('Encrypted for a public key');
		screen.type(wrong.identity.trim());
		await screen.sees('•••');
		screen.type(keys.enter);
		await screen.sees(/no private key matches|is encrypted to/);
		screen.type(ageKeys.identity.trim());
		await screen.sees('•••');
		screen.type(keys.enter);
		await screen.sees(/✓ free/);
		screen.type(keys.enter);
		await screen.sees('everything, with its rows');
		screen.type(keys.enter);
		await screen.sees(/fetch and decrypt/);
		screen.type(keys.enter);
		await screen.sees('shop: restored');
		assert.equal(await target.psql('shop', 'select count(*) from sales.customers'), '500');
	});
});

describe('objects of a dump', {timeout: 170_000}, () => {
	test('one dropped table back from a remote encrypted dump, with what depends on it', async () => {
		await damaged();
		const store = await startS3Server();
		try {
			for (const name of readdirSync(encrypted))
				if (!name.startsWith('.')) store.objects.set(`prod/${name}`, held(readFileSync(join(encrypted, name))));
			const config = configFile([
				...s3Settings(store.url),
				'upload_prefix = prod/',
				`backup_directory = ${scratchDirectory('empty')}`,
				`host = ${target.socketDirectory}`,
				`port = ${target.port}`,
				'user = postgres',
			]);
			await using screen = await openMenu(['-c', config, '--list-remote', 's3']);
			screen.type('o');
			await screen.sees('These dumps are encrypted');
			screen.type(ageKeys.identity.trim());
			await screen.sees('•••');
			screen.type(keys.enter);
			await screen.sees(/into database +shop.*✓/);
			screen.type(keys.enter);
			await screen.sees(/\[ \] orders/);
			screen.type('/');
			screen.type('orders');
			await screen.sees('/orders');
			screen.type(keys.enter);
			screen.type(down);
			screen.type(down);
			await screen.sees(/▸ +\[ \] orders/);
			screen.type(' ');
			await screen.sees(/\[x\] orders/);
			await screen.sees(/view *[^]*sales\.open_orders/);
			screen.type('Y');
			await screen.waitFor(() => copied(screen).includes('--only sales.orders'), 'the copied command');
			screen.type(keys.enter);
			await screen.sees('in one transaction');
			screen.type(keys.enter);
			await screen.sees('shop: restored');
			assert.equal(await target.psql('shop', 'select count(*) from sales.open_orders'), '300');
			assert.equal(await target.psql('shop', 'select count(*) from sales.customers where name is null'), '500');
			assert.equal(
				await target.psql('shop', `select count(*) from pg_constraint where conrelid = 'sales.orders'::regclass`),
				'2',
			);
		} finally {
			await store.close();
		}
	});

	test('i shows the tree, and a filter finds a table in it', async () => {
		await using screen = await openMenu(directory);
		await close(screen, 'for practice');
		screen.type('i');
		await screen.sees(/PostgreSQL 1\d/);
		screen.type('/');
		screen.type('orders');
		await screen.sees('open_orders');
		await screen.waitFor(text => !text.includes('customers'), 'the filtered tree', patience);
	});
});

/** Up to the question before the swap. */
async function replaceShop(screen: OnTerminal): Promise<void> {
	screen.type('r');
	await screen.sees(/in place of +shop.*✓/);
	screen.type(keys.enter);
	await screen.sees('everything, with its rows');
	screen.type(keys.enter);
	await screen.sees('type shop to replace it');
	screen.type('shop');
	await screen.sees('to replace it: shop');
	screen.type(keys.enter);
	await screen.sees('Replace shop now?');
}

describe('in place of a database', {timeout: 170_000}, () => {
	test('swapped after its name was typed twice, and undone', async () => {
		await damaged();
		await using screen = await openMenu(directory);
		await replaceShop(screen);
		assert.equal(await target.psql('shop', 'select count(*) from sales.customers where name is null'), '500');
		screen.type('shop');
		await screen.sees(/database +shop/);
		screen.type(keys.enter);
		await screen.sees('shop: restored');
		assert.equal(await target.psql('shop', 'select count(*) from sales.orders'), '300');
		screen.type('u');
		await screen.sees('Undo the replacement of shop?');
		screen.type('y');
		await screen.sees('is the one before again');
		assert.equal(await target.psql('shop', 'select count(*) from sales.customers where name is null'), '500');
	});

	test('a terminal that is lost before the swap replaces nothing, and what was restored is kept', async () => {
		await damaged();
		const screen = await openMenu(directory);
		await replaceShop(screen);
		screen.close();
		await screen.exited;
		assert.equal(await target.psql('shop', 'select count(*) from sales.customers where name is null'), '500');
		const kept = (await databases()).filter(name => name.startsWith('shop.pgbk-'));
		assert.equal(kept.length, 1);
		await drop(...kept);
	});
});

describe('failures', {timeout: 170_000}, () => {
	test('an extension that the target lacks blocks the start, and leads to the field that leaves it out', async () => {
		const place = scratchDirectory('lacking');
		await source.psql('postgres', 'create database shop_lacking');
		await source.psql('shop_lacking', 'create extension citext; create table t as select 1 as i');
		// As if it came from a server with more packages.
		await source.psql('shop_lacking', "update pg_extension set extname = 'not_here' where extname = 'citext'");
		const {code, stderr} = await runProgram([...connectTo(source, place), 'shop_lacking']);
		assert.equal(code, 0, stderr);
		await using screen = await openMenu(place);
		screen.type('n');
		await screen.sees(/✓ free/);
		screen.type(keys.enter);
		await screen.sees('everything, with its rows');
		screen.type(keys.enter);
		await screen.sees('✗ extension not_here is not available');
		screen.type(keys.enter);
		await screen.sees(/▸ leave out/);
		await fill(screen, 'extension not_here');
		screen.type(keys.enter);
		await screen.sees('everything, with its rows');
		screen.type(keys.enter);
		await screen.sees('enter START');
		assert.equal((await databases()).includes('shop_lacking'), false);
		screen.type(keys.escape);
	});

	test('a server that restarts in the middle: not restored, nothing under its name, again from the plan', async () => {
		await drop('shop', 'shop_again');
		const hook = join(scratchDirectory('hook'), 'crash');
		const mark = `${hook}.done`;
		const pid = `select pid from pg_stat_activity where datname is not null and pid <> pg_backend_pid() limit 1`;
		// One backend that is killed makes the server restart.
		writeFileSync(
			hook,
			`#!/bin/sh\n[ -e '${mark}' ] && exit 0\n: > '${mark}'\nkill -9 $(psql -X -At -h ${target.socketDirectory} -p ${target.port} -U postgres -d postgres -c '${pid}')\n`,
		);
		chmodSync(hook, 0o755);
		await using screen = await openMenu([...connectTo(target, directory), '--after-restore-hook', hook, '-i']);
		screen.type('n');
		await screen.sees(/shop.*✓ free/);
		screen.type(keys.enter);
		await screen.sees('everything, with its rows');
		screen.type(keys.enter);
		await screen.sees('enter START');
		screen.type(keys.enter);
		await screen.sees('shop: NOT restored');
		await waitFor(() => target.psql('postgres', 'select 1').catch(() => undefined), 'the server after its crash', 60);
		screen.type('a');
		await screen.sees('enter START');
		assert.equal((await databases()).includes('shop'), false);
		screen.type(keys.enter);
		await screen.sees('shop: restored');
		assert.equal(await target.psql('shop', 'select count(*) from sales.orders'), '300');
	});
});

describe('runs', {timeout: 170_000}, () => {
	test('pinned, compared and searched for a table', async () => {
		const place = scratchDirectory('runs');
		for (const sql of ['select 1', 'insert into sales.customers values (501, null)']) {
			await source.psql('shop', sql);
			const {code, stderr} = await runProgram([...connectTo(source, place), 'shop']);
			assert.equal(code, 0, stderr);
		}
		await source.psql('shop', 'delete from sales.customers where id = 501');
		await using screen = await onTerminal([...connectTo(target, place), '-i']);
		screen.type('2');
		await screen.sees('2 runs');
		screen.type('c');
		await screen.sees('the runs differ in 1 database');
		await close(screen, 'the runs differ');
		screen.type('f');
		await screen.sees('Which dumps hold a table?');
		screen.type('customers');
		await screen.sees(/table +customers/);
		screen.type(keys.enter);
		await screen.sees(/sales\.customers[^]*sales\.customers/);
		await close(screen, 'sales.customers');
		screen.type('p');
		await screen.sees('Pin the run of');
		screen.type('before the move');
		await screen.sees('before the move');
		screen.type(keys.enter);
		await screen.sees(/· pinned/);
		assert.equal(readdirSync(place).filter(name => name.endsWith('.pinned.json')).length, 1);
		screen.type('p');
		await screen.sees('Unpin the run of');
		screen.type('y');
		await screen.sees('the run is unpinned');
		assert.equal(readdirSync(place).filter(name => name.endsWith('.pinned.json')).length, 0);
	});
});
