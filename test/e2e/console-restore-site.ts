/** Backups of a database in two directories, a server to restore into, and the console in front of both. */
import assert from 'node:assert/strict';
import {after, before} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {connectTo, type KeyFile, newKeyFile, runProgram, scratchDirectory, succeeded} from '../helpers/program.js';
import type {PtyOptions} from '../ui/helpers/pty.js';
import {keys, type OnTerminal, onTerminal, patience} from './console-terminal.js';

/** Starts the servers and makes the backups before the tests of the calling file, and stops them afterwards. */
export function restoreSite(): RestoreSite {
	const [directory, encrypted] = [scratchDirectory('console-restore'), scratchDirectory('console-restore-age')];
	let [source, target, ageKeys]: [Cluster?, Cluster?, KeyFile?] = [];
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
		ageKeys = await newKeyFile();
		for (const [where, more] of [
			[directory, []],
			[encrypted, ['--encrypt', '--cipher-public-key', ageKeys.recipient]],
		] as const)
			succeeded(await runProgram([...connectTo(source, where), ...more, 'shop']));
	});
	after(async () => {
		await source?.stop();
		await target?.stop();
	});
	return {
		directory,
		encrypted,
		get source() {
			return source ?? assert.fail();
		},
		get target() {
			return target ?? assert.fail();
		},
		get ageKeys() {
			return ageKeys ?? assert.fail();
		},
	};
}

export type RestoreSite = {
	readonly source: Cluster;
	readonly target: Cluster;
	/** Of shop, in the clear. */
	readonly directory: string;
	/** Of shop, for `ageKeys`. */
	readonly encrypted: string;
	readonly ageKeys: KeyFile;
};

/** Files, with the cursor on the dump of shop, and the menu open. */
export async function openMenu(
	{target}: RestoreSite,
	from: string | readonly string[],
	options: PtyOptions = {},
): Promise<OnTerminal> {
	const args = typeof from === 'string' ? [...connectTo(target, from), '-i'] : from;
	const screen = await onTerminal(args, options);
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
export async function fill(screen: OnTerminal, text: string): Promise<void> {
	screen.type(keys.ctrlU);
	screen.type(text);
	await screen.sees(new RegExp(`▸ [a-z ]+ ${text}`));
}

/** Esc, and what it closes: a key right behind it would be read as Alt with that key. */
export async function close(screen: OnTerminal, what: string): Promise<void> {
	screen.type(keys.escape);
	await screen.waitFor(text => !text.includes(what), `${what} is closed`, patience);
}

export function copied(screen: OnTerminal): string {
	const last = screen.bytes().split('\u001B]52;c;').at(-1) ?? '';
	return Buffer.from(last.split('\u0007')[0] ?? '', 'base64').toString();
}
