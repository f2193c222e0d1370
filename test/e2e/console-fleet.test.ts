/** The Fleet screen of the built program: two servers of one store, looked at, and one of them brought back from. */
import assert from 'node:assert/strict';
import {existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {runProgram, scratchDirectory} from '../helpers/program.js';
import {keys, onTerminal, patience} from './console-terminal.js';

let cluster: Cluster;
let config = '';
let store = '';

before(async () => {
	cluster = await startCluster({name: 'console-fleet'});
	for (const name of ['orders', 'billing']) await cluster.psql('postgres', `create database ${name}`);
	store = scratchDirectory('store');
	const directory = scratchDirectory('fleet');
	mkdirSync(join(directory, 'servers.d'), {mode: 0o755});
	config = join(directory, 'pg_back.conf');
	const lines = [
		`host = ${cluster.socketDirectory}`,
		`port = ${cluster.port}`,
		'user = postgres',
		`backup_directory = ${scratchDirectory('here')}`,
		`local_directory = ${store}`,
		'upload = local',
		'fleet_prefix = fleet',
		'with_templates = no',
	];
	writeFileSync(config, `${lines.join('\n')}\n`, {mode: 0o600});
	for (const name of ['shop1', 'pay3']) {
		writeFileSync(join(directory, `servers.d/${name}.conf`), '', {mode: 0o600});
		const {code, stderr} = await runProgram(['-c', config, '--server', name, 'orders', 'billing']);
		assert.equal(code, 0, stderr);
	}
	writeFileSync(join(store, 'fleet/expected.txt'), 'shop1\npay3\ngone9 # was never set up\n');
});
after(() => cluster.stop());

/** Keys of the store below a prefix. */
function stored(prefix: string): readonly string[] {
	return existsSync(join(store, prefix)) ? readdirSync(join(store, prefix)) : [];
}

describe('the console over a fleet', {timeout: 240_000}, () => {
	test('shows who never reported, the databases of a server, and verifies its dumps with its configuration', async () => {
		await using screen = await onTerminal(['-c', config, '-i', '--fleet', 'local'], {columns: 100, rows: 30});
		await screen.sees('3 servers');
		await screen.sees(/✗ gone9 .*never reported/);
		screen.type('/shop1');
		await screen.sees('1 of 3 servers');
		screen.type(keys.enter);
		await screen.sees(/▸ {3}shop1 +2 +0m (?:orders|billing) +ok, 0m ago/);
		screen.type(keys.enter);
		await screen.sees('backed up on');
		await screen.sees(/▸ (?:orders|billing) +0m/);
		screen.type('f');
		await screen.sees(`${store}/shop1/]`);
		await screen.sees(/\[ \] orders /);
		screen.type('/orders');
		await screen.sees('filter: orders');
		screen.type(keys.enter);
		screen.type('d');
		await screen.sees(/--server shop1/);
		screen.type(keys.escape);
		await screen.waitFor(text => !text.includes('--server'), 'the list again', patience);
		screen.type('v');
		await screen.sees('all went well');
		screen.type('q');
		assert.equal(await screen.status(), 0, screen.text());
	});

	test('a drill from there is reported for that server', async () => {
		await using screen = await onTerminal(['-c', config, '-i', '--fleet', 'local', 'pay*'], {columns: 100, rows: 30});
		await screen.sees('1 server ');
		screen.type('f');
		await screen.sees(/\[ \] orders /);
		screen.type('/orders');
		await screen.sees('filter: orders');
		screen.type(keys.enter);
		screen.type('R');
		await screen.sees('for practice');
		screen.type('p');
		await screen.sees('Restore drill of');
		await screen.sees('--server pay3');
		screen.type('y');
		await screen.sees('all went well');
		screen.type('q');
		assert.equal(await screen.status(), 0, screen.text());
		const drill = JSON.parse(readFileSync(join(store, 'fleet/status/pay3.drill.json'), 'utf8')) as {
			readonly server: string;
			readonly databases: readonly {readonly database: string; readonly lastRestored?: string}[];
		};
		assert.equal(drill.server, 'pay3');
		assert.deepEqual(
			drill.databases.map(({database}) => database),
			['orders'],
		);
		assert.deepEqual(
			stored('fleet/status').filter(name => name.endsWith('.drill.json')),
			['pay3.drill.json'],
		);
	});

	test('without servers.d the place is known from the report, and nothing is restored from it', async () => {
		const directory = scratchDirectory('alone');
		const alone = join(directory, 'pg_back.conf');
		writeFileSync(alone, readFileSync(config, 'utf8'), {mode: 0o600});
		await using screen = await onTerminal(['-c', alone, '-i'], {columns: 100, rows: 30});
		await screen.sees('4 Fleet');
		screen.type('4');
		await screen.sees('3 servers');
		screen.type('/shop1');
		await screen.sees('1 of 3 servers');
		screen.type(keys.enter);
		screen.type('f');
		await screen.sees(`${store}/shop1/]`);
		await screen.sees(/\[ \] orders /);
		screen.type('R');
		await screen.sees('known from a report of');
		screen.type(keys.escape);
		await screen.waitFor(text => !text.includes('known from'), 'the list again', patience);
		screen.type('v');
		await screen.sees('all went well');
		screen.type('q');
		assert.equal(await screen.status(), 0, screen.text());
	});

	test('a store that cannot be read is said with its reason, and read again with F5', async () => {
		const moved = `${store}-moved`;
		const alone = join(scratchDirectory('away'), 'pg_back.conf');
		writeFileSync(alone, readFileSync(config, 'utf8').replace(store, moved), {mode: 0o600});
		await using screen = await onTerminal(['-c', alone, '-i', '--fleet', 'local'], {columns: 80, rows: 24});
		await screen.sees('nothing could be read');
		mkdirSync(moved);
		try {
			screen.type('\u001B[15~');
			await screen.sees('no server has reported');
			screen.type('q');
			assert.equal(await screen.status(), 0, screen.text());
		} finally {
			rmSync(moved, {recursive: true});
		}
	});
});
