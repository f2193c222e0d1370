/** Restores from the console of what is damaged: single objects, whole databases that are replaced, and which run has what. */
import assert from 'node:assert/strict';
import {createHash} from 'node:crypto';
import {readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {describe, test} from 'node:test';
import {databasesOf, dropDatabases} from '../helpers/databases.js';
import {connectTo, runProgram, scratchDirectory, succeeded} from '../helpers/program.js';
import {startS3Server} from '../helpers/s3-server.js';
import {close, copied, openMenu, restoreSite} from './console-restore-site.js';
import {keys, type OnTerminal, onTerminal, patience} from './console-terminal.js';
import {configFile, s3Settings} from './remote-places.js';

const down = '\u001B[B';
const site = restoreSite();
const {directory, encrypted} = site;

function held(bytes: Buffer) {
	const etag = createHash('md5').update(bytes).digest('hex');
	return {bytes, size: bytes.length, etag, modified: Date.now(), headers: {}, version: '1'};
}

/** A database with fewer rows than the dump, in which the table and its view were dropped. */
async function damaged(): Promise<void> {
	await dropDatabases(site.target, 'shop');
	await site.target.psql('postgres', 'create database shop');
	await site.target.psql(
		'shop',
		'create schema sales; create table sales.customers (id int primary key, name text); insert into sales.customers select i, null from generate_series(1, 500) i',
	);
}

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
				`host = ${site.target.socketDirectory}`,
				`port = ${site.target.port}`,
				'user = postgres',
			]);
			await using screen = await openMenu(site, ['-c', config, '--list-remote', 's3']);
			screen.type('o');
			await screen.sees('These dumps are encrypted');
			screen.type(site.ageKeys.identity.trim());
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
			assert.equal(await site.target.psql('shop', 'select count(*) from sales.open_orders'), '300');
			assert.equal(await site.target.psql('shop', 'select count(*) from sales.customers where name is null'), '500');
			assert.equal(
				await site.target.psql('shop', `select count(*) from pg_constraint where conrelid = 'sales.orders'::regclass`),
				'2',
			);
		} finally {
			await store.close();
		}
	});

	test('i shows the tree, and a filter finds a table in it', async () => {
		await using screen = await openMenu(site, directory);
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
		await using screen = await openMenu(site, directory);
		await replaceShop(screen);
		// The present one was never analyzed: its rows are not known.
		await screen.sees(/present: +\S+ MiB, 1 table: sales\.customers \d+ KiB\s/);
		await screen.sees(/restored: +\S+ MiB, 2 tables: sales\.customers \d+ KiB \(~500 rows\)/);
		assert.equal(await site.target.psql('shop', 'select count(*) from sales.customers where name is null'), '500');
		screen.type('shop');
		await screen.sees(/database +shop/);
		screen.type(keys.enter);
		await screen.sees('shop: restored');
		assert.equal(await site.target.psql('shop', 'select count(*) from sales.orders'), '300');
		screen.type('u');
		await screen.sees('Undo the replacement of shop?');
		screen.type('y');
		await screen.sees('is the previous database again');
		assert.equal(await site.target.psql('shop', 'select count(*) from sales.customers where name is null'), '500');
	});

	test('a terminal that is lost before the swap replaces nothing, and what was restored is kept', async () => {
		await damaged();
		const screen = await openMenu(site, directory);
		await replaceShop(screen);
		screen.close();
		await screen.exited;
		assert.equal(await site.target.psql('shop', 'select count(*) from sales.customers where name is null'), '500');
		const kept = (await databasesOf(site.target)).filter(name => name.startsWith('shop.pgbk-'));
		assert.equal(kept.length, 1);
		await dropDatabases(site.target, ...kept);
	});
});

describe('runs', {timeout: 170_000}, () => {
	test('pinned, compared and searched for a table', async () => {
		const place = scratchDirectory('runs');
		for (const sql of ['select 1', 'insert into sales.customers values (501, null)']) {
			await site.source.psql('shop', sql);
			succeeded(await runProgram([...connectTo(site.source, place), 'shop']));
		}
		await site.source.psql('shop', 'delete from sales.customers where id = 501');
		await using screen = await onTerminal([...connectTo(site.target, place), '-i']);
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
