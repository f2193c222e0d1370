/** Restores from the console, by keys only, into new databases of a real server. */
import assert from 'node:assert/strict';
import {chmodSync, readdirSync, readFileSync, statSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {describe, test} from 'node:test';
import {databasesOf, dropDatabases} from '../helpers/databases.js';
import {waitFor} from '../helpers/postgres.js';
import {connectTo, newAgeKeys, runProgram, scratchDirectory, succeeded} from '../helpers/program.js';
import {copied, fill, openMenu, restoreSite} from './console-restore-site.js';
import {keys, onTerminal} from './console-terminal.js';

const f2 = '\u001BOQ';
const site = restoreSite();
const {directory, encrypted} = site;

describe('into a new database', {timeout: 170_000}, () => {
	for (const [columns, rows] of [
		[100, 30],
		[80, 24],
		[60, 20],
	] as const) {
		test(`by keys only, at ${columns}x${rows}`, async () => {
			await dropDatabases(site.target, 'shop', 'shop_again');
			await using screen = await openMenu(site, directory, {columns, rows});
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
			assert.equal(await site.target.psql('postgres', `select count(*) from pg_database where datname ~ 'shop'`), '0');
			screen.type(keys.enter);
			await screen.sees('shop_again: restored');
			await screen.sees('copy: psql');
			assert.equal(await site.target.psql('shop_again', 'select count(*) from sales.orders'), '300');
			screen.type(keys.escape);
			await screen.waitFor(text => !text.includes('copy: psql'), 'the jobs');
			screen.type('q');
			assert.equal(await screen.status(), 0);
		});
	}

	test('the copied command does the same in a shell', async () => {
		await dropDatabases(site.target, 'shop');
		await using screen = await openMenu(site, directory);
		screen.type('n');
		await screen.sees(/shop.*✓ free/);
		screen.type(f2);
		await screen.waitFor(() => copied(screen).startsWith('pg_back'), 'the copied command');
		const words = copied(screen).split(' ').slice(1);
		screen.type(keys.escape);
		succeeded(await runProgram(words));
		assert.equal(await site.target.psql('shop', 'select count(*) from sales.orders'), '300');
	});

	test('the terminal is lost: the next console continues what was begun', async () => {
		await dropDatabases(site.target, 'shop', 'mine');
		const env = {XDG_STATE_HOME: scratchDirectory('state')};
		{
			await using screen = await openMenu(site, encrypted, {env});
			screen.type('n');
			await screen.sees('Encrypted for a public key');
			screen.type(`${site.ageKeys.identity.trim()}${keys.enter}`);
			await screen.sees(/✓ free/);
			await fill(screen, 'mine');
			screen.close();
			await screen.exited;
		}
		const kept = join(env.XDG_STATE_HOME, 'pg_back/restore-drafts');
		const [file = '', ...others] = readdirSync(kept);
		assert.deepEqual([others, statSync(kept).mode & 0o777], [[], 0o700]);
		assert.equal(statSync(join(kept, file)).mode & 0o777, 0o600);
		const text = readFileSync(join(kept, file), 'utf8');
		assert.match(text, /"name":"mine"/);
		assert.doesNotMatch(text, /AGE-SECRET-KEY/, 'a key is kept in memory only');
		{
			await using screen = await onTerminal([...connectTo(site.target, encrypted), '-i'], {env});
			await screen.sees(/restore of shop of \S+ \S+ was kept/);
		}
		await using screen = await openMenu(site, encrypted, {env});
		await screen.sees('into a new database: as you left it');
		screen.type('n');
		await screen.sees('Encrypted for a public key');
		screen.type(`${site.ageKeys.identity.trim()}${keys.enter}`);
		await screen.sees(/▸ new database +mine/);
		assert.deepEqual(readdirSync(kept), []);
		await screen.sees(/✓ free/);
		screen.type(keys.enter);
		await screen.sees('everything, with its rows');
		screen.type(keys.enter);
		await screen.sees(/has been changed so far/);
		screen.type(keys.enter);
		await screen.sees('mine: restored');
		assert.equal(await site.target.psql('mine', 'select count(*) from sales.orders'), '300');
		await dropDatabases(site.target, 'mine');
	});

	test('a name that is taken is said at once, and Esc keeps what was typed', async () => {
		await dropDatabases(site.target, 'shop', 'shop_again', 'other_name');
		await site.target.psql('postgres', 'create database taken');
		await using screen = await openMenu(site, directory);
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
		await dropDatabases(site.target, 'shop');
		const wrong = await newAgeKeys();
		await using screen = await openMenu(site, encrypted);
		screen.type('n');
		await screen.sees('Encrypted for a public key');
		screen.type(wrong.identity.trim());
		await screen.sees('•••');
		screen.type(keys.enter);
		await screen.sees(/no private key matches|is encrypted to/);
		screen.type(site.ageKeys.identity.trim());
		await screen.sees('•••');
		screen.type(keys.enter);
		await screen.sees(/✓ free/);
		screen.type(keys.enter);
		await screen.sees('everything, with its rows');
		screen.type(keys.enter);
		await screen.sees(/fetch and decrypt/);
		screen.type(keys.enter);
		await screen.sees('shop: restored');
		assert.equal(await site.target.psql('shop', 'select count(*) from sales.customers'), '500');
	});
});

describe('failures', {timeout: 170_000}, () => {
	test('an extension that the target lacks blocks the start, and leads to the field that leaves it out', async () => {
		const place = scratchDirectory('lacking');
		await site.source.psql('postgres', 'create database shop_lacking');
		await site.source.psql('shop_lacking', 'create extension citext; create table t as select 1 as i');
		// As if it came from a server with more packages.
		await site.source.psql('shop_lacking', "update pg_extension set extname = 'not_here' where extname = 'citext'");
		succeeded(await runProgram([...connectTo(site.source, place), 'shop_lacking']));
		await using screen = await openMenu(site, place);
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
		assert.equal((await databasesOf(site.target)).includes('shop_lacking'), false);
		screen.type(keys.escape);
	});

	test('a server that restarts in the middle: not restored, nothing under its name, again from the plan', async () => {
		await dropDatabases(site.target, 'shop', 'shop_again');
		const hook = join(scratchDirectory('hook'), 'crash');
		const mark = `${hook}.done`;
		const pid = `select pid from pg_stat_activity where datname is not null and pid <> pg_backend_pid() limit 1`;
		// One backend that is killed makes the server restart.
		writeFileSync(
			hook,
			`#!/bin/sh\n[ -e '${mark}' ] && exit 0\n: > '${mark}'\nkill -9 $(psql -X -At -h ${site.target.socketDirectory} -p ${site.target.port} -U postgres -d postgres -c '${pid}')\n`,
		);
		chmodSync(hook, 0o755);
		await using screen = await openMenu(site, [
			...connectTo(site.target, directory),
			'--after-restore-hook',
			hook,
			'-i',
		]);
		screen.type('n');
		await screen.sees(/shop.*✓ free/);
		screen.type(keys.enter);
		await screen.sees('everything, with its rows');
		screen.type(keys.enter);
		await screen.sees('enter START');
		screen.type(keys.enter);
		await screen.sees('shop: NOT restored');
		await waitFor(
			() => site.target.psql('postgres', 'select 1').catch(() => undefined),
			'the server after its crash',
			60,
		);
		screen.type('a');
		await screen.sees('enter START');
		assert.equal((await databasesOf(site.target)).includes('shop'), false);
		screen.type(keys.enter);
		await screen.sees('shop: restored');
		assert.equal(await site.target.psql('shop', 'select count(*) from sales.orders'), '300');
	});
});
