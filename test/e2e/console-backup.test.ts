/** A dump watched and controlled from the console: cancel, retry, the question when leaving, a closed terminal. */
import assert from 'node:assert/strict';
import {existsSync, readFileSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {clientDirectory, type Cluster, startCluster} from '../helpers/cluster.js';
import {waitFor} from '../helpers/postgres.js';
import {connectTo, filesIn, scratchDirectory, shapesIn} from '../helpers/program.js';
import {keys, onTerminal, patience} from './console-terminal.js';

let server: Cluster;

before(async () => {
	server = await startCluster({name: 'console'});
	for (const name of ['alpha', 'beta', 'gamma']) await server.psql('postgres', `create database ${name}`);
	for (const name of ['alpha', 'beta', 'gamma'])
		await server.psql(name, `create table big as select i, md5(i::text) as text from generate_series(1, 2000) i`);
});
after(async () => server.stop());

/** Holds the dump of alpha up until it is disposed of. */
async function heldUp(): Promise<{
	readonly release: () => Promise<void>;
	readonly [Symbol.asyncDispose]: () => Promise<void>;
}> {
	const application = `holder ${Math.random()}`;
	const holding = server
		.psql('alpha', `set application_name = '${application}'; begin; lock table big; select pg_sleep(600)`)
		.catch(() => undefined); // it is terminated
	await waitFor(
		async () =>
			(await server.psql(
				'alpha',
				`select 1 from pg_locks l join pg_stat_activity s using (pid) where mode = 'AccessExclusiveLock' and relation = 'big'::regclass and application_name = '${application}'`,
			)) === '1',
		'the lock',
	);
	const release = async () => {
		await server.psql(
			'postgres',
			`select pg_terminate_backend(pid) from pg_stat_activity where application_name = '${application}'`,
		);
		await holding;
	};
	return {release, [Symbol.asyncDispose]: release};
}

const dumpsIn = (directory: string) => shapesIn(directory).filter(name => name.endsWith('.dump'));
const argsFor = (directory: string) => connectTo(server, directory);

describe('the console over a backup', {timeout: 170_000}, () => {
	test('every size while it runs; one is cancelled, and run again', async () => {
		const directory = scratchDirectory('steered');
		await using held = await heldUp();
		await using screen = await onTerminal([...argsFor(directory), '-j', '2', 'alpha', 'beta', 'gamma'], {
			columns: 120,
			rows: 40,
		});
		await screen.sees(/● 1 dumping.*✓ \d+ done/);
		await screen.sees(/gamma .*done/);
		for (const [columns, rows] of [
			[100, 30],
			[80, 24],
			[60, 20],
			[40, 10],
			[60, 20],
			[80, 24],
			[100, 30],
			[120, 40],
		] as const) {
			screen.become(columns, rows);
			await screen.waitFor(
				() => {
					const lines = screen.lines();
					return / 1 Jobs/.test(lines[0] ?? '') && /q quit *$/.test(lines[rows - 1] ?? '');
				},
				`${columns}x${rows}`,
				patience,
			);
			const lines = screen.lines();
			assert.equal(lines.length, rows);
			assert.equal(lines.filter(line => / 1 Jobs/.test(line)).length, 1, 'drawn once');
			assert.equal(lines.filter(line => /^ *▸? *alpha /.test(line)).length, 1);
		}
		assert.match(screen.text(), /▸ alpha .*dump●/);
		screen.type('x');
		await screen.sees('Cancel alpha?');
		screen.type('y');
		await screen.sees(/alpha .*cancelled/);
		await screen.sees('1 cancelled');
		assert.deepEqual(dumpsIn(directory), ['beta_T.dump', 'gamma_T.dump']);
		await held.release();
		screen.type('r');
		await screen.sees('all went well');
		screen.type('q');
		assert.equal(await screen.status(), 0, screen.text());
		assert.equal(screen.isAlternate(), false);
		assert.equal(screen.isCursorHidden(), false);
		assert.match(screen.text(), /alpha\s.*✓ ok/);
		assert.deepEqual(dumpsIn(directory), ['alpha_T.dump', 'beta_T.dump', 'gamma_T.dump']);
	});

	test('leaving: it may finish, or everything is cancelled', async () => {
		for (const choice of ['f', 'c'] as const) {
			const directory = scratchDirectory('left');
			await using held = await heldUp();
			await using screen = await onTerminal([...argsFor(directory), '-j', '2', 'alpha', 'beta']);
			await screen.sees(/beta .*done/);
			screen.type(keys.ctrlZ);
			await screen.sees('Ctrl-Z is refused');
			screen.type(keys.ctrlC);
			await screen.sees('Work is running');
			screen.type(keys.escape);
			await screen.waitFor(text => !text.includes('Work is running'), 'the way back', patience);
			screen.type('q');
			await screen.sees('Work is running');
			screen.type(choice);
			await screen.waitFor(() => !screen.isAlternate(), 'the normal screen', patience);
			if (choice === 'f') await held.release();
			assert.equal(await screen.status(), choice === 'f' ? 0 : 130, screen.text());
			assert.deepEqual(dumpsIn(directory), choice === 'f' ? ['alpha_T.dump', 'beta_T.dump'] : ['beta_T.dump']);
			assert.deepEqual(
				filesIn(directory).filter(name => name.includes('.part')),
				[],
			);
		}
	});

	test('the terminal closes: the dump finishes, and its log says so', async () => {
		const directory = scratchDirectory('hangup');
		await using held = await heldUp();
		await using screen = await onTerminal([...argsFor(directory), '-j', '2', 'alpha', 'beta']);
		await screen.sees(/beta .*done/);
		screen.type('3');
		await screen.sees(/continues in \S+\.log/);
		const [, log = ''] = /continues in (\S+\.log)/.exec(screen.text()) ?? [];
		screen.close();
		await waitFor(async () => existsSync(log), 'the log');
		await held.release();
		await waitFor(async () => / done, .* in /.test(readFileSync(log, 'utf8')), 'the end of the work', 30);
		const text = readFileSync(log, 'utf8');
		rmSync(log);
		assert.match(text, /INFO: alpha +ok /);
		assert.match(text, /INFO: beta +ok /);
		assert.match(text, /pg_back|dumping|connect/i, 'what was said before is in it too');
		assert.deepEqual(dumpsIn(directory), ['alpha_T.dump', 'beta_T.dump']);
	});

	test('nothing runs: Ctrl-Z stops it, and a backup of what was chosen starts from its plan', async () => {
		const directory = scratchDirectory('chosen');
		await using screen = await onTerminal([...argsFor(directory), '-i']);
		await screen.sees(/4 databases, ~/);
		screen.type(keys.ctrlZ);
		const state = () => / ([A-Z]) /.exec(readFileSync(`/proc/${screen.pid}/stat`, 'utf8').replace(/^.*\)/, ''))?.[1];
		await waitFor(async () => state() === 'T', 'it to stop');
		await screen.waitFor(() => !screen.isAlternate(), 'the normal screen', patience);
		screen.kill('SIGCONT');
		await screen.sees('A backup would dump');
		screen.type('b');
		await screen.sees('4 of 4 databases');
		screen.type('A');
		await screen.sees('0 of 4 databases');
		// The sum and the rows may be read from two frames: the rows count once all four are unmarked.
		const rows = () => screen.lines().filter(line => /\[ \] \w/.test(line));
		await screen.waitFor(() => rows().length === 4, 'four unmarked rows', patience);
		screen.type('j'.repeat(rows().findIndex(line => line.includes('beta'))));
		await screen.sees(/▸ \[ \] beta/);
		screen.type(' ');
		await screen.sees('1 of 4 databases');
		await screen.sees(/into +\/.*chosen/);
		screen.type(keys.enter);
		await screen.sees('all went well');
		screen.type('q');
		assert.equal(await screen.status(), 0);
		assert.deepEqual(dumpsIn(directory), ['beta_T.dump']);
	});

	test('keys that are typed while the databases are read start nothing, and the list has a filter', async () => {
		const [directory, tools] = [scratchDirectory('early'), scratchDirectory('tools')];
		const [real, held] = [clientDirectory(server.major), join(tools, 'held')];
		for (const tool of ['pg_dump', 'pg_dumpall', 'pg_restore']) symlinkSync(join(real, tool), join(tools, tool));
		const script = `#!/bin/sh\n[ "$1" = --version ] || while [ -e ${held} ]; do sleep 0.05; done\nexec ${join(real, 'psql')} "$@"\n`;
		writeFileSync(join(tools, 'psql'), script, {mode: 0o755});
		await using screen = await onTerminal([...argsFor(directory), '-B', tools, '-i']);
		await screen.sees(/4 databases, ~/);
		writeFileSync(held, '');
		screen.type('b');
		await screen.sees('Back up');
		screen.type(`A${keys.enter}`);
		await screen.sees('the databases are being read');
		rmSync(held);
		await screen.sees('4 of 4 databases');
		screen.type('/bet');
		await screen.waitFor(text => /\[.\] beta/.test(text) && !/\[.\] (?:alpha|gamma)/.test(text), 'one row', patience);
		screen.type(keys.enter);
		screen.type('A');
		await screen.sees('3 of 4 databases');
		assert.deepEqual(filesIn(directory), []);
		screen.type(keys.escape);
		await screen.sees(/\[.\] alpha/);
		screen.type(keys.enter);
		await screen.sees('all went well');
		screen.type('q');
		assert.equal(await screen.status(), 0);
		assert.deepEqual(dumpsIn(directory), ['alpha_T.dump', 'gamma_T.dump', 'postgres_T.dump']);
	});

	test('the first screen says that the server is down, in the log too, and F5 finds it again', async () => {
		const directory = scratchDirectory('down');
		writeFileSync(join(directory, 'shop_2026-01-02T03:04:05+00:00.dump'), 'PGDMP and what follows');
		// Where the socket of the server will be.
		const sockets = scratchDirectory('sockets');
		await using screen = await onTerminal([...argsFor(directory), '-h', sockets, '-i']);
		await screen.sees(/No such file or directory/);
		await screen.sees(/shop +\d+[dhy] old +never proven/);
		screen.type('3');
		await screen.sees(/error cannot connect/);
		screen.type('1');
		symlinkSync(join(server.socketDirectory, `.s.PGSQL.${server.port}`), join(sockets, `.s.PGSQL.${server.port}`));
		screen.type('\u001B[15~');
		await screen.sees(/4 databases, ~/);
		screen.type('q');
		assert.equal(await screen.status(), 0);
	});
});
